"""How well faces are found: recall at a promised rate of false faces, right boxes, and errors of points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.faces.boxes import counterpart, shared_area
from facematch.faces.values import Face

RIGHT = 0.5  # intersection over union from which a box is right (Everingham et al. 2010)


@dataclass(frozen=True)
class Found:
    """The faces that a detector found in one picture, those that are there, and places of which nothing is known.

    What is found in an unknown place is neither right nor false.
    """

    faces: Sequence[Face]
    there: Sequence[Face]
    unknown: Sequence[Face] = ()


@dataclass(frozen=True)
class DetectionFigures:
    """Over `pictures` with `faces`: at `threshold` the recall, false faces a picture and the mean error of points.

    The error is in distances between the eyes, over the faces found; None where none was.
    """

    pictures: int
    faces: int
    threshold: float
    recall: float
    false_faces: float
    point_error: float | None


@dataclass(frozen=True, eq=False)
class Judged:
    """Every box of many pictures: its score, whether it is right, and its points' error in distances of the eyes."""

    pictures: int
    faces: int
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    errors: NDArray[np.float64]

    def at(self, threshold: float) -> DetectionFigures:
        """Return the figures of the boxes whose score is at least `threshold`."""
        said = self.scores >= threshold
        right = said & self.right
        error = float(self.errors[right].mean()) if right.any() else None
        return DetectionFigures(
            self.pictures,
            self.faces,
            threshold,
            float(right.sum()) / max(1, self.faces),
            float((said & ~self.right).sum()) / max(1, self.pictures),
            error,
        )

    def at_false_faces(self, rate: float) -> DetectionFigures:
        """Return the figures at the lowest threshold with at most `rate` false faces a picture."""
        false = np.sort(self.scores[~self.right])[::-1]
        allowed = int(rate * self.pictures)
        if allowed >= len(false):
            return self.at(0.0)
        return self.at(float(np.nextafter(false[allowed], np.inf)))


def judge(found: Sequence[Found]) -> Judged:
    """Return how each box of many pictures stands; each face counts once, for the surest box that covers it.

    A box is right where its intersection over union with a face that no surer box has is at least `RIGHT`.
    """
    scores: list[float] = []
    right: list[bool] = []
    errors: list[float] = []
    for each in found:
        free = list(each.there)
        for face in sorted(each.faces, key=lambda face: -face.score):
            best = counterpart(face, free, RIGHT)
            if best is None and any(_share_of_smaller(face, place) >= RIGHT for place in each.unknown):
                continue
            scores.append(face.score)
            right.append(best is not None)
            errors.append(np.nan)
            if best is not None:
                free.remove(best)
                errors[-1] = _point_error(face, best)
    faces = sum(len(each.there) for each in found)
    return Judged(len(found), faces, np.array(scores), np.array(right, bool), np.array(errors))


def _point_error(face: Face, truth: Face) -> float:
    # NaN for a face without points.
    if not face.points:
        return np.nan
    marks = np.array(truth.points)
    eyes = max(1e-9, float(np.linalg.norm(marks[0] - marks[1])))
    return float(np.linalg.norm(np.array(face.points) - marks, axis=1).mean()) / eyes


def _share_of_smaller(first: Face, second: Face) -> float:
    # An unknown place may be larger or smaller than what is found in it.
    return shared_area(first, second) / min(first.width * first.height, second.width * second.height)
