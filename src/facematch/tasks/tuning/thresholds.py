"""Fitting every kind of threshold on validation people, and measuring each on people it was not fitted on."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.classes import set_scores
from facematch.evaluation.comparison import Comparison, paired
from facematch.evaluation.open_set import OpenSet
from facematch.evaluation.relevance import pooled, stacked
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking
from facematch.thresholds.calibration import CalibratedThreshold, fit_isotonic, fit_platt
from facematch.thresholds.dynamic import DynamicRule, Of, fit_dynamic, neighbourhood_adjustments
from facematch.thresholds.kept import FittedThreshold
from facematch.thresholds.static import fit_static
from facematch.thresholds.values import accepted_mask

NAMES = ("static", "dynamic", "dynamic-query", "isotonic", "platt")


@dataclass(frozen=True)
class Measured:
    """A kind of threshold, fitted on one half of the people and measured on the other, both ways round.

    `f1` is macro-F1; `found` the share of right photos accepted for known people, `refused` the share of
    unknown people's photos answered by nobody; `against_static` compares macro-F1 with the static one's.
    `missing` says why there is no figure.
    """

    name: str
    f1: Estimate | None
    found: Estimate | None
    refused: Estimate | None
    against_static: Comparison | None
    missing: str = ""


def fit_threshold(name: str, on: OpenSet) -> FittedThreshold:
    """Fit one kind of threshold, by its name, on an open set. Raises FacematchError where data do not suffice."""
    metric = on.rankings[0].metric
    if name == "static":
        return fit_static(on.judged, metric)
    if name in ("isotonic", "platt"):
        pairs = on.pairs
        fit = fit_isotonic if name == "isotonic" else fit_platt
        return CalibratedThreshold(fit(pairs.distances, pairs.same, pairs.people, metric))
    of: Of = "query" if name == "dynamic-query" else "gallery"
    return fit_dynamic(on.judged, neighbourhood_adjustments(on.rankings, on.galleries, of=of), metric, of=of)


def limits_of(threshold: FittedThreshold, ranking: Ranking, gallery: Embeddings) -> Floats:
    """Return the limit of every place of a ranking of `gallery` (Q×k)."""
    if isinstance(threshold, DynamicRule):
        return threshold.on(gallery).limits(ranking)
    return threshold.limits(ranking)


def measure_thresholds(halves: Sequence[OpenSet], names: Sequence[str] = NAMES) -> list[Measured]:
    """Fit each kind on one of two open sets of different people and measure it on the other, both ways round."""
    judged = pooled([half.judged for half in halves])
    scores: dict[str, tuple[Floats, Floats, Floats]] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            masks = [_accepted(fit_threshold(name, fitted), on) for fitted, on in (halves[::-1], halves)]
        except FacematchError as error:
            missing[name] = error.message
            continue
        sets = set_scores(judged, stacked(masks))
        recall = np.where(judged.answerable, sets.tp / np.maximum(judged.relevant, 1), np.nan)
        refused = np.where(judged.answerable, np.nan, (sets.fp == 0).astype(np.float64))
        scores[name] = (sets.f1, recall, refused)
    return [_measured(name, scores, judged.groups, missing.get(name, "")) for name in names]


def _accepted(threshold: FittedThreshold, on: OpenSet) -> NDArray[np.bool_]:
    limits = [limits_of(threshold, r, gallery) for r, gallery in zip(on.rankings, on.galleries, strict=True)]
    return stacked([accepted_mask(r.distances, each) for r, each in zip(on.rankings, limits, strict=True)])


def _measured(
    name: str, scores: Mapping[str, tuple[Floats, Floats, Floats]], people: Sequence[Hashable], missing: str
) -> Measured:
    if name not in scores:
        return Measured(name, None, None, None, None, missing)
    f1, found, refused = scores[name]
    against = None
    if name != "static" and "static" in scores:
        against = paired((f1 - scores["static"][0]).tolist(), people)
    return Measured(
        name, mean_figure("macro-F1", f1, people), mean_figure("found", found, people),
        mean_figure("refused", refused, people), against,
    )  # fmt: skip
