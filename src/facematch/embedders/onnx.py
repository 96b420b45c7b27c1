"""Any ONNX face model from a file, checked against the model's own inputs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import every_core
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Fingerprint, Value
from facematch.core.foreign import reading
from facematch.core.text import brief
from facematch.embedders import of_length_1, resized

_OTHER = "Give an ONNX model that takes pictures and gives one vector for each."


@dataclass
class OnnxEmbedder:
    """One image input, one vector output.

    `size` is the input's side in pixels; crops of another size are resized. `layout` and `channels`
    are the order of the input's axes and colours; `mean` and `std` normalise values from 0 to 255;
    `batch` is the largest batch the model takes. With `normalise` vectors are scaled to length 1.
    """

    file: Path
    size: int = 112
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    batch: int = 32
    normalise: bool = True

    def __post_init__(self) -> None:
        if not self.file.is_file():
            raise FacematchError(
                f"embedder.file: {self.file} does not exist.", "Name the ONNX file: --set embedder.file=PATH"
            )
        if 0 in self.std:
            raise FacematchError(f"embedder.std is {list(self.std)}; it is divided by, so 0 cannot be.")

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Return the file's digest and how its input is made."""
        settings: dict[str, Value] = {
            "kind": "onnx",
            "file_sha256": sha256_of_file(self.file),
            "size": self.size,
            "layout": self.layout,
            "channels": self.channels,
            "mean": list(self.mean),
            "std": list(self.std),
            "normalise": self.normalise,
        }
        return Fingerprint({f"embedder.{key}": value for key, value in settings.items()})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D vectors of N×S×S×3 RGB crops. Raises FacematchError when the model does not take them."""
        session, any_batch = self._loaded
        parts = []
        for start in range(0, len(images), self.batch):
            some = images[start : start + self.batch]
            # A model of fixed batch gets its last batch filled up with copies.
            filled = some if any_batch else np.resize(some, (self.batch, *some.shape[1:]))
            given = self._input(filled)
            with every_core():
                parts.append(self._computed(session, given)[: len(some)])
        return of_length_1(np.concatenate(parts), self.normalise)

    def _input(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = resized(images, self.size)
        if self.channels == "bgr":
            images = images[..., ::-1]
        scaled = (images.astype(np.float32) - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if self.layout == "nchw" else scaled)

    def _computed(self, session: Any, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        # N×D vectors of N inputs. Raises FacematchError when the model fails, or gives anything else.
        with reading(self.file, "embedder.file", _OTHER):
            found = session.run(None, {session.get_inputs()[0].name: batch})[0]
            if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.ndim < 2 or not found.size:
                raise ValueError(f"its output is {getattr(found, 'dtype', type(found).__name__)}, not N×D numbers")
            if len(found) != len(batch):
                raise ValueError(f"it gives {len(found)} vectors for {len(batch)} photos: whose is whose is not known")
            return np.asarray(found.reshape(len(found), -1), np.float32)

    @cached_property
    def _loaded(self) -> tuple[Any, bool]:  # ONNX Runtime's session, and whether it takes any batch
        with every_core():
            return self._open()

    def _open(self) -> tuple[Any, bool]:
        try:
            import onnxruntime
        except ImportError as error:
            raise FacematchError(
                "ONNX models need onnxruntime, which is not installed.", "Run: pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        with reading(self.file, "embedder.file", _OTHER):
            session = onnxruntime.InferenceSession(
                str(self.file), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        any_batch = self._check(session)
        # Two, of which none is all: a model that gives one vector whatever it is given would fit a single photo.
        trial = np.zeros((2 if any_batch else self.batch, self.size, self.size, 3), np.uint8)
        self._computed(session, self._input(trial))
        return session, any_batch

    def _check(self, session: Any) -> bool:
        # Returns whether it takes any batch.
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            found = brief(", ".join(f"{i.name} {i.type}{i.shape}" for i in inputs)) or "nothing"
            raise FacematchError(f"{self.file} takes {found}; expected one float image input.")
        sides = (3, self.size, self.size) if self.layout == "nchw" else (self.size, self.size, 3)
        shape = inputs[0].shape
        fits = len(shape) == 4 and all(
            not isinstance(found, int) or found == wanted for found, wanted in zip(shape[1:], sides, strict=True)
        )
        if not fits:
            raise FacematchError(
                f"{self.file} takes an input of shape {shape}, but the settings say {['N', *sides]}.",
                "Set embedder.size and embedder.layout (nchw or nhwc) to the model's.",
            )
        any_batch = not (isinstance(shape[0], int) and shape[0] > 0)
        if not any_batch and shape[0] != self.batch:
            raise FacematchError(
                f"{self.file} takes batches of exactly {shape[0]}, but embedder.batch is {self.batch}.",
                f"Set embedder.batch={shape[0]}.",
            )
        return any_batch
