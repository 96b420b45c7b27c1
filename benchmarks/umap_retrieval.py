"""Does a trustworthy UMAP retrieve better? Tuned, untuned and plain pixels on photos of yours.

    python benchmarks/umap_retrieval.py FOLDER [--components 8] [--photos 100]

FOLDER holds a folder of photos for each class. A fifth of each class is held out and asked; the rest is the database,
embedded at each n_neighbors of `facematch umap tune` (15 is umap-learn's own default: the untuned one). For each:
trustworthiness at k = 10, by which `tune` picks; the share of the ten nearest photos that are of the class asked for;
and how often the original stands first when some of the database's photos are asked for changed (JPEG 50, half the
size, brightness +20 %, 5 % cut from every side). The first row is the grey pixels themselves, without UMAP. Intervals:
95 % over photos.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import cache_folder
from facematch.evaluation.bootstrap import Estimate, mean_figure
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, find_photos, read_photo
from facematch.tasks.robustness.changes import change_named, changed
from facematch.tasks.umap.fit import UmapSettings, curve_of, place, prepare_numba, warm_up
from facematch.tasks.umap.grey_pixels import SIDE, Pixels
from facematch.tasks.umap.neighbours import find_neighbours
from facematch.tasks.umap.tune import FIXED_K, fixed_k_for, settings_for, sweep

CHANGES = ("jpeg-50", "size-0.5", "brightness+20", "crop-5")
Nearest = Callable[[Pixels, int], NDArray[np.int64]]


def grey(image: NDArray[np.uint8]) -> Pixels:
    """Return a photo as one row of grey pixels."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8).ravel()


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Take the place of a progress bar."""
    yield lambda done: None


def read(folder: Path) -> tuple[list[Photo], list[str]]:
    """Return the photos of a folder of classes and the class of each."""
    limits = PhotoLimits()
    files = [file for file in find_photos(folder).files if file.path.parent != folder]
    photos = [
        photo for photo in (read_photo(PhotoFile(f.name, f.path), limits) for f in files) if isinstance(photo, Photo)
    ]
    if not photos:
        raise SystemExit(f"{folder} holds no folder of photos for each class")
    return photos, [photo.name.split("/")[0] for photo in photos]


def nearest_in(embedding: NDArray[np.float32], placed: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the k nearest rows of an embedding for each placed photo, ties by position."""
    squared = ((placed[:, None, :].astype(np.float64) - embedding[None]) ** 2).sum(-1)
    return np.argsort(squared, axis=1, kind="stable")[:, :k]


def figures(
    nearest: Nearest, queries: Pixels, right: NDArray[np.bool_], copies: Pixels, originals: Sequence[int]
) -> tuple[Estimate, Estimate]:
    """Return precision among the ten nearest of the queries, and recall at 1 of changed copies."""
    found = np.take_along_axis(right, nearest(queries, 10), axis=1).mean(1)
    first = nearest(copies, 1)[:, 0] == np.asarray(originals)
    asked = [*range(len(queries))]
    return (
        mean_figure("precision among the ten nearest", found, asked),
        mean_figure("recall at 1 of changed copies", first.astype(float), list(originals)),
    )


def main() -> None:
    """Read, fit, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--photos", type=int, default=100, help="photos that are asked for changed")
    chosen = parser.parse_args()
    photos, classes = read(chosen.folder)
    rows = np.stack([grey(photo.image) for photo in photos])
    held = np.arange(len(photos)) % 5 == 4  # names are in order, so this is a fifth of each class
    database, labels = rows[~held], np.array(classes)[~held]
    kept = [photo for photo, out in zip(photos, held, strict=True) if not out]
    some = np.random.default_rng(1).permutation(len(kept))[: chosen.photos].tolist()
    originals = [number for number in some for _ in CHANGES]
    copies = np.stack([grey(changed(kept[i].image, change_named(name), i)) for i in some for name in CHANGES])
    right = np.array(classes)[held][:, None] == labels[None]
    queries = rows[held]

    prepare_numba(cache_folder(None))
    warm_up(UmapSettings(5, chosen.components))
    every = settings_for(len(database), UmapSettings(n_components=chosen.components))
    with tempfile.TemporaryDirectory() as folder:
        found = sweep(database, every, fixed_k_for(len(database)), Path(folder) / "umap.sqlite", silent)
    print(f"{len(database):,} photos of {len(set(classes))} classes, {len(queries)} held out, {len(copies)} changed")
    print(f"{'':32}{f'T({FIXED_K})':>8}  {'of the class, of 10':22}{'original first':22}")

    def show(name: str, trust: str, nearest: Nearest) -> None:
        words = "  ".join(f"{each!s:20}" for each in figures(nearest, queries, right, copies, originals))
        print(f"{name:32}{trust:>8}  {words}", flush=True)

    show("pixels", "–", lambda asked, k: find_neighbours(database, k, asked).positions.astype(np.int64))
    for each in found.candidates:
        settings, embedding = each.settings, each.embedding
        mark = " (tuned)" if each is found.best else " (untuned)" if settings.n_neighbors == 15 else ""

        def embedded(asked: Pixels, k: int, settings=settings, embedding=embedding) -> NDArray[np.int64]:  # type: ignore[no-untyped-def]
            return nearest_in(embedding, place(asked, database, embedding, settings, curve_of(settings)), k)

        show(f"UMAP, n_neighbors {settings.n_neighbors}{mark}", f"{each.fixed:.4f}", embedded)


if __name__ == "__main__":
    main()
