"""The eight orientations of a picture: as it is, mirrored, and both turned by quarters."""

from dataclasses import dataclass

import numpy as np

from facematch.photos.pixels import Rgb

_WORDS = {
    (0, False): "",
    (1, False): "turned 90° clockwise",
    (2, False): "turned upside down",
    (3, False): "turned 90° anticlockwise",
    (0, True): "mirrored",
    (1, True): "mirrored, then turned 90° clockwise",
    (2, True): "mirrored top to bottom",
    (3, True): "mirrored, then turned 90° anticlockwise",
}


@dataclass(frozen=True)
class Orientation:
    """What is done to a picture: first mirrored left to right, or not, then turned clockwise by quarters."""

    quarters: int = 0
    mirrored: bool = False

    def __str__(self) -> str:
        """Return it in words; empty for a picture left as it is."""
        return _WORDS[self.quarters, self.mirrored]


UPRIGHT = Orientation()
ORIENTATIONS: tuple[Orientation, ...] = tuple(Orientation(*key) for key in _WORDS)  # the plainest first


def oriented(image: Rgb, orientation: Orientation) -> Rgb:
    """Return a picture (H×W×3, or W×H×3 after an odd number of quarters) in an orientation; C-contiguous."""
    start = image[:, ::-1] if orientation.mirrored else image
    return np.ascontiguousarray(np.rot90(start, -orientation.quarters))
