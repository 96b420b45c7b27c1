"""k-reciprocal re-ranking (Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017).

Two photos are alike when they stand among each other's nearest neighbours, and when they share such
neighbours. All sets are sparse matrices and the distances are computed for some queries at a time, so nothing
of the size of all photos squared is ever held; the result equals the published algorithm's.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from facematch.core.errors import FacematchError
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, by_name, distance_estimator

Floats = NDArray[np.float64]
_CELLS = 2_000_000  # distances held at once


def k_reciprocal(
    query: Embeddings, gallery: Embeddings, k: int, metric: Metric, *, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> Ranking:
    """Rank the gallery for every query by k-reciprocal re-ranking and keep the first `k`.

    `k1` is the size of a neighbourhood, `k2` over how many nearest photos the encoding is averaged (1: not at
    all), `weight` (λ, 0–1) the share of the original distance, which is squared and divided by the photo's
    largest. Distances are (1 − λ)·Jaccard + λ·original, from 0 to 1, ties by name; the ranking's metric is
    `<metric> k-reciprocal`, since they cannot be compared with distances of vectors.

    Queries and gallery are looked at together, as published: a query's ranking may change when other queries
    come along. It helps where people have several photos on the two sides; it hurts where k1 is larger than
    the number of photos of a person by far, or where most people have a single gallery photo.

    Raises FacematchError for another metric than euclidean or cosine.
    """
    if metric not in ("euclidean", "cosine"):
        raise FacematchError(
            f"k-reciprocal re-ranking is defined for euclidean and cosine distances, not for {metric}.",
            "Set ranking.metric=cosine, or leave the step out.",
        )
    both = _together(query, gallery)
    vectors = both.vectors.astype(np.float64)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # zero vectors were refused by the ranking
    near = distance_estimator(both, both, k1 + 1, metric).indices  # each photo is its own first neighbour
    largest = _largest_squares(vectors)
    encoding = _encoding(near, vectors, largest, k1)
    if k2 > 1:
        rows = np.repeat(np.arange(len(near)), min(k2, near.shape[1]))
        nearest = sparse.csr_array((np.ones(len(rows)), (rows, near[:, :k2].ravel())), shape=(len(near),) * 2)
        encoding = (nearest @ encoding) / min(k2, near.shape[1])
    return _ranked(query, gallery, encoding, vectors, largest, min(k, len(gallery)), weight, metric)


def _together(query: Embeddings, gallery: Embeddings) -> Embeddings:
    # One list of photos; the sides' names may be the same.
    names = (*(f"q/{name}" for name in query.names), *(f"g/{name}" for name in gallery.names))
    return replace(gallery, names=names, vectors=np.concatenate([query.vectors, gallery.vectors]))


def _largest_squares(vectors: Floats) -> Floats:
    # The largest squared distance of each photo to any other; 1 where all are equal.
    squares = (vectors**2).sum(axis=1)
    largest = np.empty(len(vectors))
    for rows in np.array_split(np.arange(len(vectors)), 1 + len(vectors) ** 2 // _CELLS):
        block = squares[rows, None] + squares[None] - 2 * vectors[rows] @ vectors.T
        largest[rows] = block.max(axis=1)
    return np.where(largest > 1e-12, largest, 1.0)


def _encoding(near: NDArray[np.int64], vectors: Floats, largest: Floats, k1: int) -> Any:
    # Row i: exp(−d) over the expanded k-reciprocal neighbours of photo i, summing to 1 (equations 3 to 7).
    reciprocal, half = _reciprocal(near), _reciprocal(near[:, : int(np.around(k1 / 2)) + 1])
    sizes = np.diff(half.indptr)
    # A neighbour's own neighbours are added when more than two thirds of them are neighbours already.
    shared = (reciprocal @ half.T).multiply(reciprocal).tocoo()
    take = 3 * shared.data > 2 * sizes[shared.col]
    adding = sparse.csr_array((np.ones(int(take.sum())), (shared.row[take], shared.col[take])), shape=reciprocal.shape)
    expanded = (reciprocal + adding @ half).tocoo()
    rows, columns = expanded.row, expanded.col
    weights = np.empty(len(rows))
    for part in np.array_split(np.arange(len(rows)), 1 + len(rows) * vectors.shape[1] // _CELLS):
        squares = ((vectors[rows[part]] - vectors[columns[part]]) ** 2).sum(axis=1)
        weights[part] = np.exp(-squares / largest[rows[part]])
    weights /= np.bincount(rows, weights=weights, minlength=len(near))[rows]
    return sparse.csr_array((weights, (rows, columns)), shape=expanded.shape)


def _reciprocal(near: NDArray[np.int64]) -> Any:
    # Entry (i, j) is 1 where each of the two is among the other's neighbours (equation 1).
    rows = np.repeat(np.arange(len(near)), near.shape[1])
    forward = sparse.csr_array((np.ones(near.size), (rows, near.ravel())), shape=(len(near),) * 2)
    return sparse.csr_array(forward.multiply(forward.T))


def _ranked(
    query: Embeddings, gallery: Embeddings, encoding: Any, vectors: Floats, largest: Floats, k: int, weight: float,
    metric: Metric,
) -> Ranking:  # fmt: skip
    # Gallery columns in order of name, so that a stable sort puts ties in that order.
    named = by_name(gallery.names)
    queries = encoding[: len(query)]
    inverted = encoding[len(query) + named].tocsc()
    others = vectors[len(query) + named]
    squares = (others**2).sum(axis=1)
    indices = np.empty((len(query), k), dtype=np.int64)
    distances = np.empty((len(query), k), dtype=np.float32)
    for rows in np.array_split(np.arange(len(query)), 1 + len(query) * len(gallery) // _CELLS):
        own = vectors[rows]
        original = np.maximum((own**2).sum(axis=1)[:, None] + squares - 2 * own @ others.T, 0) / largest[rows, None]
        for row, base in zip(rows, original, strict=True):
            shared = _shared(queries, inverted, row, len(gallery))
            final = ((1 - weight) * (1 - shared / (2 - shared)) + weight * base).astype(np.float32)
            order = np.argsort(final, kind="stable")[:k]
            indices[row], distances[row] = named[order], final[order]
    return Ranking(query.names, gallery.names, indices, distances, f"{metric} k-reciprocal")


def _shared(queries: Any, inverted: Any, row: int, gallery: int) -> Floats:
    # Sum of the smaller of the two encodings over all photos, for one query and every gallery photo: G.
    start, end = queries.indptr[row], queries.indptr[row + 1]
    columns, mine = queries.indices[start:end], queries.data[start:end]
    counts = inverted.indptr[columns + 1] - inverted.indptr[columns]
    ends = np.cumsum(counts)
    places = np.arange(int(counts.sum())) + np.repeat(inverted.indptr[columns] - (ends - counts), counts)
    smaller = np.minimum(inverted.data[places], np.repeat(mine, counts))
    return np.bincount(inverted.indices[places], weights=smaller, minlength=gallery).astype(np.float64)
