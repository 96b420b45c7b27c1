"""Which index a ranking uses, and why: a word for the person who waits; and how much of the right answer it found."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.settings.ranking import IndexKind, allowed

# From how many queries on a graph is built and searched faster than all are compared with everything;
# `benchmarks/gallery_size.py` for 512 numbers, `benchmarks/hamming_search.py` for codes.
PAYS_FROM = {"vectors": 75_000, "codes": 90_000}
# Photos from which on a query is faster by a graph, and up to which it misses next to none. Beyond, a graph of vectors
# has to be searched so broadly for it that exact search, which multiplies matrices, takes no longer.
WORTH = {"vectors": (50_000, 200_000), "codes": (10_000, math.inf)}
LEARNED_FROM = 1_000  # photos: cells and what quantises the vectors are learned from them


@dataclass(frozen=True)
class Choice:
    """The index in use and, where it was chosen for the user, the reason."""

    kind: IndexKind
    reason: str = ""

    @property
    def approximate(self) -> bool:
        """Return whether it may miss some of the nearest."""
        return self.kind in ("hnsw", "ivf-pq")


def choose_index(wanted: IndexKind, queries: int, gallery: int, k: int, photo_bytes: int, metric: str) -> Choice:
    """Return the index for ranking `k` of `gallery` photos for `queries`; `auto` is resolved, all else kept.

    `photo_bytes` is what one photo's vector or code takes in memory. A whole ranking is always exact, and so is one of
    vectors compared by another metric than `euclidean` and `cosine`.
    """
    if k >= gallery:
        return Choice("exact", "the whole gallery is ranked" if wanted == "auto" else "")
    if wanted != "auto":
        small = wanted == "ivf-pq" and gallery < LEARNED_FROM
        return Choice("exact", f"{gallery:,} photos are too few for cells") if small else Choice(wanted)
    if not allowed("hnsw", metric):
        return Choice("exact", f"there is no index for the metric {metric}")
    kind = "codes" if metric == "hamming" else "vectors"
    pays, (least, most) = PAYS_FROM[kind], WORTH[kind]
    if gallery < least:
        return Choice("exact", f"{gallery:,} photos are compared at once")
    if queries < pays:
        return Choice("exact", f"an index pays from {pays:,} queries on; there are {queries:,}")
    if gallery > most:
        return Choice("exact", f"an index of {gallery:,} photos misses too many, or takes as long")
    if kind == "vectors" and 1.2 * gallery * photo_bytes > _free_memory():
        return Choice("exact", "an index holds a copy of the vectors, which does not fit in memory")
    return Choice("hnsw", f"{queries:,} queries are worth an index of {gallery:,} photos")


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not known on this system
        return float("inf")


@dataclass(frozen=True)
class Recall:
    """Mean recall@k of a sample of `sampled` queries out of `queries`."""

    value: float
    k: int
    sampled: int
    queries: int

    def __str__(self) -> str:
        return f"recall@{self.k} {self.value:.3f} on {self.sampled} of {self.queries} queries"


def measured_recall(
    distances: ArrayLike, exact: Callable[[NDArray[np.int64]], NDArray[Any]], *, sample: int = 100, seed: int = 0
) -> Recall:
    """Return the recall@k of what an index answered, against exact search on a sample of the queries.

    `distances` (Q×k) are those of the answer; `exact` gives those of exact search for some rows. Which of the photos
    at one distance are named is arbitrary, so distances are compared: of an answer with n photos at distance d,
    where exact search has e, min(n, e) are found. recall@k is the sum over d, divided by k. Raises ValueError when
    distances are not Q×k, Q ≥ 1.
    """
    answered = np.asarray(distances)
    if answered.ndim != 2 or not answered.size:
        raise ValueError(f"an answer has Q×k distances, Q ≥ 1; found shape {answered.shape}")
    rows = np.arange(len(answered))
    if len(rows) > sample:
        rows = np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False))
    right = exact(rows)
    found = 0
    for distance in np.unique(right):
        ours, theirs = (answered[rows] == distance).sum(axis=1), (right == distance).sum(axis=1)
        found += int(np.minimum(ours, theirs).sum())
    return Recall(found / right.size, answered.shape[1], len(rows), len(answered))
