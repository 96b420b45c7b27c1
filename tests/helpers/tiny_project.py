"""A project of tiny pictures on disk, embedded by their pixels: no face is looked for, no network is needed."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

CONFIG = """
name: tiny
embedder: {kind: pixels}
faces: {detector: none, size: 16}
identities: {train: people, min_photos: 2}
server: {group: us, attempts: 2, backoff: 0.01, timeout: 5}
"""
TINY = ("--config", "tiny.yaml")


def picture(person: int, photo: int) -> PillowImage.Image:
    """A photo of somebody: the person's own noise, and a little of the photo's."""
    face = np.random.default_rng(person).integers(0, 200, (16, 16, 3))
    noise = np.random.default_rng((person, photo)).integers(0, 56, (16, 16, 3))
    return PillowImage.fromarray((face + noise).astype(np.uint8))


def write_tiny(folder: Path) -> None:
    """Three queries q0 to q2, twelve gallery photos g00 to g11 (four of each), six people of four photos."""
    for number in range(3):
        _save(folder / "data/test_data/query" / f"q{number}.png", number, 0)
    for number in range(12):
        _save(folder / "data/test_data/gallery" / f"g{number:02d}.png", number % 3, 1 + number // 3)
    write_people(folder, range(6), photos=4)
    (folder / "tiny.yaml").write_text(CONFIG)


def write_people(folder: Path, people: range, photos: int) -> None:
    """More people of that project."""
    for person in people:
        for photo in range(photos):
            _save(folder / "people" / f"person {person}" / f"{photo}.png", 100 + person, photo)


def _save(path: Path, person: int, photo: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(person, photo).save(path)
