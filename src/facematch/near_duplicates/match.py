"""Which photos of two sets are one: by their bytes, by their decoded pixels, and by what they show."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.near_duplicates.contents import Content, thumbnail_of
from facematch.near_duplicates.descriptors import Floats, Grey
from facematch.near_duplicates.pairs import NearDuplicate, candidates, confirmed
from facematch.photos.photo import PhotoLimits

Kind = Literal["same bytes", "same pixels", "near-duplicate"]

# Shows progress: what is done and how many steps it has; gives a function that takes the steps done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def silent(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show no progress."""
    return nullcontext(lambda done: None)


@dataclass(frozen=True)
class Match:
    """Photos of the left and of the right set that show one picture; `near` is set for a near-duplicate."""

    kind: Kind
    left: tuple[Content, ...]
    right: tuple[Content, ...]
    near: NearDuplicate | None = None


@dataclass(frozen=True, eq=False)
class Views:
    """What is compared of numbered pictures: each whole, and without its border where it has one.

    `pictures` (V) says which picture each view shows, `inner` (V) whether its border is left out, `vectors` (V×3×64)
    describe it, and `thumbnail` returns that of one (`uint8` 96×96).
    """

    pictures: NDArray[np.int64]
    inner: NDArray[np.bool_]
    vectors: Floats
    thumbnail: Callable[[int], Grey]

    def of(self, pictures: Sequence[int]) -> "Views":
        """Return the views of some pictures, whose numbers stay."""
        rows = np.flatnonzero(np.isin(self.pictures, pictures))
        return Views(
            self.pictures[rows], self.inner[rows], self.vectors[rows], lambda view: self.thumbnail(int(rows[view]))
        )


def views_of(contents: Sequence[Content], cache: Cache, limits: PhotoLimits, *, borders: bool = True) -> Views:
    """Return the views of photos, numbered as they come; without `borders` whole photos only."""
    views = [(at, inner) for at, each in enumerate(contents) for inner in range(len(each.vectors) if borders else 1)]
    pictures, inner = np.array(views, np.int64).reshape(-1, 2).T
    vectors = [contents[at].vectors[within] for at, within in views]

    def small(view: int) -> Grey:
        return thumbnail_of(contents[pictures[view]], cache, limits, inner=bool(inner[view]))

    return Views(pictures, inner.astype(np.bool_), np.stack(vectors) if vectors else np.empty((0, 3, 64), "f4"), small)


def match(
    left: Sequence[Content],
    right: Sequence[Content],
    cache: Cache,
    limits: PhotoLimits,
    progress: Progress = silent,
    what: str = "",
    *,
    edited: bool = False,
) -> list[Match]:
    """Return what two sets share, same bytes first, then same pixels, then near-duplicates by falling correlation.

    Photos of the same pixels are one match, or two where some of them have the same bytes, and are compared once with
    others. Near-duplicates are found mirrored, and where they may be `edited` turned by quarters and with borders, too.
    `what` begins the names under which `progress` is shown. Raises FacematchError as `thumbnail_of`.
    """
    here, there = by_pixels(left), by_pixels(right)
    matches = [each for pixels in here if pixels in there for each in _exact(here[pixels], there[pixels])]
    sides = list(here.values()), list(there.values())
    one, other = (views_of([same[0] for same in side], cache, limits, borders=edited) for side in sides)
    for pair in plainest(near_duplicates(one, other, progress, what, turned=edited)).values():
        ends = sides[0][pair.left], sides[1][pair.right]
        if ends[0][0].pixels != ends[1][0].pixels:
            matches.append(Match("near-duplicate", tuple(ends[0]), tuple(ends[1]), pair))
    kinds: list[Kind] = ["same bytes", "same pixels", "near-duplicate"]
    return sorted(matches, key=lambda each: (kinds.index(each.kind), -each.near.correlation if each.near else 0))


def by_pixels(contents: Iterable[Content]) -> dict[str, list[Content]]:
    """Return photos grouped by the digest of their pixels, in the order given."""
    groups: dict[str, list[Content]] = {}
    for content in contents:
        groups.setdefault(content.pixels, []).append(content)
    return groups


def near_duplicates(
    left: Views,
    right: Views | None = None,
    progress: Progress = silent,
    what: str = "",
    *,
    turned: bool = True,
) -> Iterator[NearDuplicate]:
    """Yield every two views of different pictures that are near-duplicates, by the numbers of their pictures.

    Without `right` they are those within `left`, each once. With `turned` quarter turns are looked for, too.
    """
    with progress(f"{what}alike", 100) as step:
        found = candidates(left.vectors, None if right is None else right.vectors, step, turned=turned)
    if right is None:
        found = found[left.pictures[found["left"]] != left.pictures[found["right"]]]
    other = right or left
    with progress(f"{what}compared", len(found)) as step:
        for pair in confirmed(found, left.thumbnail, other.thumbnail, step):
            yield replace(
                pair,
                left=int(left.pictures[pair.left]),
                right=int(other.pictures[pair.right]),
                inner=(bool(left.inner[pair.left]), bool(other.inner[pair.right])),
            )


def plainest(pairs: Iterable[NearDuplicate]) -> dict[tuple[int, int], NearDuplicate]:
    """Return of each two pictures the plainest explanation: borders only where nothing else does, then the best."""
    best: dict[tuple[int, int], NearDuplicate] = {}
    for pair in pairs:
        key = pair.left, pair.right
        if key not in best or _plainness(pair) < _plainness(best[key]):
            best[key] = pair
    return best


def _plainness(pair: NearDuplicate) -> tuple[bool, bool, float]:
    return pair.inner[0] != pair.inner[1], pair.inner[0], -pair.correlation


def _exact(here: Sequence[Content], there: Sequence[Content]) -> Iterator[Match]:
    # Of photos with the same pixels those of the same bytes, then the others; a side without others is named again.
    both = {each.sha256 for each in here} & {each.sha256 for each in there}
    for sha256 in sorted(both):
        same = [tuple(each for each in side if each.sha256 == sha256) for side in (here, there)]
        yield Match("same bytes", same[0], same[1])
    rest = [tuple(each for each in side if each.sha256 not in both) for side in (here, there)]
    if any(rest):
        yield Match("same pixels", rest[0] or tuple(here), rest[1] or tuple(there))
