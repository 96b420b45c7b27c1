"""The finder: facematch's own small face detector, run by OpenCV's DNN module."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Value
from facematch.core.shipped import shipped_file, shipped_places
from facematch.faces.boxes import counterpart, intersection_over_union, moved, reduced, without_overlaps
from facematch.faces.landmarks import padded, read_network, require_model
from facematch.faces.values import Face, Image

_OUTPUTS = ("cells_8", "cells_16", "cells_32")
_OVERLAP = 0.4
_VOTES = 0.3  # the least score of a box that moves a surer one …
_SHARED = 0.5  # … with which it has this intersection over union
_LARGE = 0.2  # of the photo's shorter side: a face that a small copy is enough for …
_SURE = 0.6  # … from this score on
_WINDOW = 2.0  # sides of a face: the square in which it is looked at from near …
NEAR = 224  # … in so many pixels
_SAME = 0.4  # intersection over union of a face in two looks
_DOUBT, _CLEAR = 0.15, 0.85  # between these scores a face is looked at once more, from farther …
_FRAME = 0.5  # … with so much grey on each side of the copy, in its longer sides
_ENOUGH = 560  # pixels of the shorter side, at least: of these a large face has as many as it is looked at in from near


NAME = "finder.onnx"
SHA256 = "7228f1e120ee861281009e3247e5e5d372d1e3f8dfc273a6af1825915d5def65"


@cache
def shipped_finder() -> Path | None:
    """Return the finder that comes with facematch; None where it is missing.

    Raises FacematchError where it is not the file that was shipped.
    """
    places = shipped_places(f"checkpoints/default/{NAME}")
    if not any(each.is_file() for each in places):
        return None
    return shipped_file(places, SHA256, "the finder", "set faces.finder_file, or faces.detector: haar.")


def read_finder(file: Path) -> cv2.dnn.Net:
    """Return the network of a finder's ONNX file. Raises FacematchError where it is none."""
    require_model(file, FinderDetector.name)
    return read_network(file, FinderDetector.name, _OUTPUTS)


@dataclass(frozen=True)
class FinderDetector:
    """A network of `config/finder.yaml` through OpenCV's DNN module, with five points for each face.

    `file` is its ONNX file; `min_score` is the confidence from 0 to 1. `detect_sizes` are the longer sides, in pixels,
    of the copies that are searched, the next one when the one before shows no large face that is sure. What was found
    in a copy before the last is looked at once more from near, where its points are exact. In the last copy a face
    that is neither clear nor out of the question is looked for once more at half its size: score, box and points are
    the means of both looks. Where the second one shows nothing there, the score is halved.
    """

    file: Path
    min_score: float = 0.48
    detect_sizes: tuple[int, ...] = (128, 320)
    name: ClassVar[str] = "finder"
    gives_points: ClassVar[bool] = True
    window_side: ClassVar[int] = NEAR  # pixels of the square it looks at behind another detector

    def __post_init__(self) -> None:
        read_finder(self.file)

    def detect(self, image: Image) -> list[Face]:
        """Return the faces with a score of at least `min_score`."""
        every = min(image.shape[:2]) // _ENOUGH
        if every > 1 and len(self.detect_sizes) > 1:  # the photo is gone through once, by the quickest way
            return [moved(face, every) for face in self._detect(_means(image, every))]
        return self._detect(image)

    def _detect(self, image: Image) -> list[Face]:
        if max(image.shape[:2]) <= NEAR:
            return self._agreed(image, NEAR)
        least = _LARGE * min(image.shape[:2])
        for size in self.detect_sizes[:-1]:
            if size >= max(image.shape[:2]):
                break
            sure = max(self.min_score, _SURE)
            large = [face for face in self._search(image, size, sure) if face.width >= least]
            if large:
                return without_overlaps([self._from_near(image, face) for face in large], _OVERLAP)
        return self._agreed(image, self.detect_sizes[-1])

    def _agreed(self, image: Image, size: int) -> list[Face]:
        found = self._search(image, size, min(self.min_score, _DOUBT))
        if any(face.score < _CLEAR for face in found):
            farther = self._farther(image, size)
            found = [face if face.score >= _CLEAR else _seen_twice(face, farther) for face in found]
        return [face for face in found if face.score >= self.min_score]

    def _farther(self, image: Image, size: int) -> list[Face]:
        # What it finds in a copy half as large, with grey around it.
        small, scale = reduced(image, size // 2)
        frame = round(_FRAME * max(small.shape[:2]))
        framed = cv2.copyMakeBorder(small, frame, frame, frame, frame, cv2.BORDER_CONSTANT, value=(127, 127, 127))
        found = self._search(np.asarray(framed, np.uint8), size, _DOUBT)
        return [moved(face, scale, -frame * scale, -frame * scale) for face in found]

    def _from_near(self, image: Image, face: Face) -> Face:
        # The face of a square around this one that covers it best; this one where none does.
        side = _WINDOW * max(face.width, face.height)
        left, top = (max(0, int(edge - side / 2)) for edge in (face.x + face.width / 2, face.y + face.height / 2))
        window = image[top : int(top + side), left : int(left + side)]
        nearer = [moved(each, 1.0, left, top) for each in self._search(window, NEAR, self.min_score)]
        return counterpart(face, nearer, _SAME) or face

    def _search(self, image: Image, size: int, least: float) -> list[Face]:
        small, scale = reduced(image, size)
        picture = padded(small)
        network = read_network(self.file, self.name, _OUTPUTS)
        network.setInput(cv2.dnn.blobFromImage(picture, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
        maps = [np.asarray(each[0], np.float32) for each in network.forward(list(_OUTPUTS))]
        return [moved(face, scale) for face in decoded(maps, picture.shape[1], least)]

    def settings(self) -> dict[str, Value]:
        """Return the model's digest and parameters."""
        several = len(self.detect_sizes) > 1
        return {
            "finder_sha256": sha256_of_file(self.file),
            "finder_score": self.min_score,
            "detect_size": list(self.detect_sizes) if several else self.detect_sizes[0],
            "doubt": _DOUBT,
            "clear": _CLEAR,
            "frame": _FRAME,
            **({"large": _LARGE, "sure": _SURE, "window": _WINDOW, "near": NEAR, "enough": _ENOUGH} if several else {}),
        }


def _seen_twice(face: Face, others: Sequence[Face]) -> Face:
    # Box and points are the means of both looks, weighted by their scores.
    again = counterpart(face, others, _SAME)
    if again is None:
        return replace(face, score=face.score / 2)
    return replace(_mean([face, again], face), score=(face.score + again.score) / 2)


def _means(image: Image, every: int) -> Image:
    # Of squares of pixels, whole ones only: what is left over at the right and below is less than one.
    height, width = (side // every for side in image.shape[:2])
    part = image[: height * every, : width * every]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def decoded(maps: Sequence[NDArray[np.float32]], side: float, min_score: float) -> list[Face]:
    """Return the faces of one picture from the finder's maps, each 15×H×W, each face once.

    Of boxes that overlap the surest stays, moved, with its points, to the mean of those that share most of it, weighted
    by their scores (as BlazeFace does: Bazarevsky et al. 2019).

    A cell holds the score before the sigmoid, the distances of its centre to the box's left, top, right and bottom in
    strides, as logarithms, and x and y of five points from there in strides. `side` is the width of the input in
    pixels, from which a map's stride follows.
    """
    faces = []
    for cells in maps:
        stride = side / cells.shape[2]
        rows, columns = np.nonzero(cells[0] >= _logit(min(min_score, _VOTES)))
        values = cells[:, rows, columns].astype(np.float64)
        centres = (np.stack([columns, rows]) + 0.5) * stride
        reach = np.exp(np.clip(values[1:5], -8, 8)) * stride
        (left, top), (right, bottom) = centres - reach[:2], centres + reach[2:]
        points = values[5:].reshape(5, 2, -1) * stride + centres
        scores = 1 / (1 + np.exp(-values[0]))
        for each in np.flatnonzero(np.isfinite(values).all(0)).tolist():
            marks = tuple((float(x), float(y)) for x, y in points[:, :, each])
            x, y, width, height = (float(value[each]) for value in (left, top, right - left, bottom - top))
            faces.append(Face(x, y, width, height, float(scores[each]), "finder", marks))
    kept = without_overlaps([face for face in faces if face.score >= min_score], _OVERLAP)
    return [_mean([other for other in faces if intersection_over_union(face, other) >= _SHARED], face) for face in kept]


def _mean(faces: Sequence[Face], surest: Face) -> Face:
    weights = np.array([face.score for face in faces]) / sum(face.score for face in faces)
    box = weights @ np.array([[face.x, face.y, face.width, face.height] for face in faces])
    points = np.tensordot(weights, np.array([face.points for face in faces]), 1)
    x, y, width, height = box.tolist()
    return Face(x, y, width, height, surest.score, surest.detector, tuple((x, y) for x, y in points.tolist()))


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(probability / (1 - probability)))
