"""Which index a ranking uses, and why: a word for the person who waits."""

import os
from dataclasses import dataclass
from typing import Literal

from facematch.gallery.binary import CODE_INDEXES

IndexKind = Literal["auto", "exact", "multi-index-hashing", "hnsw", "ivf-pq"]
INDEXES: tuple[IndexKind, ...] = ("auto", "exact", "multi-index-hashing", "hnsw", "ivf-pq")
VECTOR_INDEXES: tuple[IndexKind, ...] = ("exact", "hnsw", "ivf-pq")

# From how many queries on a graph is built faster than all are compared with everything; `benchmarks/gallery_size.py`
# for 512 numbers, `benchmarks/hamming_search.py` for codes. Both times grow with the gallery, so it hardly matters.
PAYS_FROM = {"vectors": 50_000, "codes": 90_000}
LARGE = 10_000  # photos; a smaller gallery is compared at once
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
    codes = metric == "hamming"
    pays = PAYS_FROM["codes" if codes else "vectors"]
    if gallery < LARGE:
        return Choice("exact", f"{gallery:,} photos are compared at once")
    if queries < pays:
        return Choice("exact", f"an index takes as long to build as {pays:,} queries to compare; there are {queries:,}")
    if codes or 1.2 * gallery * photo_bytes < _free_memory():
        return Choice("hnsw", f"{queries:,} queries are worth an index of {gallery:,} photos")
    return Choice("ivf-pq", f"{queries:,} queries are worth an index, and a copy of the vectors does not fit in memory")


def allowed(kind: str, metric: str) -> bool:
    """Return whether an index can search by a metric."""
    if metric == "hamming":
        return kind in ("auto", *CODE_INDEXES)
    return kind in ("auto", "exact") or (kind in VECTOR_INDEXES and metric in ("euclidean", "cosine"))


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not known on this system
        return float("inf")
