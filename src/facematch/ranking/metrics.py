"""The metrics of vectors and codes, one row each: how they are prepared and compared, and how FAISS searches by them.

A metric is added by its name in `facematch.settings.ranking` and a row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.ranking.codes import differing_bits
from facematch.settings.ranking import METRICS as METRICS
from facematch.settings.ranking import Metric as Metric

Vectors = NDArray[Any]  # float32, or packed codes for hamming
Floats = NDArray[np.float64]

VECTOR_METRICS: tuple[Metric, ...] = tuple(each for each in METRICS if each != "hamming")


@dataclass(frozen=True)
class MetricRow:
    """What there is to know about a metric.

    `between` takes two arrays of prepared vectors (`float64`, but packed codes as they are) and returns distances along
    the last axis; `prepare` works on each vector by itself, so it does not matter how many are prepared at once.
    `faiss` names the metric there, `order` turns what FAISS answers into what rises with the distance, and `rounding`
    bounds how wrong that may be, from prepared queries (Q×D) and the length of the longest gallery vector.
    """

    between: Callable[[Vectors, Vectors], Vectors]
    prepare: Callable[[Vectors], Vectors] = np.asarray
    faiss: str = ""
    order: Callable[[Vectors], Vectors] = np.asarray
    rounding: Callable[[Vectors, float], float] = lambda *_: 0.0


def between(left: Vectors, right: Vectors, metric: Metric) -> Floats:
    """Return the distances (`float64`) of prepared vectors (…×D) along the last axis; the others are broadcast."""
    if metric == "hamming":
        return differing_bits(left, right).astype(np.float64)
    return np.asarray(ROWS[metric].between(left.astype(np.float64), right.astype(np.float64)))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True), np.float32)


def _by_sign(vectors: Vectors) -> Vectors:
    return np.concatenate([np.maximum(vectors, 0), np.maximum(-vectors, 0)], axis=-1)


def _jaccard(q: Floats, g: Floats) -> Vectors:
    union = np.maximum(q, g).sum(-1)
    both_zero = union == 0
    return np.where(both_zero, 0.0, 1 - np.minimum(q, g).sum(-1) / np.where(both_zero, 1, union))


def _manhattan_rounding(query: Vectors, longest: float) -> float:
    # FAISS adds up D float32 terms in an order of its own; ‖g‖₁ ≤ √D ‖g‖.
    return 1e-5 * (float(np.abs(query).sum(axis=1).max()) + float(np.sqrt(query.shape[1])) * longest)


ROWS: Mapping[Metric, MetricRow] = MappingProxyType(
    {
        "euclidean": MetricRow(lambda q, g: np.sqrt(((q - g) ** 2).sum(-1)), faiss="METRIC_L2"),
        # Of unit vectors: 1 − cos, without cancellation.
        "cosine": MetricRow(lambda q, g: ((q - g) ** 2).sum(-1) / 2, _unit, "METRIC_INNER_PRODUCT"),
        "jaccard": MetricRow(
            _jaccard, _by_sign, "METRIC_Jaccard", lambda found: 1 - found, lambda query, longest: 1e-4
        ),
        "manhattan": MetricRow(lambda q, g: np.abs(q - g).sum(-1), faiss="METRIC_L1", rounding=_manhattan_rounding),
        "hamming": MetricRow(differing_bits),
    }
)
