"""SCRFD (Guo et al. 2021, Sample and Computation Redistribution for Efficient Face Detection), with five points."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facematch.faces.onnx_detector import Found, Maps, OnnxDetector, cells_of, of_width
from facematch.faces.values import Image

STRIDES = (8, 16, 32)
ANCHORS = 2  # of each cell


@dataclass(frozen=True)
class ScrfdDetector(OnnxDetector):
    """SCRFD by ONNX Runtime, of the files with five points (`_bnkps`, and det_*.onnx of InsightFace's packs).

    Fields and errors as `OnnxDetector`. A face that fills the picture has a low score: a smaller `detect_size` helps.
    """

    name: ClassVar[str] = "scrfd"

    @staticmethod
    def given(picture: Image) -> NDArray[np.float32]:
        """Return (pixel − 127.5) / 128, RGB, 1×3×H×W."""
        scaled = (picture.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        return np.asarray(scaled.transpose(2, 0, 1)[None], np.float32)

    @staticmethod
    def decoded(outputs: Maps, height: int, width: int, min_score: float) -> Found:
        """Return the faces of nine maps: for each stride scores, boxes and points, a row for each anchor of a cell.

        In strides, from the cell's corner: the distances of the box's left, top, right and bottom; x and y of points.
        Raises ValueError for other outputs.
        """
        scores, boxes, points = (of_width(outputs, each, len(STRIDES), "SCRFD") for each in (1, 4, 10))
        parts = []
        for stride, score, box, marks in zip(STRIDES, scores, boxes, points, strict=True):
            cells = cells_of(height, width, stride)
            if not len(score) == len(box) == len(marks) == ANCHORS * len(cells):
                rows = ", ".join(str(len(each)) for each in (score, box, marks))
                raise ValueError(
                    f"of a picture of {width}×{height} its outputs have {rows} rows at stride {stride}, expected "
                    f"{ANCHORS * len(cells)}"
                )
            sure = np.flatnonzero(score[:, 0] >= min_score)
            corner = cells[sure // ANCHORS] * stride
            reach = box[sure].astype(np.float64) * stride
            parts.append(
                Found(
                    np.concatenate([corner - reach[:, :2], corner + reach[:, 2:]], axis=1),
                    score[sure, 0].astype(np.float64),
                    corner[:, None] + marks[sure].astype(np.float64).reshape(-1, 5, 2) * stride,
                )
            )
        every = ([getattr(part, key) for part in parts] for key in ("boxes", "scores", "points"))
        return Found(*(np.concatenate(each) for each in every))
