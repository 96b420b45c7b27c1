"""Photos that a finder of a few weights learns in seconds: yellow faces before noise."""

import cv2
import numpy as np

from facematch.photos.encoded import png_bytes
from facematch.tasks.finder.labels import Labelled


def smiley(seed: int) -> Labelled:
    """A yellow disc with eyes, nose and mouth."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 90, (96, 96, 3)).astype(np.uint8)
    cv2.circle(image, (48, 48), 32, (230, 200, 60), -1)
    points = np.array([[36, 40], [60, 40], [48, 52], [38, 64], [58, 64]], np.float32)
    for x, y in points[:3].astype(int).tolist():
        cv2.circle(image, (x, y), 4, (20, 20, 20), -1)
    cv2.line(image, (38, 64), (58, 64), (160, 20, 20), 3)
    box = np.array([[18, 16, 78, 80]], np.float32)
    return Labelled(png_bytes(image), box, points[None], np.zeros((0, 4), np.float32))


def noise(seed: int) -> Labelled:
    """A picture without a face."""
    return faceless(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def faceless(image: np.ndarray) -> Labelled:
    """A picture (H×W×3) as one without a face."""
    none = np.zeros((0, 4), np.float32)
    return Labelled(png_bytes(image), none, np.zeros((0, 5, 2), np.float32), none)
