"""What one system reaches on each query, and its figures with their intervals over people."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.classes import set_scores
from facematch.evaluation.expected_ties import expected_average_precision, expected_hit_at
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.task import halves
from facematch.evaluation.tie_groups import groups_of_judged
from facematch.evaluation.topk import KS
from facematch.thresholds.static import fit_static
from facematch.thresholds.values import accepted_mask

FIGURES = ("top-1", "top-5", "top-10", "score", "mAP", "F1")
Values = Mapping[str, Floats]  # by the name of the figure: one number for each of Q queries


def query_values(judged: RelevanceMatrix, lost: NDArray[np.bool_], weights: Sequence[float]) -> dict[str, Floats]:
    """Return what a system reaches on each of Q queries, by the name of the figure; `lost` queries reach nothing.

    Top-k, score and average precision are expected values over every order of photos at one distance (equal to
    the plain ones where there is none), NaN for a query without a right photo. The score is from 0 to the sum of
    `weights`. F1 is of the photos within one threshold, which is the best of all for the queries of the *other*
    half of the people; halves are drawn by lot. NaN where a half has nobody.
    """
    tied = groups_of_judged(judged)
    values = {f"top-{k}": expected_hit_at(tied, k) for k in KS}
    values["score"] = np.asarray(np.stack([values[f"top-{k}"] for k in KS], axis=1) @ np.asarray(weights))
    values["mAP"] = expected_average_precision(tied)
    for each in values.values():
        each[lost & judged.answerable] = 0
    values["F1"] = f1_across(judged, halves([str(person) for person in judged.groups]))
    return values


def f1_across(judged: RelevanceMatrix, first: NDArray[np.bool_]) -> Floats:
    """Return each query's F1 (Q) at the threshold that is best for the other half; `first` (Q) says which half."""
    scores = np.full(len(judged), np.nan)
    for half in (first, ~first):
        if half.any() and not half.all():
            limit = fit_static(queries_of(judged, ~half), "any").distance
            asked = queries_of(judged, half)
            limits = np.full(asked.distances.shape, limit, dtype=np.float64)
            scores[half] = set_scores(asked, accepted_mask(asked.distances, limits)).f1
    return scores


def queries_of(judged: RelevanceMatrix, chosen: NDArray[np.bool_]) -> RelevanceMatrix:
    """Return some queries of a judged ranking (Q `bool`)."""
    rows = np.flatnonzero(chosen).tolist()
    return RelevanceMatrix(
        tuple(judged.queries[row] for row in rows),
        tuple(judged.groups[row] for row in rows),
        judged.right[rows],
        judged.distances[rows],
        judged.relevant[rows],
        judged.wrong[rows],
    )


def system_figures(values: Values, groups: Sequence[Hashable], best: float) -> dict[str, Estimate]:
    """Return every figure with its interval over people; `best` is the score of a system without a mistake."""
    figures = {name: mean_figure(name, values[name], groups) for name in FIGURES if name != "score"}
    share = mean_figure("score", values["score"] / best, groups)
    figures["score"] = replace(
        share,
        value=None if share.value is None else best * share.value,
        interval=None if share.interval is None else (best * share.interval[0], best * share.interval[1]),
    )
    return {name: figures[name] for name in FIGURES}
