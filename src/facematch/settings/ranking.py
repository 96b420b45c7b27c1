"""How a gallery is ranked: the metrics and indexes by name, and which go together."""

from typing import Literal

MetricName = Literal["euclidean", "cosine", "jaccard", "manhattan", "hamming"]
IndexKind = Literal["auto", "exact", "multi-index-hashing", "hnsw", "ivf-pq"]
CodeIndexKind = Literal["exact", "multi-index-hashing", "hnsw"]

INDEXES: tuple[IndexKind, ...] = ("auto", "exact", "multi-index-hashing", "hnsw", "ivf-pq")
CODE_INDEXES: tuple[CodeIndexKind, ...] = ("exact", "multi-index-hashing", "hnsw")
VECTOR_INDEXES: tuple[IndexKind, ...] = ("exact", "hnsw", "ivf-pq")


def allowed(kind: str, metric: str) -> bool:
    """Return whether an index can search by a metric."""
    if metric == "hamming":
        return kind in ("auto", *CODE_INDEXES)
    return kind in ("auto", "exact") or (kind in VECTOR_INDEXES and metric in ("euclidean", "cosine"))
