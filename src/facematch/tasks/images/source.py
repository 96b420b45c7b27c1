"""Where an image comes from: the photos of a folder that show the same picture, the largest first."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.near_duplicates import candidates, confirmed
from facematch.near_duplicates.contents import Content, read_contents
from facematch.photos.photo import Found, PhotoFile, PhotoLimits, Unreadable, find_photos
from facematch.pipeline.images import require_photos
from facematch.tasks.images.views import Facts, View, facts_of, plainness, told, views_of

Kind = Literal["the very same file", "the same bytes", "the same pixels", "near-duplicate"]
Working = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


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
    require_photos(folder, len(photos), unread)
    copies = [*_exact(asked, photos), *_near(asked, photos, cache, limits, working)]
    plain = not asked.vectors.any()
    return Source(facts_of(asked), tuple(sorted(copies, key=_largest_first)), len(photos), unread, plain)


def _unread(found: Found, read: Iterable[Content | Unreadable]) -> tuple[str, ...]:
    bad = [*found.unreadable, *(each for each in read if isinstance(each, Unreadable))]
    return tuple(f"{each.name} ({each.reason})" for each in sorted(bad, key=lambda each: each.name))


def _exact(asked: Content, photos: Iterable[Content]) -> list[Copy]:
    return [Copy(_exact_kind(asked, each), facts_of(each)) for each in photos if each.pixels == asked.pixels]


def _exact_kind(asked: Content, photo: Content) -> Kind:
    if photo.sha256 != asked.sha256:
        return "the same pixels"
    return "the very same file" if photo.file.path.samefile(asked.file.path) else "the same bytes"


def _near(
    asked: Content, photos: Iterable[Content], cache: Cache, limits: PhotoLimits, working: Working
) -> Iterator[Copy]:
    # Photos of the same pixels are compared once.
    groups: dict[str, list[Content]] = {}
    for each in photos:
        if each.pixels != asked.pixels:
            groups.setdefault(each.pixels, []).append(each)
    left, right = views_of(asked), [view for same in groups.values() for view in views_of(same[0])]
    if not right:
        return
    asked_vectors, vectors = (np.stack([view.vectors for view in side]) for side in (left, right))
    found = candidates(asked_vectors, vectors, turned=True)

    def small(view: View) -> NDArray[np.uint8]:
        return view.thumbnail(cache, limits)

    best: dict[str, tuple[tuple[bool, bool, float], tuple[str, ...]]] = {}
    with working("compared", len(found)) as step:
        for pair in confirmed(found, lambda i: small(left[i]), lambda i: small(right[i]), os.cpu_count() or 1, step):
            one, other = left[pair.left], right[pair.right]
            order, key = plainness(one, other, pair), other.content.pixels
            if key not in best or order < best[key][0]:
                best[key] = order, told(one, other, pair)
    for pixels, ((*_, less), changes) in best.items():
        for each in groups[pixels]:
            yield Copy("near-duplicate", facts_of(each), changes, -less)


def _largest_first(copy: Copy) -> tuple[int, int, str]:
    return -copy.photo.width * copy.photo.height, -copy.photo.bytes, copy.photo.file.name
