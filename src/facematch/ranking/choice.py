"""Which index a ranking uses, and why: a word for the person who waits."""

import math
import os
from dataclasses import dataclass

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
