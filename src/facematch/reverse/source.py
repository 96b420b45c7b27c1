"""Where an image comes from: the photos of a folder that show the same picture, the largest first."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.cache import Cache
from facematch.errors import FacematchError
from facematch.leaks.contents import Content, read_contents, thumbnail_of
from facematch.near_duplicates import NearDuplicate, candidates, confirmed
from facematch.photos import Found, PhotoFile, PhotoLimits, Unreadable, find_photos
from facematch.reverse.turns import Turn

Kind = Literal["the very same file", "the same bytes", "the same pixels", "near-duplicate"]
Working = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

_SAME = 0.02  # share by which sizes and areas may differ for nothing to be said


@dataclass(frozen=True)
class Facts:
    """A photo's file, its width and height in pixels, the bytes of its file, and whether it has no colour."""

    file: PhotoFile
    width: int
    height: int
    bytes: int
    grey: bool


@dataclass(frozen=True)
class Copy:
    """A photo that shows the same picture as an image.

    `changes` says, for a near-duplicate, what was done to the photo to become the image, as far as it was seen.
    `correlation` of their detail is at most 1.
    """

    kind: Kind
    photo: Facts
    changes: tuple[str, ...] = ()
    correlation: float | None = None


@dataclass(frozen=True)
class Source:
    """The copies of an image, the one with the most pixels first, then by bytes and name.

    `photos` is how many were compared, `unread` says `name (reason)` for the rest of the folder; an image that is
    `plain` has too little detail for near-duplicates, so only its bytes and pixels were compared.
    """

    image: Facts
    copies: tuple[Copy, ...]
    photos: int
    unread: tuple[str, ...]
    plain: bool

    @property
    def others(self) -> tuple[Copy, ...]:
        """Return the copies but the image's own file."""
        return tuple(copy for copy in self.copies if copy.kind != "the very same file")


def find_source(image: Path, folder: Path, cache: Cache, limits: PhotoLimits, working: Working) -> Source:
    """Compare an image with every photo below a folder: by bytes, by decoded pixels, and as near-duplicates.

    Near-duplicates are confirmed by registration (`facematch.near_duplicates`), also mirrored, turned by quarters,
    and with a plain border on either side. What was read before comes from the cache; of the photos only descriptors
    are in memory. Raises FacematchError for an image that cannot be read and a folder without a photo.
    """
    if image.is_dir():
        raise FacematchError(f"{image} is a folder, not an image.", "Name a photo; the folder belongs after --in.")
    asked = next(iter(read_contents([PhotoFile(str(image), image)], cache, limits, extents=True)))
    if isinstance(asked, Unreadable):
        raise FacematchError(f"{image} is no photo that can be read: {asked.reason}.", "Name another.")
    found = find_photos(folder)
    with working("photos", len(found.files)) as step:
        read = list(read_contents(found.files, cache, limits, step, extents=True))
    photos = [each for each in read if isinstance(each, Content)]
    unread = _unread(found, read)
    if not photos:
        first = f", first {unread[0]}" if unread else ""
        raise FacematchError(
            f"{folder} holds no photo that can be read ({len(unread)} other files{first}).", "Name a folder of photos."
        )
    copies = [*_exact(asked, photos), *_near(asked, photos, cache, limits, working)]
    plain = not asked.vectors.any()
    return Source(facts_of(asked), tuple(sorted(copies, key=_largest_first)), len(photos), unread, plain)


def facts_of(content: Content, *, inner: bool = False) -> Facts:
    """Return the size and colour of a photo that was read with extents; with `inner` the size within its border."""
    if content.extent is None:
        raise ValueError(f"{content.file.name} was read without its extent")
    within = content.extent.inner if inner else None
    width, height = content.extent.size if within is None else within
    return Facts(content.file, width, height, content.extent.bytes, content.extent.grey)


def changes_of(image: Facts, photo: Facts, pair: NearDuplicate) -> tuple[str, ...]:
    """Return what was done to the photo to become the image; the image is the left one of the pair.

    Sizes are compared where both show the same part, so a crop alone is no change of size.
    """
    told = [str(Turn(pair.turned // 90, pair.mirrored))]
    area = pair.area
    if area < 1 - _SAME:
        told.append(f"cropped to {area:.0%}")
    elif area > 1 + _SAME:
        told.append(f"less cropped (the photo shows {1 / area:.0%} of the image)")
    told.append(_resized(image, photo, area, sideways=pair.turned in (90, 270)))
    if image.grey != photo.grey:
        told.append("without colour" if image.grey else "with colour")
    return tuple(each for each in told if each)


def _resized(image: Facts, photo: Facts, area: float, *, sideways: bool) -> str:
    width, height = (photo.height, photo.width) if sideways else (photo.width, photo.height)
    across, down = image.width / width, image.height / height
    if abs(area - 1) > _SAME:  # how much was cut from which side is not known
        across = down = (across * down / area) ** 0.5
    if max(abs(across - 1), abs(down - 1)) <= _SAME:
        return ""
    if abs(across / down - 1) > _SAME:
        return f"width resized to {across:.0%}, height to {down:.0%}"
    return f"{'reduced' if across < 1 else 'enlarged'} to {across:.0%}"


def _unread(found: Found, read: Iterable[Content | Unreadable]) -> tuple[str, ...]:
    bad = [*found.unreadable, *(each for each in read if isinstance(each, Unreadable))]
    return tuple(f"{each.name} ({each.reason})" for each in sorted(bad, key=lambda each: each.name))


def _exact(asked: Content, photos: Iterable[Content]) -> list[Copy]:
    return [Copy(_exact_kind(asked, each), facts_of(each)) for each in photos if each.pixels == asked.pixels]


def _exact_kind(asked: Content, photo: Content) -> Kind:
    if photo.sha256 != asked.sha256:
        return "the same pixels"
    return "the very same file" if photo.file.path.samefile(asked.file.path) else "the same bytes"


@dataclass(frozen=True, eq=False)
class _View:
    # What is compared of a photo: the whole, or what its border surrounds.
    content: Content
    inner: bool
    vectors: NDArray[np.float32]


def _views(content: Content) -> list[_View]:
    within = None if content.extent is None else content.extent.inner_vectors
    return [_View(content, False, content.vectors), *([] if within is None else [_View(content, True, within)])]


def _near(
    asked: Content, photos: Iterable[Content], cache: Cache, limits: PhotoLimits, working: Working
) -> Iterator[Copy]:
    # Photos of the same pixels are compared once.
    groups: dict[str, list[Content]] = {}
    for each in photos:
        if each.pixels != asked.pixels:
            groups.setdefault(each.pixels, []).append(each)
    left, right = _views(asked), [view for same in groups.values() for view in _views(same[0])]
    if not right:
        return
    asked_vectors, vectors = (np.stack([view.vectors for view in side]) for side in (left, right))
    found = candidates(asked_vectors, vectors, turned=True)

    def small(view: _View) -> NDArray[np.uint8]:
        return thumbnail_of(view.content, cache, limits, inner=view.inner)

    best: dict[str, tuple[tuple[bool, bool, float], tuple[str, ...]]] = {}
    with working("compared", len(found)) as step:
        for pair in confirmed(found, lambda i: small(left[i]), lambda i: small(right[i]), os.cpu_count() or 1, step):
            one, other = left[pair.left], right[pair.right]
            # A border is told of where nothing else explains a pair.
            order = one.inner != other.inner, one.inner, -pair.correlation
            key = other.content.pixels
            if key not in best or order < best[key][0]:
                best[key] = order, _told(one, other, pair)
    for pixels, ((*_, less), changes) in best.items():
        for each in groups[pixels]:
            yield Copy("near-duplicate", facts_of(each), changes, -less)


def _told(image: _View, photo: _View, pair: NearDuplicate) -> tuple[str, ...]:
    border = [] if image.inner == photo.inner else ["border added" if image.inner else "border cut off"]
    one, other = (facts_of(view.content, inner=view.inner) for view in (image, photo))
    return (*border, *changes_of(one, other, pair))


def _largest_first(copy: Copy) -> tuple[int, int, str]:
    return -copy.photo.width * copy.photo.height, -copy.photo.bytes, copy.photo.file.name
