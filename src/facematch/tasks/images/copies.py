"""Copies in one set of photos: the same bytes, the same pixels, the same picture edited."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.core.text import count_of
from facematch.near_duplicates import NearDuplicate, candidates, confirmed
from facematch.near_duplicates.contents import Content, read_contents
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, find_photos
from facematch.tasks.images.source import Working
from facematch.tasks.images.stars import stars
from facematch.tasks.images.views import Facts, View, facts_of, plainness, told, views_of


@dataclass(frozen=True)
class CopyFile:
    """One file of a group: its size, and what was done to the largest copy to make it; of that itself None."""

    facts: Facts
    change: str | None

    @property
    def largest(self) -> bool:
        """Return whether this is the largest copy of its group."""
        return self.change is None


@dataclass(frozen=True)
class Copies:
    """Groups of files that show one picture each, those that take the most room first; in each the largest first.

    `photos` is how many were compared, `unread` says `path (reason)` for the rest, and `plain` counts photos with
    too little detail for near-duplicates, which were compared by bytes and pixels only.
    """

    groups: tuple[tuple[CopyFile, ...], ...]
    photos: int
    unread: tuple[str, ...]
    plain: int


def freed(group: Sequence[CopyFile]) -> int:
    """Return the bytes of all files of a group but the largest copy."""
    return sum(each.facts.bytes for each in group if not each.largest)


def room(size: int) -> str:
    """Return bytes in kilobytes or megabytes."""
    return f"{size / 1e6:,.1f} MB" if size >= 1_000_000 else f"{size / 1e3:,.0f} kB"


def summary(found: Copies) -> str:
    """Return how many groups there are and what they take."""
    if not found.groups:
        return f"no copies among {count_of(found.photos, 'photo', 'photos')}"
    files = sum(map(len, found.groups))
    return (
        f"{count_of(len(found.groups), 'group', 'groups')} of copies, {files:,} of "
        f"{count_of(found.photos, 'photo', 'photos')}; all but the largest of each take "
        f"{room(sum(map(freed, found.groups)))}"
    )


def find_files(paths: Iterable[Path]) -> tuple[tuple[PhotoFile, ...], tuple[Unreadable, ...]]:
    """Return the files below folders, each file once however it is reached, named by their paths; and what is none.

    A link to a file that is there itself, a second hard link and a folder given twice are no copies: deleting one
    would free nothing, or leave a link to nothing. Raises FacematchError as `find_photos` does.
    """
    found = [(path, find_photos(path)) for path in paths]
    files = {file.path: PhotoFile(str(file.path), file.path) for _, each in found for file in each.files}
    once: dict[object, PhotoFile] = {}
    for path in sorted(files, key=lambda path: (path.is_symlink(), str(path))):
        once.setdefault(_identity(path), files[path])
    bad = {
        name: Unreadable(name, each.reason)
        for path, held in found
        for each in held.unreadable
        if (name := str(path / each.name)) and not each.reason.startswith("hidden")
    }
    return tuple(sorted(once.values(), key=lambda file: file.name)), tuple(bad[name] for name in sorted(bad))


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:  # gone since: it is reported when it is read
        return path
    return status.st_dev, status.st_ino


def find_copies(files: Sequence[PhotoFile], cache: Cache, limits: PhotoLimits, working: Working) -> Copies:
    """Group the files that show one picture. Their order does not matter.

    Every file is compared directly with the largest copy of its group (most pixels, then most bytes, then the first
    name): by bytes, by decoded pixels, or registered as a near-duplicate, mirrored and turned by quarters too,
    with its border or without. So what is like a smaller copy only is left out, and the last photo of a burst
    is not in one group with the first because each is like the next.

    Each file is read once; what stays in memory is a descriptor of each. Raises FacematchError for a photo whose
    thumbnail the cache lost and that cannot be read any more.
    """
    with working("photos", len(files)) as step:
        read = list(read_contents(files, cache, limits, step, extents=True))
    contents = [each for each in read if isinstance(each, Content)]
    unread = tuple(f"{each.name} ({each.reason})" for each in read if isinstance(each, Unreadable))
    pictures = _pictures(contents)
    entries = _entries([same[0] for same in pictures], cache, limits)
    near = stars(len(pictures), entries.links(working), entries.direct)
    grouped = {each for largest, members in near for each in (largest, *members)}
    alone: list[tuple[int, dict[int, _Link]]] = [
        (each, {}) for each, same in enumerate(pictures) if len(same) > 1 and each not in grouped
    ]
    groups = [_group(pictures, largest, members) for largest, members in [*near, *alone]]
    plain = sum(not each.vectors.any() for each in contents)
    order = sorted(groups, key=lambda group: (-freed(group), group[0].facts.file.name))
    return Copies(tuple(order), len(contents), unread, plain)


def _pictures(contents: Iterable[Content]) -> list[list[Content]]:
    # Files of the same pixels, the largest first; the picture of the largest copy last.
    found: dict[str, list[Content]] = {}
    for each in sorted(contents, key=_largest_first):
        found.setdefault(each.pixels, []).append(each)
    return list(found.values())[::-1]


def _largest_first(content: Content) -> tuple[int, int, str]:
    facts = facts_of(content)
    return -facts.width * facts.height, -facts.bytes, facts.file.name


# --- near-duplicates ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Link:
    # The left picture was made from the right one; how each was compared.
    pair: NearDuplicate
    left: View
    right: View


@dataclass(frozen=True, eq=False)
class _Entries:
    # What is compared: the views of a file of each picture, and the number of its picture.
    views: Sequence[View]
    pictures: NDArray[np.int64]
    cache: Cache
    limits: PhotoLimits

    @property
    def vectors(self) -> NDArray[np.float32]:
        return np.stack([view.vectors for view in self.views]) if self.views else np.empty((0, 3, 64), np.float32)

    def links(self, working: Working) -> dict[tuple[int, int], _Link]:
        """Return what links a picture with a larger one."""
        with working("alike", 100) as step:
            found = candidates(self.vectors, None, step, turned=True)
        found = found[self.pictures[found["left"]] != self.pictures[found["right"]]]
        with working("compared", len(found)) as step:
            return self._confirmed(found, step)

    def direct(self, others: Sequence[int], largest: int) -> dict[int, _Link]:
        """Return what links each of some pictures with one larger picture."""
        left, right = np.flatnonzero(np.isin(self.pictures, others)), np.flatnonzero(self.pictures == largest)
        found = candidates(self._vectors(left), self._vectors(right), turned=True)
        found["left"], found["right"] = left[found["left"]], right[found["right"]]
        return {other: link for (other, _), link in self._confirmed(found).items()}

    def _vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([self.views[row].vectors for row in rows])

    def _confirmed(
        self, found: NDArray[np.void], step: Callable[[int], None] = lambda done: None
    ) -> dict[tuple[int, int], _Link]:
        links: dict[tuple[int, int], _Link] = {}
        for pair in confirmed(found, self._thumbnail, self._thumbnail, os.cpu_count() or 1, step):
            link = _Link(pair, self.views[pair.left], self.views[pair.right])
            key = int(self.pictures[pair.left]), int(self.pictures[pair.right])
            if key not in links or _order(link) < _order(links[key]):
                links[key] = link
        return links

    def _thumbnail(self, entry: int) -> NDArray[np.uint8]:
        return self.views[entry].thumbnail(self.cache, self.limits)


def _order(link: _Link) -> tuple[bool, bool, float]:
    return plainness(link.left, link.right, link.pair)


def _entries(contents: Sequence[Content], cache: Cache, limits: PhotoLimits) -> _Entries:
    found = [(number, view) for number, content in enumerate(contents) for view in views_of(content)]
    return _Entries([view for _, view in found], np.array([number for number, _ in found], np.int64), cache, limits)


# --- groups ---------------------------------------------------------------------------------------


def _group(pictures: Sequence[Sequence[Content]], largest: int, members: Mapping[int, _Link]) -> tuple[CopyFile, ...]:
    first, *same = pictures[largest]
    files = [CopyFile(facts_of(first), None)]
    files += [CopyFile(facts_of(each), "same bytes" if each.sha256 == first.sha256 else "same pixels") for each in same]
    for member, link in members.items():
        change = ", ".join(told(link.left, link.right, link.pair)) or "recompressed"
        files += [CopyFile(facts_of(each), change) for each in pictures[member]]
    order = sorted(
        files[1:], key=lambda each: (-each.facts.width * each.facts.height, -each.facts.bytes, each.facts.file.name)
    )
    return (files[0], *order)
