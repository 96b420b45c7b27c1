"""Distances of single pairs of photos: the numbers a ranking shows, without ranking anything."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import between
from facematch.ranking.ranking import chosen_metric, prepared

Floats = NDArray[np.float64]

_CELLS = 4_000_000  # components held at once


def pair_distances(embeddings: Embeddings, first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the distance of each of P pairs, `first` and `second` being P row numbers of the embeddings.

    Metrics and rounding are those of `ranking.distance_estimator`: its float32 distances are these,
    rounded. Raises FacematchError for an unknown metric and for a zero vector under cosine.
    """
    chosen = chosen_metric(embeddings, None)
    left, right = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if left.shape != right.shape or left.ndim != 1:
        raise ValueError(f"P pairs are two lists of P rows; found shapes {left.shape} and {right.shape}")
    used, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    vectors = prepared(embeddings.at(used.tolist()), chosen)
    left, right = places[: len(left)], places[len(left) :]
    found = np.empty(len(left), dtype=np.float64)
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        found[rows] = between(vectors[left[rows]], vectors[right[rows]], chosen)
    return found
