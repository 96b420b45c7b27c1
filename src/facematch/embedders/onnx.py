"""Any ONNX face model from a file, checked against the model's own inputs."""

import logging
from collections.abc import Sequence
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
USUAL_BATCH = 32  # what a setting says that nobody made
_CPU = "CPUExecutionProvider"
# By the setting training.device. TensorRT is left out: it builds an engine for minutes before the first photo.
_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "cpu": _CPU,
}


@dataclass
class OnnxEmbedder:
    """One image input, one vector output.

    `size` is the input's side in pixels; crops of another size are resized. `layout` and `channels`
    are the order of the input's axes and colours; `mean` and `std` normalise values from 0 to 255.
    `batch` is how many crops are given at once; a model of fixed batch takes its own where this is the usual one.
    `device` is that of `training.device`: auto takes the first of CUDA, CoreML, DirectML and the processor that ONNX
    Runtime has. With `normalise` vectors are scaled to length 1.
    """

    file: Path
    size: int = 112
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    batch: int = USUAL_BATCH
    normalise: bool = True
    device: str = "auto"

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
        session, fixed = self._loaded
        parts, batch = [], fixed or self.batch
        for start in range(0, len(images), batch):
            some = images[start : start + batch]
            # A model of fixed batch gets its last batch filled up with copies.
            filled = some if fixed is None else np.resize(some, (fixed, *some.shape[1:]))
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
    def _loaded(self) -> tuple[Any, int | None]:  # ONNX Runtime's session, and the batch that the model wants
        with every_core():
            return self._open()

    def _open(self) -> tuple[Any, int | None]:
        session = self._session()
        fixed = self._check(session)
        # Two, of which none is all: a model that gives one vector whatever it is given would fit a single photo.
        trial = np.zeros((fixed or 2, self.size, self.size, 3), np.uint8)
        self._computed(session, self._input(trial))
        return session, fixed

    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise FacematchError(
                "ONNX models need onnxruntime, which is not installed.", "Run: pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        wanted = providers(onnxruntime.get_available_providers(), self.device)
        failed = ""
        with reading(self.file, "embedder.file", _OTHER):
            try:
                session = self._made(onnxruntime, options, wanted)
            except Exception as error:  # each provider raises its own kinds
                if len(wanted) == 1:
                    raise
                failed = f" ({brief(error)})"
                session = self._made(onnxruntime, options, wanted[-1:])
        used = next(iter(session.get_providers()), _CPU)
        missed = wanted[0] if used != wanted[0] else _PROVIDERS.get(self.device, used)
        lacks = "" if missed == used else f": {_short(missed)} cannot be used by this onnxruntime{failed}"
        logging.getLogger(__name__).info("ONNX Runtime computes by %s%s", _short(used), lacks)
        return session

    def _made(self, onnxruntime: Any, options: Any, wanted: Sequence[str]) -> Any:
        return onnxruntime.InferenceSession(str(self.file), options, providers=list(wanted), enable_fallback=0)

    def _check(self, session: Any) -> int | None:
        # Returns the batch that it wants; None where it takes any.
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
        if not isinstance(shape[0], int) or shape[0] <= 0:
            return None
        if self.batch not in (shape[0], USUAL_BATCH):
            raise FacematchError(
                f"{self.file} takes batches of exactly {shape[0]}, but embedder.batch is {self.batch}.",
                f"Set embedder.batch={shape[0]}, or leave it out.",
            )
        return shape[0]


def providers(there: Sequence[str], device: str) -> tuple[str, ...]:
    """Return which of ONNX Runtime's providers are tried, best first, by `training.device`; the processor is the last.

    One that is asked for and not `there` is left out: a device that torch has need not be one of ONNX Runtime.
    """
    wanted = [each for name, each in _PROVIDERS.items() if each in there and device in ("auto", name)]
    return tuple(dict.fromkeys([*wanted, _CPU]))


def _short(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider")
