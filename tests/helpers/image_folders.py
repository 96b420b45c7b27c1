"""Made pictures as files, for folders to search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from leak_photos import made_photo

Rgb = NDArray[np.uint8]


def saved(folder: Path, name: str, image: Rgb) -> Path:
    """Write a picture and return its path; .png keeps every pixel."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(path)
    return path


def made_folder(folder: Path, count: int = 5, width: int = 96, height: int = 64) -> Path:
    """A folder of pictures `0.png` … that share nothing."""
    for seed in range(count):
        saved(folder, f"{seed}.png", made_photo(seed, width, height))
    return folder


@contextmanager
def quiet(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Take the place of a progress bar."""
    yield lambda done: None
