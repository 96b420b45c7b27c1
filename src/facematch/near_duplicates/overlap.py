"""What two sets share: people by their names, photos by bytes, by decoded pixels and by content."""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.near_duplicates import candidates, confirmed
from facematch.near_duplicates.contents import Content, read_contents, thumbnail_of
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable


@dataclass(frozen=True)
class PhotoSet:
    """One side of a split: its photos, and whose face each shows where that is known.

    `source` says where it comes from, `unread` names files that are no photos with their reasons, and
    `unused` counts photos that a run leaves out (copies, people with too few photos).
    """

    name: str
    source: str
    files: tuple[PhotoFile, ...]
    identities: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unused: int = 0

    @property
    def people(self) -> dict[str, tuple[str, ...]]:
        """The names of each identity's photos; empty where no one is named."""
        found: dict[str, list[str]] = {}
        for file, who in zip(self.files, self.identities, strict=False):
            found.setdefault(who, []).append(file.name)
        return {who: tuple(names) for who, names in found.items()}


Kind = Literal["same person", "same bytes", "same pixels", "near-duplicate"]
KINDS: tuple[Kind, ...] = ("same person", "same bytes", "same pixels", "near-duplicate")  # worst first

# Shows progress: what is done and how many steps it has; gives a function that takes the steps done.
Working = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Leak:
    """Something that stands in two sets: the names of the photos on either side.

    `person` is set for the kind "same person"; `correlation` (of the detail, at most 1), `mirrored` and `area`
    (of the right photo that the left one shows; above 1 when the right one was cropped) for "near-duplicate".
    """

    kind: Kind
    sets: tuple[str, str]
    left: tuple[str, ...]
    right: tuple[str, ...]
    person: str | None = None
    correlation: float | None = None
    mirrored: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Findings:
    """Leaks, worst first; for each set how many photos, which files are none, and how many are too plain to compare."""

    leaks: tuple[Leak, ...]
    photos: dict[str, int]
    unread: dict[str, tuple[str, ...]]
    plain: dict[str, int]


def find_leaks(sets: Sequence[PhotoSet], cache: Cache, limits: PhotoLimits, working: Working) -> Findings:
    """Compare every two sets.

    Each file is read once; no more than a descriptor of it stays in memory. A pair of photos is reported
    once, as the worst kind that holds. Photos without detail (one colour, smooth gradients) are compared by
    their bytes and pixels only.
    """
    contents: dict[str, list[Content]] = {}
    unread = {}
    for each in sets:
        with working(f"photos of {each.name}", len(each.files)) as step:
            found = list(read_contents(each.files, cache, limits, step))
        contents[each.name] = [content for content in found if isinstance(content, Content)]
        bad = (f"{content.name} ({content.reason})" for content in found if isinstance(content, Unreadable))
        unread[each.name] = (*each.unread, *bad)
    leaks: list[Leak] = []
    for left, right in combinations(sets, 2):
        names = left.name, right.name
        sides = contents[left.name], contents[right.name]
        leaks += [*_people(left, right), *_exact(names, *sides), *_near(names, *sides, cache, limits, working)]
    plain = {name: sum(not content.vectors.any() for content in found) for name, found in contents.items()}
    photos = {name: len(found) for name, found in contents.items()}
    return Findings(tuple(sorted(leaks, key=_worst_first)), photos, unread, plain)


def _worst_first(leak: Leak) -> tuple[int, float, tuple[str, str], str, tuple[str, ...], tuple[str, ...]]:
    return KINDS.index(leak.kind), -(leak.correlation or 0), leak.sets, leak.person or "", leak.left, leak.right


def _people(left: PhotoSet, right: PhotoSet) -> list[Leak]:
    one, other = left.people, right.people
    both = sorted(one.keys() & other.keys())
    return [Leak("same person", (left.name, right.name), one[who], other[who], person=who) for who in both]


def _exact(sets: tuple[str, str], left: Sequence[Content], right: Sequence[Content]) -> list[Leak]:
    leaks = []
    one, other = _grouped(left, "pixels"), _grouped(right, "pixels")
    for pixels in one.keys() & other.keys():
        here, there = _grouped(one[pixels], "sha256"), _grouped(other[pixels], "sha256")
        both = here.keys() & there.keys()
        leaks += [Leak("same bytes", sets, _names(here[sha256]), _names(there[sha256])) for sha256 in both]
        rest = [
            _names(content for sha256, same in side.items() if sha256 not in both for content in same)
            for side in (here, there)
        ]
        if any(rest):  # a side of which all is told already is named again beside what is new
            leaks.append(Leak("same pixels", sets, rest[0] or _names(one[pixels]), rest[1] or _names(other[pixels])))
    return leaks


def _near(
    sets: tuple[str, str],
    left: Sequence[Content],
    right: Sequence[Content],
    cache: Cache,
    limits: PhotoLimits,
    working: Working,
) -> list[Leak]:
    # Copies are compared once.
    sides = [list(_grouped(side, "pixels").values()) for side in (left, right)]
    vectors = [np.stack([same[0].vectors for same in side]) for side in sides if side]
    if len(vectors) < 2:
        return []
    with working(f"{sets[0]} and {sets[1]}: alike", 100) as step:
        found = candidates(vectors[0], vectors[1], step)

    def small(side: int, index: int) -> NDArray[np.uint8]:
        return thumbnail_of(sides[side][index][0], cache, limits)

    leaks = []
    with working(f"{sets[0]} and {sets[1]}: compared", len(found)) as step:
        for pair in confirmed(found, partial(small, 0), partial(small, 1), os.cpu_count() or 1, step):
            one, other = sides[0][pair.left], sides[1][pair.right]
            if one[0].pixels != other[0].pixels:
                ends = _names(one), _names(other)
                leaks.append(Leak("near-duplicate", sets, *ends, None, pair.correlation, pair.mirrored, pair.area))
    return leaks


def _grouped(contents: Iterable[Content], by: Literal["pixels", "sha256"]) -> dict[str, list[Content]]:
    groups: dict[str, list[Content]] = {}
    for content in contents:
        groups.setdefault(getattr(content, by), []).append(content)
    return groups


def _names(contents: Iterable[Content]) -> tuple[str, ...]:
    return tuple(sorted(content.file.name for content in contents))
