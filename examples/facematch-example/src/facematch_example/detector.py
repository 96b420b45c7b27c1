"""A detector: a photo in, faces out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facematch.plugins import Face


@dataclass(frozen=True)
class Middle:
    """Takes the middle of every photo for its face: a square of `share` of the shorter side."""

    share: float = 0.5
    name: ClassVar[str] = "middle"
    gives_points: ClassVar[bool] = False  # True for one that gives five points for each face

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Return the one face of an H×W×3 RGB photo, in its pixels."""
        height, width = image.shape[:2]
        side = self.share * min(height, width)
        return [Face((width - side) / 2, (height - side) / 2, side, side, 1.0, self.name)]

    def settings(self) -> dict[str, float]:
        """Return all that decides what is found."""
        return {"middle_share": self.share}
