"""Made photos for the tests of UMAP: smooth random pictures in a few varied copies each."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.tasks.umap.grey_pixels import SIDE


def made_pixels(groups: int, copies: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return groups × copies distinct rows of grey pixels, the copies of a picture beside each other."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(groups):
        base = cv2.resize(rng.uniform(20, 235, (5, 5)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for _ in range(copies):
            change = cv2.resize(rng.normal(0, 12, (5, 5)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            rows.append(np.clip(base + change + rng.normal(0, 2, (SIDE, SIDE)), 0, 255).astype(np.uint8).ravel())
    return np.stack(rows)


def write_photos(folder: Path, pixels: NDArray[np.uint8], first: int = 0) -> list[Path]:
    """Write rows of grey pixels as PNG files, `000.png` and on, that read back as those pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, row in enumerate(pixels, start=first):
        path = folder / f"{number:03d}.png"
        ok, data = cv2.imencode(".png", row.reshape(SIDE, SIDE))
        assert ok
        path.write_bytes(data.tobytes())
        paths.append(path)
    return paths
