"""RetinaFace (Deng et al. 2020, Single-shot Multi-level Face Localisation in the Wild), with five points."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facematch.faces.onnx_detector import Found, Maps, OnnxDetector, cells_of, of_width
from facematch.faces.values import Image

ANCHORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))  # strides, and the sides of the anchors of each cell
_MEAN = np.array([104, 117, 123], np.float32)  # of blue, green, red
_PLACE, _SIZE = 0.1, 0.2  # the variances by which places and sizes were divided in training


@dataclass(frozen=True)
class RetinaFaceDetector(OnnxDetector):
    """RetinaFace by ONNX Runtime, of the files of retinaface-pytorch. Fields and errors as `OnnxDetector`."""

    name: ClassVar[str] = "retinaface"

    @staticmethod
    def given(picture: Image) -> NDArray[np.float32]:
        """Return the pixels less the mean of each colour, BGR, 1×3×H×W."""
        return np.ascontiguousarray((picture[..., ::-1].astype(np.float32) - _MEAN).transpose(2, 0, 1)[None])

    @staticmethod
    def decoded(outputs: Maps, height: int, width: int, min_score: float) -> Found:
        """Return the faces of three outputs, a row for each anchor: boxes (4), scores (2: none, a face), points (10).

        A box is its centre's distance from the anchor's, in tenths of the anchor's side, and five times the logarithm
        of its sides in those of the anchor; a point is like a centre. Raises ValueError for other outputs.
        """
        boxes, scores, points = (of_width(outputs, each, 1, "RetinaFace")[0] for each in (4, 2, 10))
        anchors = anchors_of(height, width)
        if not len(boxes) == len(scores) == len(points) == len(anchors):
            rows = ", ".join(str(len(each)) for each in (boxes, scores, points))
            raise ValueError(f"of a picture of {width}×{height} its outputs have {rows} rows, expected {len(anchors)}")
        sure = np.flatnonzero(scores[:, 1] >= min_score)
        centre, side = anchors[sure, :2], anchors[sure, 2:]
        box, marks = boxes[sure].astype(np.float64), points[sure].astype(np.float64).reshape(-1, 5, 2)
        middle = centre + box[:, :2] * _PLACE * side
        with np.errstate(over="ignore"):  # what is not finite is no face
            half = side * np.exp(box[:, 2:] * _SIZE) / 2
        return Found(
            np.concatenate([middle - half, middle + half], axis=1),
            scores[sure, 1].astype(np.float64),
            centre[:, None] + marks * _PLACE * side[:, None],
        )


@lru_cache(maxsize=32)  # reduced photos have few sizes
def anchors_of(height: int, width: int) -> NDArray[np.float64]:
    """Return the anchors of a picture, N×3: x and y of the centre and the side, in pixels."""
    parts = []
    for stride, sides in ANCHORS:
        centres = np.repeat((cells_of(height, width, stride) + 0.5) * stride, len(sides), axis=0)
        parts.append(np.column_stack([centres, np.resize(np.array(sides, np.float64), len(centres))]))
    return np.concatenate(parts)
