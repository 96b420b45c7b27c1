"""How much of the right answer an index found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
