"""How well faces are found: recall at a promised rate of false faces, right boxes, and errors of points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIGHT = 0.5  # intersection over union from which a box is right (Everingham et al. 2010)


@dataclass(frozen=True, eq=False)
class Found:
    """What a detector said of one picture and what is there; boxes are left, top, right, bottom, in pixels.

    `boxes` (D×4) with `scores` (D) and `points` (D×5×2) were found; `faces` (F×4) with `marks` (F×5×2) are there; of
    what is in `unknown` (U×4) nothing is known: a box there is neither right nor false.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    points: NDArray[np.float64]
    faces: NDArray[np.float64]
    marks: NDArray[np.float64]
    unknown: NDArray[np.float64]


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
        free = np.ones(len(each.faces), bool)
        for row in np.argsort(-each.scores, kind="stable").tolist():
            overlaps = _overlaps(each.boxes[row], each.faces) * free
            best = int(overlaps.argmax()) if len(overlaps) else -1
            if best >= 0 and overlaps[best] >= RIGHT:
                free[best] = False
                marks = each.marks[best]
                eyes = max(1e-9, float(np.linalg.norm(marks[0] - marks[1])))
                errors.append(float(np.linalg.norm(each.points[row] - marks, axis=1).mean()) / eyes)
                right.append(True)
            elif len(each.unknown) and _shares(each.boxes[row], each.unknown).max() >= RIGHT:
                continue
            else:
                errors.append(np.nan)
                right.append(False)
            scores.append(float(each.scores[row]))
    faces = sum(len(each.faces) for each in found)
    return Judged(len(found), faces, np.array(scores), np.array(right, bool), np.array(errors))


def _overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    shared = _shared(box, others)
    return np.asarray(shared / (_area(box) + _area(others) - shared))


def _shares(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    # Of the smaller of the two: an unknown place may be larger or smaller than what is found in it.
    return np.asarray(_shared(box, others) / np.minimum(_area(box), _area(others)))


def _shared(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    corner = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.asarray(np.clip(corner, 0, None).prod(1))


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(-1))
