"""Grey pixels of whole photos, 64×64 numbers of each, kept by content."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.faces.stream import in_order
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, Unreadable, decode, find_photos, made_of, read_bytes

SIDE = 64
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class GreyPixels:
    """Photos of a folder as grey pixels, each distinct picture once.

    `names` and `sha256` are those of the N files, in order of name; `rows` (N `int64`) are the rows of
    their pixels in `pixels` (U×4096 `uint8`, U ≤ N, no row twice). `unread` names what is no photo, with the reason.
    """

    names: tuple[str, ...]
    sha256: tuple[str, ...]
    rows: NDArray[np.int64]
    pixels: Pixels
    unread: tuple[str, ...] = ()


def pixel_cache(folder: Path) -> Cache:
    """Open the cache of grey pixels."""
    return Cache(folder / f"grey-{SIDE}-1.sqlite")


def grey_pixels(
    path: Path,
    cache: Cache,
    limits: PhotoLimits,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> GreyPixels:
    """Read a folder of photos, or one photo; what was decoded before, under any name, is not decoded again.

    Only the pixels stay in memory: 4 kB a photo. `on_progress` gets the files done and how many there are.
    Raises FacematchError when `path` cannot be searched or holds no photo that can be read.
    """
    found = find_photos(path)
    names: list[str] = []
    digests: list[str] = []
    rows = np.empty((len(found.files), SIDE * SIDE), np.uint8)
    unread = [str(bad) for bad in found.unreadable]
    grey = in_order(lambda file: _grey(file, cache, limits), found.files, os.cpu_count() or 1)
    for done, (file, one) in enumerate(zip(found.files, grey, strict=True), start=1):
        on_progress(done, len(found.files))
        if isinstance(one, Unreadable):
            unread.append(str(one))
            continue
        digest, rows[len(names)] = one
        names.append(file.name)
        digests.append(digest)
    if not names:
        why = f": {unread[0]}" if unread else ", it is empty"
        raise FacematchError(f"{path} holds no photo that can be read{why}.", "Give a folder of photos.")
    pixels, places = distinct(rows[: len(names)])
    return GreyPixels(tuple(names), tuple(digests), places, pixels, tuple(unread))


def distinct(rows: Pixels) -> tuple[Pixels, NDArray[np.int64]]:
    """Return the distinct ones of N rows, in the order they come first, and where each row is among them (N)."""
    numbers: dict[bytes, int] = {}
    found = [numbers.setdefault(hashlib.sha256(row.tobytes()).digest(), len(numbers)) for row in rows]
    places = np.array(found, np.int64)
    return rows[np.unique(places, return_index=True)[1]], places


def _grey(file: PhotoFile, cache: Cache, limits: PhotoLimits) -> tuple[str, Pixels] | Unreadable:
    read = read_bytes(file, limits)
    if isinstance(read, Unreadable):
        return read
    data, sha256 = read
    kept = cache.read(sha256, lambda _, data: np.frombuffer(data, np.uint8).reshape(SIDE * SIDE))
    if kept is not None:
        return sha256, kept
    photo = decode(file.name, data, sha256, limits)
    if isinstance(photo, Unreadable):
        return photo
    row = made_of(photo, _row)
    if isinstance(row, Unreadable):
        return row
    cache.put(sha256, "", row.tobytes())
    return sha256, row


def _row(photo: Photo) -> Pixels:
    grey = cv2.cvtColor(photo.image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8).ravel()
