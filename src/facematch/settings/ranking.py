"""How a gallery is ranked: the metrics and indexes by name, and which go together."""

from typing import Literal, get_args

Metric = Literal["euclidean", "cosine", "jaccard", "manhattan", "hamming"]
IndexKind = Literal["auto", "exact", "multi-index-hashing", "hnsw", "ivf-pq"]
CodeIndexKind = Literal["exact", "multi-index-hashing", "hnsw"]

METRICS: tuple[Metric, ...] = get_args(Metric)  # the last compares codes, the others vectors
INDEXES: tuple[IndexKind, ...] = get_args(IndexKind)
CODE_INDEXES: tuple[CodeIndexKind, ...] = get_args(CodeIndexKind)
VECTOR_INDEXES: tuple[IndexKind, ...] = ("exact", "hnsw", "ivf-pq")


def allowed(kind: str, metric: str) -> bool:
    """Return whether an index can search by a metric."""
    if metric == "hamming":
        return kind in ("auto", *CODE_INDEXES)
    return kind in ("auto", "exact") or (kind in VECTOR_INDEXES and metric in ("euclidean", "cosine"))
