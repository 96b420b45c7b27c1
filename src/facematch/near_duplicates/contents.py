"""What photos hold, for comparing them: digests, size and colour, thumbnails and their descriptors, kept by content."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from facematch.core.cache import Cache
from facematch.core.cores import photo_turn
from facematch.core.errors import FacematchError
from facematch.core.foreign import as_kind
from facematch.faces.stream import in_order
from facematch.near_duplicates.descriptors import SIDE, Floats, Grey, describe, thumbnail, without_border
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, Unreadable, decode, made_of, read_bytes, read_photo
from facematch.photos.pixels import Rgb

_COLOURLESS = 2.0  # grey levels: a photo whose channels differ less than this on average has no colour


@dataclass(frozen=True)
class Content:
    """A photo to compare: its file, the SHA-256 of its bytes and of its decoded pixels, its size and colour.

    `bytes` is the length of the file, `width` and `height` are in pixels, `grey` is true for one without colour,
    and `inner` is the width and height that a plain frame or bars surround, or None. `vectors` (V×3×64) describe the
    whole and, where there is one, the inside; zeros for a picture without detail. Thumbnails stay in the cache.
    """

    file: PhotoFile
    sha256: str
    pixels: str
    bytes: int
    width: int
    height: int
    grey: bool
    inner: tuple[int, int] | None
    vectors: Floats = field(repr=False, compare=False)

    @property
    def plain(self) -> bool:
        """Return whether the photo has too little detail for near-duplicates."""
        return not self.vectors[0].any()


def content_cache(folder: Path) -> Cache:
    """Open the cache of thumbnails."""
    return Cache(folder / f"thumbnails-{SIDE}-1.sqlite")


def read_contents(
    files: Sequence[PhotoFile],
    cache: Cache,
    limits: PhotoLimits,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[Content], list[Unreadable]]:
    """Return the contents of all files that are photos and the reasons of the others, both in the order given.

    What was decoded before, under any name, is not decoded again. Threads do the work, each with one photo at a time.
    """
    contents: list[Content] = []
    unreadable: list[Unreadable] = []
    found = in_order(lambda file: _content(file, cache, limits), files, os.cpu_count() or 1)
    for done, content in enumerate(found, start=1):
        on_progress(done)
        if isinstance(content, Content):
            contents.append(content)
        else:
            unreadable.append(content)
    return contents, unreadable


def thumbnail_of(content: Content, cache: Cache, limits: PhotoLimits, *, inner: bool = False) -> Grey:
    """Return a photo's thumbnail (`uint8` 96×96) from the cache, or from its file where the cache lost it.

    `inner` is for that of what its border surrounds, where there is one. Raises FacematchError where the file cannot
    be read any more.
    """
    kept = _kept(cache, content.sha256)
    if kept is not None and len(kept[1]) > inner:
        return np.asarray(kept[1][int(inner)])
    with photo_turn():
        return thumbnails(picture_of(content.file, limits))[1][int(inner)]


def picture_of(file: PhotoFile, limits: PhotoLimits) -> Rgb:
    """Return the pixels (H×W×3) of a photo that was read before. Raises FacematchError when it cannot be read now."""
    photo = read_photo(file, limits)
    if not isinstance(photo, Photo):
        raise FacematchError(
            f"{file.path} was read a moment ago and cannot be read now: {photo.reason}.", "Run it again."
        )
    return photo.image


def thumbnails(image: Rgb) -> tuple[Rgb | None, list[Grey]]:
    """Return what a photo's border surrounds, or None, and the thumbnails (`uint8` 96×96) of the whole and of that."""
    inner = without_border(image)
    return inner, [thumbnail(part) for part in (image, inner) if part is not None]


class _Facts(BaseModel):
    # What the cache holds beside the thumbnails.
    pixels: str
    size: tuple[int, int]
    grey: bool
    inner: tuple[int, int] | None


_Kept = tuple[_Facts, NDArray[np.uint8]]  # and the thumbnails of the whole and of what a border surrounds


def _content(file: PhotoFile, cache: Cache, limits: PhotoLimits) -> Content | Unreadable:
    read = read_bytes(file, limits)
    if isinstance(read, Unreadable):
        return read
    data, sha256 = read
    kept = _kept(cache, sha256)
    if kept is None:
        photo = decode(file.name, data, sha256, limits)
        made = photo if isinstance(photo, Unreadable) else made_of(photo, lambda whole: _made(whole.image))
        if isinstance(made, Unreadable):
            return made
        kept = made
        cache.put(sha256, kept[0].model_dump_json(), kept[1].tobytes())
    facts, small = kept
    vectors = np.stack([describe(each) for each in small])
    return Content(file, sha256, facts.pixels, len(data), *facts.size, facts.grey, facts.inner, vectors)


def _made(image: Rgb) -> _Kept:
    inner, small = thumbnails(image)
    width, height = _size(image)
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(image.data)
    within = None if inner is None else _size(inner)
    facts = _Facts(pixels=digest.hexdigest(), size=(width, height), grey=_is_grey(image), inner=within)
    return facts, np.stack(small)


def _kept(cache: Cache, sha256: str) -> _Kept | None:
    def decoded(note: str, data: bytes) -> _Kept | None:
        values = json.loads(note)
        if "pixels" in values and "size" not in values:  # an earlier version kept thumbnails alone
            return None
        facts = as_kind(_Facts, values)
        small = np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE)
        if len(small) != 1 + (facts.inner is not None):
            raise ValueError(f"{len(small)} thumbnails are not as many as its sizes")
        return facts, small

    return cache.read(sha256, decoded)


def _size(image: Rgb) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _is_grey(image: Rgb) -> bool:
    every = max(1, min(image.shape[:2]) // 256)
    red, green, blue = cv2.split(np.ascontiguousarray(image[::every, ::every]))
    spread = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    return float(spread.mean()) < _COLOURLESS
