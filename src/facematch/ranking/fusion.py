"""Several systems' rankings of the same photos fused into one: distances on a common scale, or places.

A weighted mean is taken of what each system says of a photo. `z-score` (Jain, Nandakumar & Ross, Score
normalization in multimodal biometric systems, Pattern Recognition 38, 2005) is applied to each query alone, as
T-norm is in speaker verification (Auckenthaler, Carey & Lloyd-Thomas 2000): how many standard deviations of the
query's distances a photo lies below or above their mean. `reciprocal-rank` (Cormack, Clarke & Büttcher,
SIGIR 2009) looks at places only. `probability` takes what a fit to validation people makes of each system's
distances: `facematch.thresholds.probability`.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.ranking.ranking import Ranking
from facematch.settings.ensemble import Method

Floats = NDArray[np.float64]

Scale = Callable[[Floats], Floats]  # a system's distances (Q×G, NaN: not ranked) as numbers that can be averaged

_SURE, _NEVER = 1 - 1e-16, 1e-300  # probabilities whose odds are finite
_K = 60  # of reciprocal rank fusion, as published


def fuse(
    rankings: Sequence[Ranking],
    weights: Sequence[float] | None = None,
    method: Method = "z-score",
    probabilities: Sequence[Scale] = (),
) -> Ranking:
    """Return one whole ranking from whole rankings, one for each system; `weights` are equal by default.

    Method probability needs what makes P(same) of each system's distances, `probabilities`; the fused distance is the
    logarithm of the odds against their mean, so that neither very small nor very large ones run together in float32.

    The photos are those that any system ranked, in order of their names; a photo that a system has not ranked
    for a query is placed behind all that it has. A query that some systems do not have is answered by the
    others. A photo that no system ranked for a query, such as the query itself, is left out. Ties by name.

    Raises FacematchError without a ranking, for weights of another number, and where none is above 0; ValueError for
    another number of probabilities.
    """
    shares = [1.0] * len(rankings) if weights is None else list(weights)
    if not rankings or len(shares) != len(rankings):
        raise FacematchError(f"{len(rankings)} rankings cannot be fused with {len(shares)} weights.")
    if min(shares) < 0 or not sum(shares) > 0:
        raise FacematchError(f"weights of an ensemble are 0 or more and not all 0; found {shares}.")
    queries = tuple(dict.fromkeys(name for ranking in rankings for name in ranking.queries))
    gallery = tuple(sorted({name for ranking in rankings for name in ranking.gallery}))
    row = {name: number for number, name in enumerate(queries)}
    total, weight = np.zeros((len(queries), len(gallery))), np.zeros((len(queries), 1))
    ranked = np.zeros(total.shape, dtype=np.bool_)
    scales = probabilities if method == "probability" else [SCALES[method]] * len(rankings)
    for ranking, share, scale in zip(rankings, shares, scales, strict=True):
        rows = [row[name] for name in ranking.queries]
        distances = distance_matrix(ranking, gallery)
        total[rows] += share * scale(distances)
        weight[rows] += share
        ranked[rows] |= ~np.isnan(distances)
    mean = total / np.where(weight > 0, weight, 1)  # a query of systems with weight 0 alone keeps the order of names
    if method == "probability":
        mean = np.log1p(-np.minimum(mean, _SURE)) - np.log(np.maximum(mean, _NEVER))
    return _in_order(queries, gallery, np.where(ranked, mean, np.inf).astype(np.float32), f"fused {method}")


def distance_matrix(ranking: Ranking, gallery: Sequence[str]) -> Floats:
    """Return a ranking's distances in the order of `gallery` (Q×G), NaN where a photo was not ranked."""
    place = {name: number for number, name in enumerate(gallery)}
    columns = np.array([place[name] for name in ranking.gallery], dtype=np.int64)
    matrix = np.full((len(ranking.queries), len(gallery)), np.nan)
    rows, places = np.nonzero(ranking.indices >= 0)
    matrix[rows, columns[ranking.indices[rows, places]]] = ranking.distances[rows, places]
    return matrix


def z_scores(distances: Floats) -> Floats:
    """Return each row (Q×G) less its mean, over its standard deviation; NaN, not ranked, counts as its farthest.

    A row of equal distances says nothing: all 0.
    """
    there = ~np.isnan(distances)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    centred = np.where(there, distances, 0) - np.where(there, distances, 0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.where(there, centred**2, 0).sum(axis=1, keepdims=True) / count)
    scores = centred / np.where(spread > 0, spread, 1)
    farthest = np.max(scores, axis=1, keepdims=True, initial=0, where=there)
    return np.asarray(np.where(there, scores, farthest))


def reciprocal_ranks(distances: Floats) -> Floats:
    """Return 1 − 61/(60 + place) of each photo in its row (Q×G): 0 for the first, 1 where it is not ranked.

    Photos at one distance share the mean of their places.
    """
    from scipy.stats import rankdata

    places = rankdata(np.where(np.isnan(distances), np.inf, distances), axis=1)
    return np.where(np.isnan(distances), 1.0, 1 - (_K + 1) / (_K + places))


SCALES: Mapping[Method, Scale] = MappingProxyType({"z-score": z_scores, "reciprocal-rank": reciprocal_ranks})


def _in_order(queries: tuple[str, ...], gallery: tuple[str, ...], fused: NDArray[np.float32], metric: str) -> Ranking:
    # The gallery is in order of names, so a stable sort leaves ties by name.
    order = np.argsort(fused, axis=1, kind="stable").astype(np.int64)
    distances = np.take_along_axis(fused, order, 1)
    return Ranking(queries, gallery, np.where(np.isfinite(distances), order, -1), distances, metric)
