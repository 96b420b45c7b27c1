"""Fitting every kind of threshold on validation people, and what each is worth on people it was not fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.draw import chart_file
from facematch.core.console import info, show_table, warn
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.core.kinds import known_names
from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.classes import set_scores
from facematch.evaluation.comparison import Comparison, paired
from facematch.evaluation.open_set import OpenSet, open_set
from facematch.evaluation.relevance import pooled, stacked
from facematch.evaluation.task import RetrievalTask, halves
from facematch.ranking.embeddings import Embeddings
from facematch.refine.chain import Ranker
from facematch.thresholds.calibration import (
    Bin,
    cross_calibration,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    reliability,
)
from facematch.thresholds.dynamic import DynamicRule
from facematch.thresholds.fitting import fit_threshold
from facematch.thresholds.kept import FittedThreshold, threshold_as_dict
from facematch.thresholds.values import accepted_mask

_COLUMNS = ("probability from", "to", "mean", "share same", "pairs")


@dataclass(frozen=True)
class Measured:
    """A kind of threshold, fitted on one half of the people and measured on the other, both ways round.

    `f1` is macro-F1; `found` the share of right photos accepted for known people, `refused` the share of
    unknown people's photos answered by nobody; `against_static` compares macro-F1 with the static one's.
    `missing` says why there is no figure.
    """

    name: str
    f1: Estimate | None = None
    found: Estimate | None = None
    refused: Estimate | None = None
    against_static: Comparison | None = None
    missing: str = ""


def measure_thresholds(parts: Sequence[OpenSet]) -> list[Measured]:
    """Fit each kind on one of two open sets of different people and measure it on the other, both ways round."""
    judged = pooled([part.judged for part in parts])
    measured: list[Measured] = []
    static: Floats | None = None
    for name in known_names("thresholds"):
        try:
            masks = [_accepted(fit_threshold(name, fitted), on) for fitted, on in (parts[::-1], parts)]
        except FacematchError as error:
            measured.append(Measured(name, missing=error.message))
            continue
        sets = set_scores(judged, stacked(masks))
        recall = np.where(judged.answerable, sets.tp / np.maximum(judged.relevant, 1), np.nan)
        refused = np.where(judged.answerable, np.nan, (sets.fp == 0).astype(np.float64))
        values = {"macro-F1": sets.f1, "found": recall, "refused": refused}
        f1, found, not_found = (mean_figure(*each, judged.groups) for each in values.items())
        against = None if static is None else paired((sets.f1 - static).tolist(), judged.groups)
        static = sets.f1 if name == "static" else static
        measured.append(Measured(name, f1, found, not_found, against))
    return measured


def _accepted(threshold: FittedThreshold, on: OpenSet) -> NDArray[np.bool_]:
    masks = []
    for ranking, gallery in zip(on.rankings, on.galleries, strict=True):
        here = threshold.on(gallery) if isinstance(threshold, DynamicRule) else threshold
        masks.append(accepted_mask(ranking.distances, here.limits(ranking)))
    return stacked(masks)


def reliability_svg(bins: Sequence[Bin], title: str = "Reliability of P(same)") -> bytes:
    """Return a self-contained SVG: share of same pairs against mean probability of each bin, and the numbers below.

    Perfect probabilities lie on the dashed diagonal, over-confident ones below it where they are high and above
    it where they are low. A point is larger for more pairs. Raises ValueError without a bin.
    """
    if not bins:
        raise ValueError("a reliability diagram needs pairs")
    pairs = sum(each.count for each in bins)
    error = expected_calibration_error(bins)
    across, up = [each.probability for each in bins], [each.share for each in bins]
    chart = Chart(
        "reliability",
        title,
        f"{pairs:,} pairs in {len(bins)} bins; expected calibration error {error:.4f}",
        Axis("mean probability of the bin", 0, 1),
        Axis("share of same pairs", 0, 1),
        [
            Series("these pairs", across, up, points=True, sizes=[each.count for each in bins]),
            Series("perfect", [0, 1], [0, 1]),
        ],
        square=True,
    )
    rows = [
        (*(f"{number:.4f}" for number in (each.low, each.high, each.probability, each.share)), f"{each.count:,}")
        for each in bins
    ]
    return chart_file(chart, _COLUMNS, rows)


@dataclass(frozen=True)
class TunedThresholds:
    """Thresholds fitted on all validation people, as plain values by name, and what each is worth on others."""

    fitted: Mapping[str, Any]
    measured: tuple[Measured, ...]
    calibration_errors: Mapping[str, float]


def tune_thresholds(task: RetrievalTask, embeddings: Embeddings, rank: Ranker, folder: Path) -> TunedThresholds:
    """Fit every kind of threshold on the photos of a task, and draw reliability plots into `folder`.

    One person in five is unknown in each fold, so that accepting nobody is learned too. What cannot be
    fitted on so few people is said and left out.
    """
    shown, queries = task.shown, task.queries
    whole = open_set(shown, queries, embeddings, rank)
    fitted: dict[str, Any] = {}
    for name in known_names("thresholds"):
        try:
            fitted[name] = threshold_as_dict(fit_threshold(name, whole))
        except FacematchError as error:
            warn(f"threshold {name}: {error.message}")
    first = halves(list(shown.values()))
    parts = [dict(compress(shown.items(), side)) for side in (first, ~first)]
    try:
        measured = tuple(measure_thresholds([open_set(part, queries, embeddings, rank) for part in parts]))
    except FacematchError as error:
        warn(f"thresholds are not measured on other people: {error.message}")
        measured = ()
    return TunedThresholds(fitted, measured, _reliabilities(whole, folder))


def show_thresholds(tuned: TunedThresholds) -> None:
    """Print what each kind of threshold is worth on people it was not fitted on."""
    if not tuned.measured:
        return
    show_table(
        "Thresholds, fitted on half of the people and measured on the other [95 % interval over people]. found: right "
        "photos accepted for known people; nobody: unknown people's photos answered by nobody; *: hardly luck",
        ["threshold", "macro-F1", "against static", "found", "nobody"],
        [_row(each) for each in tuned.measured],
    )
    for name, error in tuned.calibration_errors.items():
        info(f"{name}: expected calibration error {error:.3f} on pairs of people it was not fitted on")
    for each in tuned.measured:
        if each.missing:
            info(f"{each.name}: {each.missing}")


def _row(each: Measured) -> list[str]:
    if each.f1 is None:
        why = "insufficient data" if each.missing.startswith("insufficient") else "not defined"
        return [each.name, why, "", "", ""]
    found, against = each.against_static, ""
    if found is not None:
        against = f"{found:+.3f}" + (" *" if found.interval is not None and found.p_value < 0.05 else "")
    return [each.name, str(each.f1), against, str(each.found), str(each.refused)]


def _reliabilities(whole: OpenSet, folder: Path) -> dict[str, float]:
    # A plot and an expected calibration error for each calibration, from fits to other people.
    pairs, errors = whole.pairs, {}
    first, second = pairs.first.tolist(), pairs.second.tolist()
    metric = whole.rankings[0].metric
    for name, fit in (("isotonic", fit_isotonic), ("platt", fit_platt)):
        try:
            crossed = cross_calibration(pairs.distances, pairs.same, first, second, metric, fit=fit)
        except FacematchError:  # said when it was fitted
            continue
        bins = reliability(crossed.probabilities, crossed.same)
        errors[name] = expected_calibration_error(bins)
        path = folder / f"reliability-{name}.svg"
        write_bytes(path, reliability_svg(bins, f"P(same), {name}, on people it was not fitted on"))
        info(f"kept: {path}")
    return errors
