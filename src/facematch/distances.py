"""Distances of single pairs of photos: the numbers a ranking shows, without ranking anything."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.embeddings import Embeddings
from facematch.errors import FacematchError
from facematch.ranking import METRICS, Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CELLS = 4_000_000  # components held at once


def pair_distances(embeddings: Embeddings, first: ArrayLike, second: ArrayLike, metric: Metric | None = None) -> Floats:
    """Return the distance of each of P pairs, `first` and `second` being P row numbers of the embeddings.

    Metrics and rounding are those of `ranking.distance_estimator`: its float32 distances are these,
    rounded. `metric` defaults to the embeddings' own.

    Raises FacematchError for an unknown metric and for a zero vector under cosine.
    """
    chosen = embeddings.metric if metric is None else metric
    if chosen not in METRICS:
        raise FacematchError(f"metric {chosen!r} is not known; known are {', '.join(METRICS)}.")
    left, right = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if left.shape != right.shape or left.ndim != 1:
        raise ValueError(f"P pairs are two lists of P rows; found shapes {left.shape} and {right.shape}")
    vectors = embeddings.vectors if chosen != "cosine" else _unit(embeddings, np.concatenate([left, right]))
    found = np.empty(len(left), dtype=np.float64)
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        found[rows] = _between(vectors[left[rows]].astype(np.float64), vectors[right[rows]].astype(np.float64), chosen)
    return found


def _unit(embeddings: Embeddings, used: Ints) -> NDArray[np.float32]:
    # Rounded to float32, as a ranking compares them.
    vectors = embeddings.vectors
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    zero = used[lengths[used, 0] == 0]
    if len(zero):
        raise FacematchError(f"{embeddings.names[zero[0]]} has a zero embedding, for which the cosine is not defined.")
    unit: NDArray[np.float32] = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit


def _between(q: Floats, g: Floats, metric: str) -> Floats:
    # Row by row, of two P×D arrays.
    if metric == "euclidean":
        distances: Floats = np.sqrt(((q - g) ** 2).sum(-1))
    elif metric == "manhattan":
        distances = np.abs(q - g).sum(-1)
    elif metric == "cosine":
        distances = ((q - g) ** 2).sum(-1) / 2  # of unit vectors: 1 − cos, without cancellation
    else:
        q, g = (np.concatenate([np.maximum(side, 0), np.maximum(-side, 0)], axis=1) for side in (q, g))
        union = np.maximum(q, g).sum(-1)
        both_zero = union == 0
        distances = np.where(both_zero, 0.0, 1 - np.minimum(q, g).sum(-1) / np.where(both_zero, 1, union))
    return distances
