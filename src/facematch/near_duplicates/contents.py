"""What photos hold, for comparing them: digests, a thumbnail and its descriptors, kept by content."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter

from facematch.core.cache import Cache
from facematch.core.cores import photo_turn
from facematch.core.errors import FacematchError
from facematch.core.foreign import as_kind
from facematch.faces.stream import in_order
from facematch.near_duplicates import SIDE, describe, thumbnail, without_border
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, Unreadable, decode, made_of, read_bytes, read_photo

_COLOURLESS = 2.0  # grey levels: a photo whose channels differ less than this on average has no colour


@dataclass(frozen=True, eq=False)
class Content:
    """A photo to compare: its file, the SHA-256 of its bytes and of its decoded pixels, its descriptors.

    `vectors` is 3×64 `float32`, all zeros for a photo without detail. The thumbnail stays in the cache.
    `extent` is there where it was asked for.
    """

    file: PhotoFile
    sha256: str
    pixels: str
    vectors: NDArray[np.float32]
    extent: "Extent | None" = None


@dataclass(frozen=True, eq=False)
class Extent:
    """How large a photo is: its file in bytes, its width and height in pixels; whether it has no colour.

    `inner` is the size of what a plain frame or bars surround, and `inner_vectors` describes it; where there is
    no border they are None.
    """

    bytes: int
    size: tuple[int, int]
    grey: bool
    inner: tuple[int, int] | None
    inner_vectors: NDArray[np.float32] | None


def content_cache(folder: Path) -> Cache:
    """Open the cache of thumbnails."""
    return Cache(folder / f"thumbnails-{SIDE}-1.sqlite")


def read_contents(
    files: Sequence[PhotoFile],
    cache: Cache,
    limits: PhotoLimits,
    on_progress: Callable[[int], None] = lambda done: None,
    *,
    extents: bool = False,
) -> Iterator[Content | Unreadable]:
    """Yield the content of every file, in order; what was decoded before, under any name, is not decoded again.

    Threads do the work, each with one photo at a time. With `extents` sizes are told and
    borders looked for too: what was kept without them is decoded once more.
    """
    found = in_order(lambda file: _content(file, cache, limits, extents=extents), files, os.cpu_count() or 1)
    for done, content in enumerate(found, start=1):
        on_progress(done)
        yield content


def thumbnail_of(content: Content, cache: Cache, limits: PhotoLimits, *, inner: bool = False) -> NDArray[np.uint8]:
    """Return a photo's thumbnail (`uint8` 96×96) from the cache, or from its file where the cache lost it.

    With `inner` that of what its border surrounds: ask only where `extent` says that there is one.
    """
    kept = _kept(cache, content.sha256)
    if kept is not None and len(kept.thumbnails) > inner:
        return np.asarray(kept.thumbnails[int(inner)])
    with photo_turn():
        photo = read_photo(content.file, limits)
        if not isinstance(photo, Photo):
            raise FacematchError(
                f"{content.file.path} was read a moment ago and cannot be read now: {photo.reason}.", "Run it again."
            )
        surrounded = without_border(photo.image) if inner else None
        return thumbnail(photo.image if surrounded is None else surrounded)


class _Note(BaseModel):
    pixels: str
    size: tuple[int, int] = (0, 0)
    grey: bool = False
    inner: tuple[int, int] | None = None


_NOTE = TypeAdapter(_Note)


@dataclass(frozen=True, eq=False)
class _Kept:
    # What the cache holds: `note` has the digest of the pixels, and with extents `size`, `grey` and `inner`;
    # the thumbnail, and behind it that of what a border surrounds.
    note: dict[str, Any]
    thumbnails: NDArray[np.uint8]


def _content(file: PhotoFile, cache: Cache, limits: PhotoLimits, *, extents: bool) -> Content | Unreadable:
    read = read_bytes(file, limits)
    if isinstance(read, Unreadable):
        return read
    data, sha256 = read
    kept = _kept(cache, sha256)
    if kept is None or (extents and "size" not in kept.note):
        photo = decode(file.name, data, sha256, limits)
        if isinstance(photo, Unreadable):
            return photo
        made = made_of(photo, lambda whole: _made(whole.image, extents=extents))
        if isinstance(made, Unreadable):
            return made
        kept = made
        cache.put(sha256, json.dumps(kept.note), kept.thumbnails.tobytes())
    extent = _extent(kept, len(data)) if extents else None
    return Content(file, sha256, kept.note["pixels"], describe(kept.thumbnails[0]), extent)


def _made(image: NDArray[np.uint8], *, extents: bool) -> _Kept:
    note: dict[str, Any] = {"pixels": _pixel_digest(image)}
    whole = thumbnail(image)
    if not extents:
        return _Kept(note, whole[None])
    inner = without_border(image)
    note |= {"size": _size(image), "grey": _is_grey(image), "inner": None if inner is None else _size(inner)}
    return _Kept(note, np.stack([whole] if inner is None else [whole, thumbnail(inner)]))


def _extent(kept: _Kept, length: int) -> Extent:
    width, height = kept.note["size"]
    if kept.note["inner"] is None:
        return Extent(length, (width, height), kept.note["grey"], None, None)
    across, down = kept.note["inner"]
    return Extent(length, (width, height), kept.note["grey"], (across, down), describe(kept.thumbnails[1]))


def _kept(cache: Cache, sha256: str) -> _Kept | None:
    def decoded(note: str, data: bytes) -> _Kept:
        told = as_kind(_NOTE, json.loads(note)).model_dump(exclude_unset=True)
        thumbnails = np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE)
        if len(thumbnails) != 1 + (told.get("inner") is not None):
            raise ValueError("its thumbnails are others than it tells of")
        return _Kept(told, thumbnails)

    return cache.read(sha256, decoded)


def _size(image: NDArray[np.uint8]) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _is_grey(image: NDArray[np.uint8]) -> bool:
    every = max(1, min(image.shape[:2]) // 256)
    return float(np.ptp(image[::every, ::every], axis=-1).mean()) < _COLOURLESS


def _pixel_digest(image: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(f"{image.shape[1]}x{image.shape[0]}:".encode())
    digest.update(image.data)
    return digest.hexdigest()
