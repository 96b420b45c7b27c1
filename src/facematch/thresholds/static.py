"""One threshold for all photos, tuned for the best macro-F1."""

from dataclasses import dataclass

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.ranking.ranking import Ranking
from facematch.thresholds.values import Basis, Bools, Floats, same_limit

_EQUAL = 1e-9  # sums of F1 that differ by less are equal: it is far above what adding up a million changes loses


@dataclass(frozen=True)
class StaticThreshold:
    """Every photo at `distance` or nearer is accepted.

    `f1` is the macro-F1 on the queries it was tuned on, which flatters it: unseen people fare worse.
    """

    distance: float
    f1: float
    basis: Basis

    def limits(self, ranking: Ranking) -> Floats:
        """Return the limit of every place (Q×k). Raises FacematchError for a ranking by another metric."""
        self.basis.require(ranking)
        return same_limit(ranking, self.distance)


def fit_static(judged: RelevanceMatrix, metric: str) -> StaticThreshold:
    """Return the threshold with the best macro-F1 over all thresholds there are.

    Macro-F1 is the mean over queries of 2·tp/(2·tp + fp + fn); a query without a right photo counts 1 when
    nothing is accepted for it and 0 otherwise. `metric` is that of the judged ranking, which must be whole:
    a cut one would hide both wrong photos that a threshold accepts and right ones that it misses.

    Raises FacematchError for a ranking cut short, or without a query or photo.
    """
    threshold, f1 = best_threshold(judged, judged.distances.astype(np.float64))
    return StaticThreshold(threshold, f1, basis_of(judged, metric))


def basis_of(judged: RelevanceMatrix, metric: str) -> Basis:
    """Return what a threshold tuned on `judged` rests on."""
    return Basis(metric, len(judged), len(set(judged.groups)))


def best_threshold(judged: RelevanceMatrix, scores: Floats, slack: float = 0.0) -> tuple[float, float]:
    """Return the threshold on `scores` (Q×k, one for each place) with the best macro-F1, and that F1.

    A place is accepted when its score ≤ threshold. Exact in O(P log P) for P places: sorted by score, each
    place changes the F1 of its own query alone, and these changes are added up; places whose scores lie
    within `slack` of each other come in together. Of equally good thresholds it is the middle of the widest
    range, the lowest of equally wide ones. Where accepting nothing, or everything, alone is best, it lies
    beyond all scores by half their spread.

    Raises FacematchError as `fit_static`.
    """
    judged.require_complete("a tuned threshold")
    there = np.isfinite(judged.distances)
    if not there.any():
        raise FacematchError(
            f"insufficient data: a threshold is tuned on queries and their distances; there are {len(judged)} "
            "queries and no gallery photo.",
            "Validate on people with at least two photos.",
        )
    values, sums = _sums_of_f1(judged, np.where(there, scores, np.inf))
    last = np.append(np.diff(values) > slack, True)
    values = values[last]
    sums = np.concatenate([sums[:1], sums[1:][last]])  # the first accepts nothing
    return _middle(values, sums >= sums.max() - _EQUAL), float(sums.max() / len(judged))


def _sums_of_f1(judged: RelevanceMatrix, scores: Floats) -> tuple[Floats, Floats]:
    # All P finite scores, rising, and the sum over queries of F1 before the first and after each of them: P + 1.
    order = np.argsort(scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, 1)
    right = np.cumsum(np.take_along_axis(judged.right, order, 1), axis=1)
    relevant = judged.relevant[:, None]
    accepted = np.arange(1, scores.shape[1] + 1)
    start = (relevant == 0).astype(np.float64)
    after = np.where(relevant > 0, 2 * right / (accepted + relevant), 0.0)
    change = np.diff(np.concatenate([start, after], axis=1), axis=1)
    there = np.isfinite(ranked)
    values, changes = ranked[there], change[there]
    order = np.argsort(values, kind="stable")
    return values[order], start.sum() + np.concatenate([[0.0], np.cumsum(changes[order])])


def _middle(values: Floats, best: Bools) -> float:
    # Cut c of V + 1 accepts the first c of V distinct values: any threshold from values[c − 1] up to values[c].
    edges = np.flatnonzero(np.diff(np.concatenate([[False], best, [False]]).astype(np.int8)))
    first, end = edges[::2], edges[1::2]  # runs of neighbouring cuts that are all best
    low, high = values[np.maximum(first - 1, 0)], values[np.minimum(end - 1, len(values) - 1)]
    widest = int(np.argmax(high - low))  # an open end counts only as far as there are values
    if high[widest] > low[widest]:
        return float((low[widest] + high[widest]) / 2)
    beyond = float(values[-1] - values[0] or abs(values[0]) or 1.0) / 2
    return float(values[0]) - beyond if first[widest] == 0 else float(values[-1]) + beyond
