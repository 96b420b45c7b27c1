"""Copies in one set of photos: the same bytes, the same pixels, the same picture edited."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from facematch.core.cache import Cache
from facematch.core.text import count_of
from facematch.near_duplicates.contents import Content, read_contents
from facematch.near_duplicates.match import Progress, by_pixels, near_duplicates, plainest, views_of
from facematch.near_duplicates.pairs import NearDuplicate
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, find_photos
from facematch.tasks.images.edits import describe_edits, largest_first

L = TypeVar("L")


def groups_of_links(
    count: int,
    links: Mapping[tuple[int, int], L],
    check: Callable[[Sequence[int], int], Mapping[int, L]],
) -> list[tuple[int, dict[int, L]]]:
    """Return groups of the numbers 0 to `count` − 1 as (hub, its members with their links to it).

    `links` holds (smaller, greater) pairs. What hangs together by links is no group yet: the first of a chain
    need not be like its last. The greatest that is left is a hub: it takes its direct links, and of the others that
    hang together with it those that `check(others, hub)` links to it directly; the rest is grouped
    among itself. So every number is in one group at most, the greatest of each part of a chain is never a
    member, and groups have a member at least. They come with the greatest hub first.
    """
    if not links:
        return []
    ends = np.array(list(links), np.int64).T
    _, labels = connected_components(coo_array((np.ones(len(links)), ends), (count, count)), directed=False)
    parts: dict[int, list[int]] = defaultdict(list)  # the numbers that hang together, rising
    for number, label in enumerate(labels.tolist()):
        parts[label].append(number)
    groups = []
    for left in parts.values():
        while len(left) > 1:
            hub = left.pop()
            members = {each: links[each, hub] for each in left if (each, hub) in links}
            others = [each for each in left if each not in members]
            if others:
                members |= check(others, hub)
            left = [each for each in others if each not in members]
            if members:
                groups.append((hub, dict(sorted(members.items()))))
    return sorted(groups, key=lambda group: -group[0])


@dataclass(frozen=True)
class CopyFile:
    """One file of a group, and what was done to the largest copy to make it; of that itself None."""

    photo: Content
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
    return sum(each.photo.bytes for each in group if not each.largest)


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


def find_copies(files: Sequence[PhotoFile], cache: Cache, limits: PhotoLimits, progress: Progress) -> Copies:
    """Group the files that show one picture. Their order does not matter.

    Every file is compared directly with the largest copy of its group (most pixels, then most bytes, then the first
    name): by bytes, by decoded pixels, or registered as a near-duplicate, mirrored and turned by quarters too,
    with its border or without. So what is like a smaller copy only is left out, and the last photo of a burst
    is not in one group with the first because each is like the next.

    Each file is read once; what stays in memory is a descriptor of each. Raises FacematchError for a photo whose
    thumbnail the cache lost and that cannot be read any more.
    """
    with progress("photos", len(files)) as step:
        contents, bad = read_contents(files, cache, limits, step)
    # Files of the same pixels, the largest first; the picture of the largest copy last.
    pictures = list(by_pixels(sorted(contents, key=largest_first)).values())[::-1]
    views = views_of([same[0] for same in pictures], cache, limits)
    links = plainest(near_duplicates(views, progress=progress))

    def direct(others: Sequence[int], largest: int) -> dict[int, NearDuplicate]:
        found = plainest(near_duplicates(views.of(others), views.of([largest])))
        return {other: pair for (other, _), pair in found.items()}

    near = groups_of_links(len(pictures), links, direct)
    grouped = {each for largest, members in near for each in (largest, *members)}
    alone: list[tuple[int, dict[int, NearDuplicate]]] = [
        (each, {}) for each, same in enumerate(pictures) if len(same) > 1 and each not in grouped
    ]
    groups = [_group(pictures, largest, members) for largest, members in [*near, *alone]]
    order = sorted(groups, key=lambda group: (-freed(group), group[0].photo.file.name))
    return Copies(tuple(order), len(contents), tuple(map(str, bad)), sum(content.plain for content in contents))


def _group(
    pictures: Sequence[Sequence[Content]], largest: int, members: Mapping[int, NearDuplicate]
) -> tuple[CopyFile, ...]:
    first, *same = pictures[largest]
    files = [CopyFile(each, "same bytes" if each.sha256 == first.sha256 else "same pixels") for each in same]
    for member, pair in members.items():
        change = ", ".join(describe_edits(pictures[member][0], first, pair)) or "recompressed"
        files += [CopyFile(each, change) for each in pictures[member]]
    return (CopyFile(first, None), *sorted(files, key=lambda each: largest_first(each.photo)))
