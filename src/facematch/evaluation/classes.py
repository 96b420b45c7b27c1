"""Answers that are sets: precision, recall and F1 of the photos accepted for each query, pooled and by class.

A set of accepted photos is a mask over the places of a judged ranking: those nearer than a threshold, or
the first k. Unlike the figures of an order, these are defined for queries without a right photo too:
accepting nothing for a person who is not in the gallery is exactly right.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.bootstrap import (
    ROUNDS,
    Estimate,
    Floats,
    Ints,
    codes_of,
    mean_figure,
    statistic_figure,
)
from facematch.evaluation.relevance import RelevanceMatrix

_Counts = Floats | Ints
_Share = Callable[[_Counts, _Counts, _Counts], Floats]  # of tp, fp and fn


@dataclass(frozen=True, eq=False)
class SetScores:
    """For each of Q queries, how many photos were rightly accepted, wrongly accepted and missed (Q `int64`).

    In words of retrieval: `tp` is A, relevant and retrieved; `tp + fp` is B, all retrieved; `tp + fn` is C,
    all relevant photos of the gallery.
    """

    tp: Ints
    fp: Ints
    fn: Ints

    def __len__(self) -> int:
        return len(self.tp)

    @property
    def f1(self) -> Floats:
        """Return each query's F1 (Q): 2·tp/(2·tp + fp + fn), and 1 where there was nothing to find and nothing came."""
        return _f1(self.tp, self.fp, self.fn)


@dataclass(frozen=True)
class ClassScore:
    """Precision A/B and recall A/C of one class (identity), its queries pooled.

    `precision` is None where nothing was accepted, `recall` where nothing was relevant. `f1` is 2A/(B + C),
    1 where both are nothing.
    """

    group: Hashable
    precision: float | None
    recall: float | None
    f1: float
    queries: int


def set_scores(judged: RelevanceMatrix, accepted: NDArray[np.bool_]) -> SetScores:
    """Count what a mask of accepted places (Q×k) got right, got wrong and missed.

    Places past the end of a row hold no photo and are not counted. A threshold that accepts the last
    place of a short ranking may accept photos beyond it, which cannot be counted: rank the whole gallery.
    Raises ValueError for a mask of another shape.
    """
    if accepted.shape != judged.right.shape:
        raise ValueError(f"a mask over {judged.right.shape} places has the shape {accepted.shape}")
    taken = accepted & np.isfinite(judged.distances)
    tp = (taken & judged.right).sum(axis=1, dtype=np.int64)
    return SetScores(tp, taken.sum(axis=1, dtype=np.int64) - tp, judged.relevant - tp)


def top_k_accepted(judged: RelevanceMatrix, k: int) -> NDArray[np.bool_]:
    """Return the mask (Q×places) that accepts the first k photos of every query, all of a smaller gallery.

    Raises FacematchError when the ranking is shorter than that.
    """
    judged.require_places(k, f"the first {k}")
    return (np.arange(judged.right.shape[1]) < k) & np.isfinite(judged.distances)


def by_class(scores: SetScores, groups: Sequence[Hashable]) -> list[ClassScore]:
    """Return precision, recall and F1 of every class, in order of first appearance.

    `groups` says which class (identity) each of the Q queries shows. The counts of a class are pooled, so
    a query for which nothing was accepted takes part.
    """
    tp, fp, fn = _pooled(scores, groups)
    precision, recall, f1 = _precision(tp, fp, fn), _recall(tp, fp, fn), _f1(tp, fp, fn)
    queries = np.bincount(codes_of(groups))
    return [
        ClassScore(group, _number(precision[i]), _number(recall[i]), float(f1[i]), int(queries[i]))
        for i, group in enumerate(dict.fromkeys(groups))
    ]


def class_figures(scores: SetScores, groups: Sequence[Hashable], *, rounds: int = ROUNDS) -> list[Estimate]:
    """Return the figures of sets of accepted photos, each with its interval over people (`groups`).

    Macro F1 over queries; micro F1, precision and recall, all queries pooled; and precision, recall and
    F1 as means over classes, whose `count` is the number of classes that define them.
    """
    tp, fp, fn = _pooled(scores, groups)

    def over_classes(name: str, share: _Share) -> Estimate:
        return mean_figure(name, share(tp, fp, fn), range(len(tp)), rounds=rounds)

    return [
        mean_figure("F1 (macro)", scores.f1, groups, rounds=rounds),
        *pooled_figures(scores, groups, rounds=rounds),
        over_classes("precision (by class)", _precision),
        over_classes("recall (by class)", _recall),
        over_classes("F1 (by class)", _f1),
    ]


def pooled_figures(scores: SetScores, groups: Sequence[Hashable], *, rounds: int = ROUNDS) -> list[Estimate]:
    """Return micro F1, precision and recall, all queries pooled, each with its interval over `groups`.

    Groups are people, or the queries themselves where classes are given and only the photos that ask are a sample.
    """
    tp, fp, fn = _pooled(scores, groups)

    def pooled(name: str, share: _Share) -> Estimate:
        def statistic(weights: Floats) -> Floats:
            return share(weights @ tp, weights @ fp, weights @ fn)

        return statistic_figure(name, statistic, len(scores), len(tp), rounds=rounds)

    return [pooled("F1 (micro)", _f1), pooled("precision (micro)", _precision), pooled("recall (micro)", _recall)]


def _pooled(scores: SetScores, groups: Sequence[Hashable]) -> tuple[Floats, Floats, Floats]:
    # The counts of every class.
    codes = codes_of(groups)

    def sums(counts: Ints) -> Floats:
        return np.bincount(codes, weights=counts).astype(np.float64)

    return sums(scores.tp), sums(scores.fp), sums(scores.fn)


def _f1(tp: _Counts, fp: _Counts, fn: _Counts) -> Floats:
    return _ratio(2 * tp, 2 * tp + fp + fn, 1.0)


def _precision(tp: _Counts, fp: _Counts, fn: _Counts) -> Floats:
    return _ratio(tp, tp + fp, np.nan)


def _recall(tp: _Counts, fp: _Counts, fn: _Counts) -> Floats:
    return _ratio(tp, tp + fn, np.nan)


def _ratio(part: _Counts, whole: _Counts, empty: float) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
