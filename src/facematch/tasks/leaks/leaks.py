"""What two sets share: people by their names, photos by bytes, by decoded pixels and by content; and it in words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from facematch.core.cache import Cache
from facematch.core.text import count_of, printable
from facematch.near_duplicates.contents import Content, read_contents
from facematch.near_duplicates.match import Match, Progress, match
from facematch.photos.photo import PhotoFile, PhotoLimits

Kind = Literal["same person", "same bytes", "same pixels", "near-duplicate"]
KINDS: tuple[Kind, ...] = ("same person", "same bytes", "same pixels", "near-duplicate")  # worst first
_ONE_SIDE = "keep it on one side only: a query in its own gallery finds itself, what training has seen is no test"
_WORDS: dict[Kind, tuple[str, str, str]] = {
    "same person": (
        "person is in two sets",
        "people are in two sets",
        "take the person out of one of them; if they are two people with one name, rename one",
    ),
    "same bytes": ("photo is in two sets", "photos are in two sets", _ONE_SIDE),
    "same pixels": (
        "photo is in two sets, saved in two ways",
        "photos are in two sets, saved in two ways",
        _ONE_SIDE,
    ),
    "near-duplicate": (
        "pair of photos is one photo, edited",
        "pairs of photos are one photo each, edited",
        "look at both; where they are one photo, keep it on one side only",
    ),
}
_ALMOST_CERTAIN = 0.97


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


@dataclass(frozen=True)
class Leak:
    """Something that is in two sets: the names of the photos on either side.

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


def find_leaks(sets: Sequence[PhotoSet], cache: Cache, limits: PhotoLimits, progress: Progress) -> Findings:
    """Compare every two sets.

    Each file is read once; no more than a descriptor of it stays in memory. A pair of photos is reported
    once, as the worst kind that holds. Photos without detail (one colour, smooth gradients) are compared by
    their bytes and pixels only.
    """
    contents: dict[str, list[Content]] = {}
    unread = {}
    for each in sets:
        with progress(f"photos of {each.name}", len(each.files)) as step:
            contents[each.name], bad = read_contents(each.files, cache, limits, step)
        unread[each.name] = (*each.unread, *map(str, bad))
    leaks: list[Leak] = []
    for left, right in combinations(sets, 2):
        what = f"{left.name} and {right.name}: "
        shared = match(contents[left.name], contents[right.name], cache, limits, progress, what)
        names, one, other = (left.name, right.name), left.people, right.people
        leaks += [Leak("same person", names, one[who], other[who], who) for who in one.keys() & other.keys()]
        leaks += [_leak(names, each) for each in shared]
    plain = {name: sum(content.plain for content in found) for name, found in contents.items()}
    photos = {name: len(found) for name, found in contents.items()}
    leaks.sort(key=lambda leak: (
        KINDS.index(leak.kind), -(leak.correlation or 0), leak.sets, leak.person or "", leak.left, leak.right
    ))  # fmt: skip
    return Findings(tuple(leaks), photos, unread, plain)


def _leak(sets: tuple[str, str], shared: Match) -> Leak:
    ends, near = (_names(shared.left), _names(shared.right)), shared.near
    if near is None:
        return Leak(shared.kind, sets, *ends)
    return Leak(shared.kind, sets, *ends, None, near.correlation, near.mirrored, near.area)


def _names(contents: Iterable[Content]) -> tuple[str, ...]:
    return tuple(sorted(content.file.name for content in contents))


def heading(kind: Kind, leaks: Sequence[Leak]) -> str:
    """Return how many leaks of a kind there are, and between which sets."""
    one, many, _ = _WORDS[kind]
    between = Counter(" and ".join(leak.sets) for leak in leaks)
    where = next(iter(between)) if len(between) == 1 else ", ".join(f"{sets} {n:,}" for sets, n in between.items())
    return f"{count_of(len(leaks), one, many)}: {where}"


def remedy(kind: Kind) -> str:
    """Return what to do about a kind of leak."""
    return _WORDS[kind][2]


def how_sure(leak: Leak) -> str:
    """Return how sure a leak is."""
    if leak.kind == "same person":
        return "by name"
    if leak.correlation is None:
        return "certain"
    word = "almost certain" if leak.correlation >= _ALMOST_CERTAIN else "likely"
    return f"{word}: correlation {leak.correlation:.3f}"


def change(leak: Leak) -> str:
    """Return how the photos of a near-duplicate differ, as far as it was seen; else an empty string."""
    changes = ["mirrored"] * leak.mirrored
    if leak.area is not None and abs(leak.area - 1) > 0.01:
        cropped, share = (leak.sets[0], leak.area) if leak.area < 1 else (leak.sets[1], 1 / leak.area)
        changes.append(f"{cropped} shows {share:.0%} of it")
    return ", ".join(changes)


def ends(leak: Leak) -> tuple[str, str]:
    """Return what is on either side as `set/name`, safe to print: the first name, and how many more."""
    left, right = (
        printable(f"{where}/{names[0]}") + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for where, names in zip(leak.sets, (leak.left, leak.right), strict=True)
    )
    return left, right
