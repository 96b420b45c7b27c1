"""What a face detector is, and the one of OpenCV's Haar cascades, which searches reduced copies of the photo."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.fingerprint import Value
from facematch.faces.boxes import reduced, without_overlaps
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


def _grey_copy(image: Image, size: int) -> tuple[NDArray[np.uint8], float]:
    small, scale = reduced(image, size)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8), scale


def _cascade_path(name: str) -> str:
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    if not folder or not hasattr(cv2, "CascadeClassifier"):
        raise FacematchError(
            f"OpenCV {cv2.__version__} has no Haar cascades; versions below 5 have them.",
            "Run: pip install --force-reinstall 'opencv-python-headless<5'",
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
