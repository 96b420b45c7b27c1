"""A second look behind the cascade: a landmark detector where it finds nothing, and to bring its boxes upright."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from facematch.core.fingerprint import Value
from facematch.faces.boxes import intersection_over_union, moved, reduced
from facematch.faces.detectors import Detector
from facematch.faces.templates import points_in_box
from facematch.faces.values import Face, Image

_WINDOW = 2.0  # sides of a box of the cascade: where it is looked at again
_WINDOW_SIDE = 160  # pixels of the copy of a window that is searched, at most, unless the second detector says more
_SAME = 0.3  # intersection over union from which on two boxes are one face


@dataclass(frozen=True)
class SecondLook:
    """The faces of `first`, each as `second`, which gives five points, sees it in a window around.

    Where `second` sees none of them, it searches the whole photo, and what it finds is taken in place of chance finds.
    Where that is nothing, too, the boxes of `first` stay, with the points that a face has in such a box on average.
    """

    first: Detector
    second: Detector

    @property
    def window_side(self) -> int:
        """Return the pixels of the copy of a window that is searched, at most: what the second detector asks for."""
        return getattr(self.second, "window_side", _WINDOW_SIDE)

    @property
    def name(self) -> str:
        """Return both names."""
        return f"{self.first.name}+{self.second.name}"

    def detect(self, image: Image) -> list[Face]:
        """Return the faces, each with five points."""
        boxes = self.first.detect(image)
        seen = [face for box in boxes if (face := _nearest(box, self._around(image, box))) is not None]
        return seen or self.second.detect(image) or [replace(box, points=points_in_box(box)) for box in boxes]

    def _around(self, image: Image, box: Face) -> Iterator[Face]:
        # The faces that the second detector finds in the window, in pixels of the photo.
        height, width = image.shape[:2]
        side = _WINDOW * max(box.width, box.height)
        left, top = int(box.x + box.width / 2 - side / 2), int(box.y + box.height / 2 - side / 2)
        right, bottom = min(width, int(left + side)), min(height, int(top + side))
        left, top = max(0, left), max(0, top)
        window, scale = reduced(image[top:bottom, left:right], self.window_side)
        yield from (moved(face, scale, left, top) for face in self.second.detect(window))

    def settings(self) -> dict[str, Value]:
        """Return what decides the finds of both, and where the second one looks."""
        own = {"window": _WINDOW, "window_side": self.window_side, "same": _SAME}
        second = {f"second_look_{key}": value for key, value in (own | self.second.settings()).items()}
        return self.first.settings() | second


def _nearest(box: Face, faces: Iterable[Face]) -> Face | None:
    # The face that shares most with a box; it overlaps enough, or has its centre within.
    same = [face for face in faces if intersection_over_union(box, face) >= _SAME or _has_centre(box, face)]
    return max(same, key=lambda face: intersection_over_union(box, face), default=None)


def _has_centre(box: Face, face: Face) -> bool:
    right, down = face.x + face.width / 2 - box.x, face.y + face.height / 2 - box.y
    return 0 <= right <= box.width and 0 <= down <= box.height
