"""The finder: facematch's own small face detector, run by OpenCV's DNN module."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.files import sha256_of_file
from facematch.core.fingerprint import Value
from facematch.faces.boxes import reduced, without_overlaps
from facematch.faces.landmarks import padded, read_network, require_model
from facematch.faces.values import Face, Image

_OUTPUTS = ("cells_8", "cells_16", "cells_32")
_OVERLAP = 0.4


@dataclass(frozen=True)
class FinderDetector:
    """A network of `config/finder.yaml` through OpenCV's DNN module, with five points for each face.

    `file` is its ONNX file; `min_score` is the confidence from 0 to 1; `detect_size` is the longer side, in pixels, of
    the copy that is searched.
    """

    file: Path
    min_score: float = 0.5
    detect_size: int = 320
    name: ClassVar[str] = "finder"

    def __post_init__(self) -> None:
        require_model(self.file, self.name)
        read_network(self.file, self.name, _OUTPUTS)

    def detect(self, image: Image) -> list[Face]:
        """Return the faces with a score of at least `min_score`."""
        small, scale = reduced(image, self.detect_size)
        picture = padded(small, 32)
        network = read_network(self.file, self.name, _OUTPUTS)
        network.setInput(cv2.dnn.blobFromImage(picture, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
        maps = [np.asarray(each[0], np.float32) for each in network.forward(list(_OUTPUTS))]
        return [
            Face(
                face.x * scale,
                face.y * scale,
                face.width * scale,
                face.height * scale,
                face.score,
                self.name,
                tuple((x * scale, y * scale) for x, y in face.points),
            )
            for face in decoded(maps, picture.shape[1], self.min_score)
        ]

    def settings(self) -> dict[str, Value]:
        """Return the model's digest and parameters."""
        return {
            "finder_sha256": sha256_of_file(self.file),
            "finder_score": self.min_score,
            "detect_size": self.detect_size,
        }


def decoded(maps: Sequence[NDArray[np.float32]], side: float, min_score: float) -> list[Face]:
    """Return the faces of one picture from the finder's maps, each 15×H×W, without overlapping ones.

    A cell holds the score before the sigmoid, the distances of its centre to the box's left, top, right and bottom in
    strides, as logarithms, and x and y of five points from there in strides. `side` is the width of the input in
    pixels, from which a map's stride follows.
    """
    faces = []
    for cells in maps:
        stride = side / cells.shape[2]
        rows, columns = np.nonzero(cells[0] >= _logit(min_score))
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
    return without_overlaps(faces, _OVERLAP)


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(probability / (1 - probability)))
