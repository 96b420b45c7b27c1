"""Face detectors: Haar cascades that OpenCV ships, and YuNet from a model file.

Both search a reduced copy of the photo and answer in pixels of the photo.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Value
from facematch.faces.values import Face, Image

_LARGE_FACE = 0.25  # of the photo's shorter side
_STEPS = 2  # how many times as wide small copies are searched in
_WINDOW = 1.3  # sides of a face found in a small copy: where the last copy is searched for it …
_FINER = (0.7, 1.45)  # … and how much smaller and larger it may be there
_LOCAL = threading.local()  # OpenCV's detectors keep state: one of each for each thread


class Detector(Protocol):
    """Finds faces in one RGB photo."""

    @property
    def name(self) -> str:
        """Return the detector's name in settings and reports."""

    def detect(self, image: Image) -> list[Face]:
        """Return the faces of an H×W×3 RGB `uint8` photo, in any order."""

    def settings(self) -> dict[str, Value]:
        """Return everything that decides what is found, by name."""


@dataclass(frozen=True)
class HaarDetector:
    """Viola–Jones cascade (Viola & Jones 2001) of OpenCV; the next cascade is tried when one finds nothing.

    `detect_sizes` are the longer sides, in pixels, of the grey copies that are searched, the next one when the one
    before shows no face: a cascade takes time by the pixel, and the largest face, which wins, is seen in a small copy.
    Those copies are searched in steps twice as wide; where exactly a face is is then looked for around it in the last
    copy, and the whole last copy is searched where that shows none.
    Further cascades, and faces below a quarter of the photo's shorter side, are for the last copy only. `min_size`
    is a share of that side below 1, else pixels of the photo. The score is the number of raw detections that were
    grouped. Of faces that share more than `overlap` of their union only the one of the highest score stays: a chance
    find around a real face is often larger. None keeps all.
    """

    cascades: tuple[str, ...]
    scale_factor: float = 1.1
    min_neighbors: int = 5
    min_size: float = 0.15
    detect_sizes: tuple[int, ...] = (128, 320)
    overlap: float | None = None
    name: ClassVar[str] = "haar"

    def __post_init__(self) -> None:
        for cascade in self.cascades:
            _cascade_path(cascade)

    def detect(self, image: Image) -> list[Face]:
        """Return the faces of the first copy and cascade that show any."""
        grey, scale = _grey_copy(image, self.detect_sizes[-1])
        faces = self._found_first(image, grey, scale)
        for cascade in self.cascades:
            if faces:
                break
            faces = self._search(grey, scale, cascade, (self._side(self.min_size, grey, scale), 0))
        return faces if self.overlap is None else without_overlaps(faces, self.overlap)

    def _found_first(self, image: Image, last: NDArray[np.uint8], last_scale: float) -> list[Face]:
        """Return the large faces of the first copy smaller than `last` that shows any, as `last` shows them."""
        for size in self.detect_sizes[:-1]:
            if size >= max(last.shape):
                break
            grey, scale = _grey_copy(image, size)
            least = self.min_size if self.min_size >= 1 else max(self.min_size, _LARGE_FACE)
            faces = self._search(grey, scale, self.cascades[0], (self._side(least, grey, scale), 0), steps=_STEPS)
            if faces:
                return [finer for face in faces for finer in self._around(face, last, last_scale)]
        return []

    def _around(self, face: Face, grey: NDArray[np.uint8], scale: float) -> list[Face]:
        side = face.width / scale
        spare = side * (_WINDOW - 1) / 2
        left, top = (max(0, int(edge / scale - spare)) for edge in (face.x, face.y))
        right, bottom = (int(edge / scale + side + spare) for edge in (face.x, face.y))
        sides = int(side * _FINER[0]), int(side * _FINER[1])
        return self._search(grey[top:bottom, left:right], scale, self.cascades[0], sides, (left, top))

    @staticmethod
    def _side(min_size: float, grey: NDArray[np.uint8], scale: float) -> int:
        return max(1, round(min_size * min(grey.shape) if min_size < 1 else min_size / scale))

    def _search(
        self,
        grey: NDArray[np.uint8],
        scale: float,
        cascade: str,
        sides: tuple[int, int],
        corner: tuple[int, int] = (0, 0),
        steps: int = 1,
    ) -> list[Face]:
        """Return the faces of `sides` from the first to the second (0: any), in steps so many times as wide.

        `grey` begins at `corner` of its copy.
        """
        least, most = sides
        boxes, neighbors = _cascade(cascade).detectMultiScale2(
            grey,
            scaleFactor=1 + steps * (self.scale_factor - 1),
            minNeighbors=self.min_neighbors,
            minSize=(least, least),
            maxSize=(most, most),
        )
        return [
            Face((x + corner[0]) * scale, (y + corner[1]) * scale, width * scale, height * scale, float(count), cascade)
            for (x, y, width, height), count in zip(np.asarray(boxes).tolist(), neighbors, strict=True)
        ]

    def settings(self) -> dict[str, Value]:
        """Return the cascades and their parameters."""
        return {
            "cascades": list(self.cascades),
            "scale_factor": self.scale_factor,
            "min_neighbors": self.min_neighbors,
            "min_size": self.min_size,
            "detect_size": list(self.detect_sizes) if len(self.detect_sizes) > 1 else self.detect_sizes[0],
            **({"window": _WINDOW} if len(self.detect_sizes) > 1 else {}),
            **({} if self.overlap is None else {"overlap": self.overlap}),  # so what was made without it fits
        }


@dataclass(frozen=True)
class YunetDetector:
    """YuNet (Wu et al. 2023) through `cv2.FaceDetectorYN`, with five points for each face.

    `file` is its ONNX file; `min_score` is the confidence from 0 to 1; `detect_size` is the longer
    side, in pixels, of the copy that is searched.
    """

    file: Path
    min_score: float = 0.6
    detect_size: int = 320
    name: ClassVar[str] = "yunet"

    def __post_init__(self) -> None:
        if not self.file.is_file():
            raise FacematchError(
                f"faces.yunet_file: {self.file} does not exist.",
                "Give the path of YuNet's ONNX file with --set faces.yunet_file=FILE, or use faces.detector: haar.",
            )
        _yunet(self.file)

    def detect(self, image: Image) -> list[Face]:
        """Return the faces with a score of at least `min_score`."""
        small, scale = _reduced(image, self.detect_size)
        network = _yunet(self.file)
        network.setScoreThreshold(self.min_score)
        network.setInputSize((small.shape[1], small.shape[0]))
        _, rows = network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        faces = []
        for row in rows if rows is not None else ():
            x, y, width, height = (float(value) * scale for value in row[:4])
            points = tuple((float(px) * scale, float(py) * scale) for px, py in row[4:14].reshape(5, 2))
            if np.isfinite(row).all():
                faces.append(Face(x, y, width, height, float(row[14]), self.name, points))
        return faces

    def settings(self) -> dict[str, Value]:
        """Return the model's digest and parameters."""
        return {
            "yunet_sha256": sha256_of_file(self.file),
            "yunet_score": self.min_score,
            "detect_size": self.detect_size,
        }


@dataclass(frozen=True)
class NoDetector:
    """Takes every photo whole, as one face: for photos that are crops already."""

    name: ClassVar[str] = "none"

    def detect(self, image: Image) -> list[Face]:
        """Return the whole photo as its one face."""
        height, width = image.shape[:2]
        return [Face(0.0, 0.0, float(width), float(height), 0.0, self.name)]

    def settings(self) -> dict[str, Value]:
        """Return nothing: there is nothing to set."""
        return {}


def without_overlaps(faces: Sequence[Face], most: float) -> list[Face]:
    """Return the faces without those whose intersection over union with one of a higher score is more than `most`.

    Greedy non-maximum suppression; equal scores are ordered by place, from left to right and top to bottom.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda each: (-each.score, each.x, each.y, each.width)):
        if all(intersection_over_union(face, other) <= most for other in kept):
            kept.append(face)
    return kept


def intersection_over_union(first: Face, second: Face) -> float:
    """Return the share of the union of two boxes that both cover, from 0 to 1."""
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (first.width * first.height + second.width * second.height - shared)


def _reduced(image: Image, long_side: int) -> tuple[Image, float]:
    # A copy whose longer side is at most `long_side`, and the factor back to the photo.
    height, width = image.shape[:2]
    scale = max(height, width) / long_side
    if scale <= 1:
        return image, 1.0
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def _grey_copy(image: Image, size: int) -> tuple[NDArray[np.uint8], float]:
    small, scale = _reduced(image, size)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8), scale


def _cascade_path(name: str) -> str:
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    if not folder or not hasattr(cv2, "CascadeClassifier"):
        raise FacematchError(
            f"OpenCV {cv2.__version__} has no Haar cascades; versions below 5 have them.",
            "Run: pip install -r requirements.txt",
        )
    path = Path(name) if os.sep in name else Path(folder) / name
    if not path.is_file():
        known = sorted(file.name for file in Path(folder).glob("*.xml"))
        raise FacematchError(
            f"faces.cascade: {name} is not a cascade file of OpenCV{nearest_name(name, known)}.",
            f"OpenCV {cv2.__version__} ships: {', '.join(file for file in known if 'frontalface' in file)}.",
        )
    return str(path)


def _cascade(name: str) -> cv2.CascadeClassifier:
    loaded: dict[str, cv2.CascadeClassifier] = _LOCAL.__dict__.setdefault("cascades", {})
    if name not in loaded:
        cascade = cv2.CascadeClassifier(_cascade_path(name))
        if cascade.empty():
            raise FacematchError(f"faces.cascade: {name} could not be loaded by OpenCV {cv2.__version__}.")
        loaded[name] = cascade
    return loaded[name]


def _yunet(file: Path) -> cv2.FaceDetectorYN:
    loaded: dict[Path, cv2.FaceDetectorYN] = _LOCAL.__dict__.setdefault("yunet", {})
    if file not in loaded:
        try:
            loaded[file] = cv2.FaceDetectorYN.create(str(file), "", (320, 320))
        except cv2.error as error:
            raise FacematchError(
                f"faces.yunet_file: {file} is not a YuNet model that OpenCV {cv2.__version__} loads: {error.err}.",
                "The file with fixed input (yunet_n_640_640.onnx) loads; its dynamic sibling does not.",
            ) from error
    return loaded[file]
