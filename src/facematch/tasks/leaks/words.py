"""Leaks in words: what each kind is, how sure it is, what was changed, what to do."""

from collections import Counter
from collections.abc import Sequence

from facematch.core.text import count_of, printable
from facematch.tasks.leaks.leaks import Kind, Leak

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
