"""What photos hold, for comparing them: digests, a thumbnail and its descriptors, kept by content."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.cache import Cache
from facematch.errors import FacematchError
from facematch.faces.stream import in_order
from facematch.near_duplicates import SIDE, describe, thumbnail
from facematch.photos import Photo, PhotoFile, PhotoLimits, Unreadable, decode, read_bytes, read_photo


@dataclass(frozen=True, eq=False)
class Content:
    """A photo to compare: its file, the SHA-256 of its bytes and of its decoded pixels, its descriptors.

    `vectors` is 3×64 `float32`, all zeros for a photo without detail. The thumbnail stays in the cache.
    """

    file: PhotoFile
    sha256: str
    pixels: str
    vectors: NDArray[np.float32]


def content_cache(folder: Path) -> Cache:
    """Open the cache of thumbnails."""
    return Cache(folder / f"thumbnails-{SIDE}-1.sqlite")


def read_contents(
    files: Sequence[PhotoFile],
    cache: Cache,
    limits: PhotoLimits,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Content | Unreadable]:
    """Yield the content of every file, in order; what was decoded before, under any name, is not decoded again.

    Threads do the work, and at most a few dozen photos are in memory at once.
    """
    cv2.setNumThreads(1)  # one photo for each thread is faster than several threads on one photo
    found = in_order(lambda file: _content(file, cache, limits), files, os.cpu_count() or 1)
    for done, content in enumerate(found, start=1):
        on_progress(done)
        yield content


def thumbnail_of(content: Content, cache: Cache, limits: PhotoLimits) -> NDArray[np.uint8]:
    """Return a photo's thumbnail (`uint8` 96×96) from the cache, or from its file where the cache lost it."""
    kept = _kept(cache, content.sha256)
    if kept is not None:
        return kept[1]
    photo = read_photo(content.file, limits)
    if not isinstance(photo, Photo):
        raise FacematchError(
            f"{content.file.path} was read a moment ago and cannot be read now: {photo.reason}.", "Run it again."
        )
    return thumbnail(photo.image)


def _content(file: PhotoFile, cache: Cache, limits: PhotoLimits) -> Content | Unreadable:
    read = read_bytes(file, limits)
    if isinstance(read, Unreadable):
        return read
    data, sha256 = read
    kept = _kept(cache, sha256)
    if kept is None:
        photo = decode(file.name, data, sha256, limits)
        if isinstance(photo, Unreadable):
            return photo
        kept = _pixel_digest(photo.image), thumbnail(photo.image)
        cache.put(sha256, json.dumps({"pixels": kept[0]}), kept[1].tobytes())
    return Content(file, sha256, kept[0], describe(kept[1]))


def _kept(cache: Cache, sha256: str) -> tuple[str, NDArray[np.uint8]] | None:
    found = cache.get(sha256)
    if found is None or len(found[1]) != SIDE * SIDE:
        return None
    return json.loads(found[0])["pixels"], np.frombuffer(found[1], np.uint8).reshape(SIDE, SIDE)


def _pixel_digest(image: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(f"{image.shape[1]}x{image.shape[0]}:".encode())
    digest.update(image.data)
    return digest.hexdigest()
