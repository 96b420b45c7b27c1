"""What published detectors that ONNX Runtime runs have in common: the file, the picture it is given, the faces of it.

SCRFD and RetinaFace take pictures of any size. Their publishers run them so; OpenCV reads such files in one version and
not in another.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facematch.core.extras import require
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Value
from facematch.core.foreign import reading
from facematch.faces.boxes import moved, reduced, without_overlaps
from facematch.faces.landmarks import padded, require_model, where_from
from facematch.faces.values import Face, Image

Maps = Sequence[NDArray[np.float32]]
_OVERLAP = 0.4
_SMALLEST = 64  # pixels of a side of the picture that a file is tried on


@dataclass(frozen=True)
class Found:
    """N places of a picture with a face: boxes N×4 (left, top, right, bottom), N scores, points N×5×2, in pixels."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    points: NDArray[np.float64]


@dataclass(frozen=True)
class OnnxDetector(ABC):
    """A detector of five points: `file` is its ONNX file, `min_score` the confidence from 0 to 1.

    `detect_size` is the longer side, in pixels, of the copy that is searched. Of boxes whose intersection over union is
    more than 0.4 the surest stays. Raises FacematchError for a file that is missing or another model.
    """

    file: Path
    min_score: float = 0.5
    detect_size: int = 320
    name: ClassVar[str]
    gives_points: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require("onnxruntime")
        require_model(self.file, self.name)
        self._search(np.zeros((_SMALLEST, _SMALLEST, 3), np.uint8))

    @staticmethod
    @abstractmethod
    def given(picture: Image) -> NDArray[np.float32]:
        """Return the network's input, 1×3×H×W, of an RGB picture H×W×3."""

    @staticmethod
    @abstractmethod
    def decoded(outputs: Maps, height: int, width: int, min_score: float) -> Found:
        """Return the faces of a picture of height×width. Raises ValueError for outputs that are not this network's."""

    def detect(self, image: Image) -> list[Face]:
        """Return the faces with a score of at least `min_score`."""
        return without_overlaps(self._search(image), _OVERLAP)

    def _search(self, image: Image) -> list[Face]:
        with reading(self.file, f"faces.{self.name}_file", where_from(self.name)):
            model = self._model
            small, scale = reduced(image, _long_side(image.shape[:2], self.detect_size, model.sides))
            picture = padded(small, model.sides)
            outputs = model.session.run(None, {model.input: self.given(picture)})
            if not all(isinstance(each, np.ndarray) and each.dtype.kind == "f" for each in outputs):
                raise ValueError("its outputs are not all numbers")
            found = self.decoded(outputs, picture.shape[0], picture.shape[1], self.min_score)
        return [moved(face, scale) for face in _faces(found, self.name, *small.shape[:2])]

    @cached_property
    def _model(self) -> "_Model":
        # Read once, for all threads. Each of them runs a photo of its own, so that one core each is right.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # it warns of each picture of another size than that of the export
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return _checked(onnxruntime.InferenceSession(str(self.file), options, providers=["CPUExecutionProvider"]))

    def settings(self) -> dict[str, Value]:
        """Return the model's digest and parameters."""
        return {
            f"{self.name}_sha256": sha256_of_file(self.file),
            f"{self.name}_score": self.min_score,
            "detect_size": self.detect_size,
        }


def of_width(outputs: Maps, width: int, count: int, model: str) -> list[NDArray[np.float32]]:
    """Return the `count` outputs whose rows have `width` numbers, each N×width, the one of most rows first.

    Exports differ in the order of outputs and in an axis for the photo. Raises ValueError for another number of them.
    """
    found = [each.reshape(-1, width) for each in outputs if each.ndim and each.shape[-1] == width]
    if len(found) != count:
        widths = ", ".join(str(each.shape[-1]) for each in outputs if each.ndim) or "nothing"
        what = f"{count} with {width}" + (" (five points)" if width == 10 else "")
        raise ValueError(f"its outputs have rows of {widths} numbers, and {model} has {what}")
    return sorted(found, key=len, reverse=True)


def cells_of(height: int, width: int, stride: int) -> NDArray[np.float64]:
    """Return column and row of each cell of a map, row by row, N×2."""
    rows, columns = np.mgrid[: math.ceil(height / stride), : math.ceil(width / stride)]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64)


@dataclass(frozen=True)
class _Model:
    session: Any
    input: str
    sides: tuple[int, int] | None  # height and width of the picture that it takes; None: any


def _checked(session: Any) -> _Model:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise ValueError("it does not take one picture, 1×3×height×width")
    fixed = [each if isinstance(each, int) and each > 0 else None for each in inputs[0].shape[2:]]
    height, width = fixed
    return _Model(session, inputs[0].name, None if height is None or width is None else (height, width))


def _long_side(shape: Sequence[int], long_side: int, sides: tuple[int, int] | None) -> int:
    # The longer side of the copy: `long_side`, or what a picture of `sides` has room for.
    if sides is None:
        return long_side
    room = min(side / own for side, own in zip(sides, shape, strict=True))
    return max(1, min(long_side, math.floor(room * max(shape))))


def _faces(found: Found, name: str, height: int, width: int) -> list[Face]:
    # Those whose numbers are finite, whose boxes have a size and meet the picture: what is beyond it is black.
    (left, top, right, bottom), scores = found.boxes.T, found.scores
    sound = np.isfinite(found.boxes).all(1) & np.isfinite(found.points).all((1, 2))
    sound &= (right > left) & (bottom > top) & (left < width) & (top < height) & (right > 0) & (bottom > 0)
    return [
        Face(x, y, end - x, foot - y, score, name, tuple((px, py) for px, py in points))
        for (x, y, end, foot), score, points in zip(
            found.boxes[sound].tolist(), scores[sound].tolist(), found.points[sound].tolist(), strict=True
        )
    ]
