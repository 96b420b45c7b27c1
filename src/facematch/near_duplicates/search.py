"""From descriptors to candidates: an exact search for what is alike."""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from facematch.near_duplicates.descriptors import CUTS, MIRROR, Floats

NEIGHBOURS = 20  # nearest of the other side that become candidates of a photo, in one search
LIKE = 0.7  # least correlation of two descriptors

# A pair that may show one photo: the indices of both, whether one is mirrored, and the share to be cut from
# every side of the right one to show what the left one shows (below 0: from the left one).
CANDIDATE = np.dtype([("left", "i8"), ("right", "i8"), ("mirrored", "?"), ("cut", "f4"), ("likeness", "f4")])

_QUERIES = 2048  # searched at once: between two, Ctrl-C is heard and progress is shown

Found = NDArray[np.void]
Progress = Callable[[int], None]


def candidates(left: Floats, right: Floats | None = None, on_progress: Progress = lambda percent: None) -> Found:
    """Return pairs with alike descriptors (`CANDIDATE`), most alike first: of each photo the 20 nearest, exactly.

    `left` is N×3×64 and `right` M×3×64, as `describe` makes them. Without `right` the pairs are those
    within `left`, each once. A plain photo is in no pair. `on_progress` gets the percentage done.
    """
    if right is None:
        found = _nearest(left, left, on_progress, within=True)
        turned = found["left"] > found["right"]
        found = np.concatenate([found[~turned], _swapped(found[turned])])
    else:
        there = _nearest(left, right, lambda percent: on_progress(percent // 2))
        back = _nearest(right, left, lambda percent: on_progress(50 + percent // 2))
        found = np.concatenate([there, _swapped(back)])
    # The best way to lay each pair, as it is and mirrored; a tie takes the smaller cut.
    found = found[np.lexsort((np.abs(found["cut"]), -found["likeness"]))]
    key = (found["left"] * (1 + found["right"].max(initial=0)) + found["right"]) * 2 + found["mirrored"]
    _, first = np.unique(key, return_index=True)
    return found[np.sort(first)]


def _nearest(queries: Floats, gallery: Floats, on_progress: Progress, *, within: bool = False) -> Found:
    # Whole queries among the whole and the middles of gallery photos, as they are and mirrored.
    import faiss

    asked = np.flatnonzero(queries[:, 0].any(-1)) if len(gallery) else np.empty(0, np.int64)
    ways = list(product((False, True), range(0, len(asked), _QUERIES)))
    k = min(NEIGHBOURS + within, len(gallery))  # within one set a photo finds itself
    parts = []
    for window, cut in enumerate(CUTS):
        middles = np.ascontiguousarray(gallery[:, window])
        for mirrored, start in ways:
            rows = asked[start : start + _QUERIES]
            vectors = queries[rows, 0] * (MIRROR if mirrored else np.float32(1))
            likeness, found = faiss.knn(vectors, middles, k, metric=faiss.METRIC_INNER_PRODUCT)
            others = found != rows[:, None] if within else np.ones_like(found, bool)
            row, column = np.nonzero((likeness >= LIKE) & others & (others.cumsum(1) <= NEIGHBOURS))
            part = np.empty(len(row), CANDIDATE)
            part["left"], part["right"], part["likeness"] = rows[row], found[row, column], likeness[row, column]
            part["mirrored"], part["cut"] = mirrored, cut
            parts.append(part)
            on_progress(100 * len(parts) // (len(CUTS) * len(ways)))
    return np.concatenate([np.empty(0, CANDIDATE), *parts])


def _swapped(found: Found) -> Found:
    other = found.copy()
    other["left"], other["right"], other["cut"] = found["right"], found["left"], -found["cut"]
    return other
