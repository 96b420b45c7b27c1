"""Thumbnails of what the network saw, small enough that all of them fit on one page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.charts.jpeg import SmallPhoto, read_small, small_jpeg
from facematch.faces.values import Crop, Miss, Outcome
from facematch.photos.photo import PhotoFile, PhotoLimits

BUDGET = 13_500_000  # bytes of all thumbnails; in base64 18 MB, which leaves 2 MB for the rest of a page
SMALLEST = 1000  # bytes that are enough for any picture at the end of the ladder
_LADDER = ((72, 80), (72, 60), (64, 50), (56, 40), (48, 30), (32, 20))  # side in pixels, JPEG quality


@dataclass(frozen=True)
class ThumbnailPlan:
    """Which photos get a thumbnail, the most wanted first, and the most bytes of each."""

    names: tuple[str, ...]
    most: int
    left_out: int


def plan_thumbnails(names: Sequence[str], budget: int = BUDGET) -> ThumbnailPlan:
    """Share `budget` bytes among photos, given with the most wanted first and each once.

    Where there is not `SMALLEST` for each, the least wanted get none.
    """
    kept = tuple(names[: max(0, budget) // SMALLEST])
    return ThumbnailPlan(kept, budget // len(kept) if kept else 0, len(names) - len(kept))


def encode_thumbnail(image: NDArray[np.uint8], most: int) -> bytes:
    """Return RGB `uint8` H×W×3 as a JPEG of at most 72×72 pixels and `most` bytes.

    First its quality and then its size are lowered until it fits; any picture fits into 1,000 bytes.
    """
    data = b""
    for side, quality in _LADDER:
        data = small_jpeg(image, side, quality, optimize=True)
        if len(data) <= most:
            break
    return data


def make_thumbnails(
    files: Sequence[PhotoFile],
    outcomes: Iterable[Outcome],
    most: int,
    limits: PhotoLimits,
) -> dict[str, bytes]:
    """Return a JPEG of at most `most` bytes for each photo that can be read, by name.

    `outcomes` says how each ended when it was cropped. A thumbnail shows the crop that the network saw, and the whole
    photo where no face was found and nothing replaces it.
    """
    made = {}
    for file, outcome in zip(files, outcomes, strict=True):
        seen: Crop | SmallPhoto | None = outcome if isinstance(outcome, Crop) else None
        if isinstance(outcome, Miss):
            photo = read_small(file, _LADDER[0][0], limits)
            seen = photo if isinstance(photo, SmallPhoto) else None
        if seen is not None:
            made[file.name] = encode_thumbnail(seen.image, most)
    return made
