"""Backgrounds for the sample: random crops of natural photographs, flipped, tinted and out of focus."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.tasks.sample.sources import Image

Picture = NDArray[np.float32]  # H×W×3 RGB, 0–255, not yet rounded


def background(photographs: Sequence[Image], width: int, height: int, rng: np.random.Generator) -> Picture:
    """Return a random piece of a random photograph, height×width×3, as a lens behind a person sees it."""
    piece = _random_piece(photographs[int(rng.integers(len(photographs)))], width / height, rng)
    picture = cv2.resize(piece, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    picture = cv2.GaussianBlur(np.ascontiguousarray(picture), (0, 0), rng.uniform(0.6, 4.0))
    tint = rng.uniform(0.92, 1.08, 3) * rng.uniform(0.6, 1.2)
    return np.asarray(picture * tint.astype(np.float32), dtype=np.float32)


def _random_piece(photograph: Image, aspect: float, rng: np.random.Generator) -> Image:
    # A window of the wanted aspect (width / height) that fills 40 to 100 % of what fits.
    height, width = photograph.shape[:2]
    share = rng.uniform(0.4, 1.0)
    piece_height = max(2, int(min(height, width / aspect) * share))
    piece_width = max(2, min(width, int(piece_height * aspect)))
    top = int(rng.integers(height - piece_height + 1))
    left = int(rng.integers(width - piece_width + 1))
    return photograph[top : top + piece_height, left : left + piece_width]
