"""The distance estimator: every query against every gallery photo, best first, exactly.

FAISS finds candidates; their distances are then computed again from differences in float64 and
ordered by (distance, name). Candidates are widened until everything that could belong to the first
k, ties included, is among them, so the answer equals brute force.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facematch.embeddings import Embeddings
from facematch.errors import FacematchError
from facematch.fingerprint import require_same

Metric = Literal["euclidean", "cosine", "jaccard", "manhattan"]
METRICS: tuple[Metric, ...] = ("euclidean", "cosine", "jaccard", "manhattan")

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Ranking:
    """For each of Q queries the k nearest gallery photos, best first.

    `indices` (Q×k `int64`) points into `gallery`; `distances` is Q×k `float32`, rising along each
    row, ties in order of name. A row has −1 and infinity at its end where a photo was excluded and
    the gallery ran out.
    """

    queries: tuple[str, ...]
    gallery: tuple[str, ...]
    indices: NDArray[np.int64]
    distances: NDArray[np.float32]
    metric: str

    def __post_init__(self) -> None:
        if self.indices.shape != self.distances.shape or len(self.indices) != len(self.queries):
            raise ValueError(
                f"a ranking of {len(self.queries)} queries needs Q×k indices and distances; "
                f"found {self.indices.shape} and {self.distances.shape}"
            )
        if self.indices.size and not (self.indices.min() >= -1 and self.indices.max() < len(self.gallery)):
            raise ValueError("a ranking's indices point into its gallery")
        # Compared, not subtracted: infinity minus infinity is NaN.
        if (self.distances[:, 1:] < self.distances[:, :-1]).any():
            raise ValueError("a ranking's distances rise from the first to the last")

    def names(self, query: int) -> tuple[str, ...]:
        """Return the ranked gallery names of one query."""
        return tuple(self.gallery[i] for i in self.indices[query] if i >= 0)


def distance_estimator(
    query: Embeddings,
    gallery: Embeddings,
    k: int,
    metric: Metric | None = None,
    *,
    exclude_same_name: bool = False,
) -> Ranking:
    """Rank the gallery for every query and keep the first `k` (fewer when the gallery is smaller).

    Distances: `euclidean` ‖q−g‖ (not squared); `cosine` 1 − q·g/(‖q‖‖g‖); `manhattan` Σ|q−g|;
    `jaccard` 1 − Σmin/Σmax (Ruzicka 1958), where a signed vector is split into its positive and
    negative parts so that it is defined for any embedding. `metric` defaults to the embeddings' own.
    With `exclude_same_name` a photo is never its own hit: for queries that stand in the gallery.

    Raises FacematchError for an empty side, k < 1, an unknown metric, different fingerprints,
    metrics or dimensions, and for a zero vector under cosine.
    """
    chosen = _check(query, gallery, k, metric)
    left, right = prepared(query, chosen), prepared(gallery, chosen)
    by_name = np.array(sorted(range(len(gallery)), key=gallery.names.__getitem__), dtype=np.int64)
    order = {name: position for position, name in enumerate(gallery.names[i] for i in by_name)}
    own = np.full(len(query), -1, dtype=np.int64)
    if exclude_same_name:
        own = np.array([order.get(name, -1) for name in query.names], dtype=np.int64)
    wanted = min(k, len(gallery))
    positions, distances = _exact_nearest(left, np.ascontiguousarray(right[by_name]), wanted, chosen, own)
    indices = np.where(positions >= 0, by_name[positions], -1)
    return Ranking(query.names, gallery.names, indices, distances, chosen)


def _check(query: Embeddings, gallery: Embeddings, k: int, metric: Metric | None) -> Metric:
    for side, what in ((query, "query"), (gallery, "gallery")):
        if not len(side):
            raise FacematchError(f"there are no {what} embeddings to rank.", f"Look at the {what} folder.")
    if k < 1:
        raise FacematchError(f"k is {k}; a ranking keeps at least 1 gallery photo.")
    require_same(query.fingerprint, "the query embeddings", gallery.fingerprint, "the gallery embeddings")
    if query.vectors.shape[1] != gallery.vectors.shape[1]:
        raise FacematchError(
            f"query embeddings have {query.vectors.shape[1]} dimensions, "
            f"gallery embeddings {gallery.vectors.shape[1]}; both sides need the same network."
        )
    if metric is None and query.metric != gallery.metric:
        raise FacematchError(f"the query side is compared by {query.metric}, the gallery by {gallery.metric}.")
    chosen = metric or query.metric
    if chosen not in METRICS:
        raise FacematchError(f"metric {chosen!r} is not known; known are {', '.join(METRICS)}.")
    return chosen


def prepared(side: Embeddings, metric: Metric) -> Vectors:
    """Return vectors whose distance is that of `between`: of length 1 for cosine, split by sign for jaccard."""
    vectors = side.vectors
    if metric == "jaccard":
        return np.concatenate([np.maximum(vectors, 0), np.maximum(-vectors, 0)], axis=1)
    if metric == "cosine":
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if (lengths == 0).any():
            name = side.names[int(np.flatnonzero(lengths == 0)[0])]
            raise FacematchError(f"{name} has a zero embedding, for which the cosine is not defined.")
        return np.ascontiguousarray((vectors / lengths).astype(np.float32))
    return np.ascontiguousarray(vectors)


def _exact_nearest(
    left: Vectors, right: Vectors, k: int, metric: Metric, own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    # Positions (Q×k) in `right`, which is ordered by name, and their distances.
    positions = np.full((len(left), k), -1, dtype=np.int64)
    distances = np.full((len(left), k), np.inf, dtype=np.float32)
    todo = np.arange(len(left))
    width = min(len(right), k + 1 + max(8, k // 2))
    while len(todo):
        open_rows = []
        for rows in np.array_split(todo, 1 + len(todo) * width // 20_000_000):
            found, rough = _candidates(left[rows], right, width, metric)
            positions[rows], distances[rows] = _best(left[rows], right, found, k, metric, own[rows])
            # Whatever was not a candidate is no nearer than the last one, within FAISS's rounding.
            settled = distances[rows, -1] < _lower_bound(rough, left[rows], right, metric)
            open_rows.append(rows[~settled])
        todo = np.concatenate(open_rows)
        if width == len(right):
            break
        width = min(len(right), width * 4)
    return positions, distances


def _best(
    left: Vectors, right: Vectors, found: NDArray[np.int64], k: int, metric: Metric, own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Vectors]:
    # The k best candidates by (exact distance, position), the query's own position left out.
    exact = _candidate_distances(left, right, found, metric)
    order = np.lexsort((found, exact))
    found, exact = np.take_along_axis(found, order, 1), np.take_along_axis(exact, order, 1)
    allowed = found != own[:, None]
    keep = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
    there = np.take_along_axis(allowed, keep, 1)
    positions = np.where(there, np.take_along_axis(found, keep, 1), -1)
    return positions, np.where(there, np.take_along_axis(exact, keep, 1), np.float32(np.inf))


def _candidates(
    left: Vectors, right: Vectors, width: int, metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    # FAISS's nearest (Q×width), and for each query the distance of the last in units of the metric.
    import faiss

    kind: dict[Metric, Any] = {
        "euclidean": faiss.METRIC_L2,
        "cosine": faiss.METRIC_INNER_PRODUCT,
        "jaccard": faiss.METRIC_Jaccard,
        "manhattan": faiss.METRIC_L1,
    }
    if width == len(right):
        everything = np.broadcast_to(np.arange(width, dtype=np.int64), (len(left), width))
        return np.ascontiguousarray(everything), np.full(len(left), np.inf)
    values, found = faiss.knn(left, right, width, metric=kind[metric])
    last = values[:, -1].astype(np.float64)
    if metric == "euclidean":
        last = np.sqrt(np.maximum(last, 0))
    elif metric in ("cosine", "jaccard"):
        last = 1 - last
    return found.astype(np.int64), last


def _candidate_distances(left: Vectors, right: Vectors, found: NDArray[np.int64], metric: Metric) -> Vectors:
    # Exact distances (Q×width) of the candidates; each from one pair alone, so equal vectors tie.
    exact = np.empty(found.shape, dtype=np.float32)
    step = max(1, 4_000_000 // max(1, found.shape[1] * left.shape[1]))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        q = left[rows, None, :].astype(np.float64)
        g = right[found[rows]].astype(np.float64)
        exact[rows] = between(q, g, metric)
    return exact


def between(q: NDArray[np.float64], g: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Return the distances of `prepared` vectors along the last axis; the others are broadcast."""
    if metric == "euclidean":
        return np.asarray(np.sqrt(((q - g) ** 2).sum(-1)))
    if metric == "manhattan":
        return np.asarray(np.abs(q - g).sum(-1))
    if metric == "cosine":
        return np.asarray(((q - g) ** 2).sum(-1) / 2)  # of unit vectors: 1 − cos, without cancellation
    union = np.maximum(q, g).sum(-1)
    both_zero = union == 0
    return np.where(both_zero, 0.0, 1 - np.minimum(q, g).sum(-1) / np.where(both_zero, 1, union))


def _lower_bound(rough: NDArray[np.float64], left: Vectors, right: Vectors, metric: Metric) -> NDArray[np.float64]:
    # FAISS's distance of the last candidate, less generously what float32 may have added to it.
    if metric == "cosine":
        return rough - 1e-5
    if metric == "jaccard":
        return rough - 1e-4
    if metric == "manhattan":
        return rough - 1e-5 * float(np.abs(left).sum(1).max() + np.abs(right).sum(1).max())
    reach = float(np.linalg.norm(left, axis=1).max() + np.linalg.norm(right, axis=1).max())
    bound: NDArray[np.float64] = np.sqrt(np.maximum(rough**2 - 4e-6 * reach**2, 0))
    return bound
