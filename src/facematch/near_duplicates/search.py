"""From descriptors to candidates: an exact search for what is alike."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from facematch.near_duplicates.descriptors import CUTS, Floats, turn

NEIGHBOURS = 20  # nearest of the other side that become candidates of a photo, in one search
LIKE = 0.7  # least correlation of two descriptors

# A pair that may show one photo: the indices of both; how the right one is made to look like the left one: whether
# it is mirrored, then by how many degrees it is turned clockwise; and the share to be cut from every side of the right
# one to show what the left one shows (below 0: from the left one).
CANDIDATE = np.dtype(
    [("left", "i8"), ("right", "i8"), ("mirrored", "?"), ("cut", "f4"), ("likeness", "f4"), ("turned", "i2")]
)

_QUERIES = 2048  # searched at once: between two, Ctrl-C is heard and progress is shown

Found = NDArray[np.void]
Progress = Callable[[int], None]


def candidates(
    left: Floats,
    right: Floats | None = None,
    on_progress: Progress = lambda percent: None,
    *,
    turned: bool = False,
) -> Found:
    """Return pairs with alike descriptors (`CANDIDATE`), most alike first: of each photo the 20 nearest, exactly.

    `left` is N×3×64 and `right` M×3×64, as `describe` makes them. Without `right` the pairs are those
    within `left`, each once. A plain photo is in no pair. Photos are compared as they are and mirrored, with
    `turned` by quarter turns too, which takes four times as long. `on_progress` gets the percentage done.
    """
    turns = (0, 90, 180, 270) if turned else (0,)
    if right is None:
        found = _nearest(left, left, turns, on_progress, within=True)
        back = found["left"] > found["right"]
        found = np.concatenate([found[~back], _swapped(found[back])])
    else:
        there = _nearest(left, right, turns, lambda percent: on_progress(percent // 2))
        found = _nearest(right, left, turns, lambda percent: on_progress(50 + percent // 2))
        found = np.concatenate([there, _swapped(found)])
    # The best cut for each orientation of a pair; a tie takes the smaller one.
    found = found[np.lexsort((np.abs(found["cut"]), -found["likeness"]))]
    key = (found["left"] * (1 + found["right"].max(initial=0)) + found["right"]) * 8
    _, first = np.unique(key + found["mirrored"] * 4 + found["turned"] // 90, return_index=True)
    return found[np.sort(first)]


def _nearest(
    queries: Floats, gallery: Floats, turns: Sequence[int], on_progress: Progress, *, within: bool = False
) -> Found:
    # Whole queries among the whole and the middles of gallery photos: as they are, mirrored and turned.
    import faiss

    rows_with_detail = np.flatnonzero(queries[:, 0].any(-1)) if len(gallery) else np.empty(0, np.int64)
    ways = list(product((False, True), turns, range(0, len(rows_with_detail), _QUERIES)))
    k = min(NEIGHBOURS + within, len(gallery))  # within one set a photo finds itself
    parts = []
    for window, cut in enumerate(CUTS):
        middles = np.ascontiguousarray(gallery[:, window])
        for mirrored, turned, start in ways:
            rows = rows_with_detail[start : start + _QUERIES]
            vectors = np.ascontiguousarray(turn(queries[rows, 0], mirrored=mirrored, turned=turned))
            likeness, found = faiss.knn(vectors, middles, k, metric=faiss.METRIC_INNER_PRODUCT)
            others = found != rows[:, None] if within else np.ones_like(found, bool)
            row, column = np.nonzero((likeness >= LIKE) & others & (others.cumsum(1) <= NEIGHBOURS))
            part = np.empty(len(row), CANDIDATE)
            part["left"], part["right"], part["likeness"] = rows[row], found[row, column], likeness[row, column]
            # What was done to the query is undone to the other photo.
            part["mirrored"], part["turned"], part["cut"] = mirrored, _undone(mirrored, turned), cut
            parts.append(part)
            on_progress(100 * len(parts) // (len(CUTS) * len(ways)))
    return np.concatenate([np.empty(0, CANDIDATE), *parts])


def _swapped(found: Found) -> Found:
    other = found.copy()
    other["left"], other["right"], other["cut"] = found["right"], found["left"], -found["cut"]
    other["turned"] = _undone(found["mirrored"], found["turned"])
    return other


def _undone(mirrored: NDArray[np.bool_] | bool, turned: NDArray[np.int16] | int) -> NDArray[np.int64]:
    # Degrees that undo "mirrored, then turned", in the same order: a reflection undoes itself.
    return np.where(mirrored, turned, -np.asarray(turned) % 360)
