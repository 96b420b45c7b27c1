"""The part of `facematch tune` that fits thresholds: when is a photo near enough to be accepted?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path
from typing import Any

from facematch.core.console import info, show_table, warn
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.evaluation.comparison import Comparison
from facematch.evaluation.open_set import OpenSet, open_set
from facematch.evaluation.task import RetrievalTask, halves
from facematch.ranking.embeddings import Embeddings
from facematch.refine.chain import Ranker
from facematch.tasks.tuning.reliability import reliability_svg
from facematch.tasks.tuning.thresholds import NAMES, Measured, fit_threshold, measure_thresholds
from facematch.thresholds.calibration import (
    cross_calibration,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    reliability,
)
from facematch.thresholds.kept import threshold_as_dict


@dataclass(frozen=True)
class TunedThresholds:
    """Thresholds fitted on all validation people, as plain values by name, and what each is worth on others."""

    fitted: Mapping[str, Any]
    measured: tuple[Measured, ...]
    calibration_errors: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return what was measured as plain JSON values."""
        return {
            "measured": [asdict(each) for each in self.measured],
            "calibration_errors": dict(self.calibration_errors),
        }


def tune_thresholds(task: RetrievalTask, embeddings: Embeddings, rank: Ranker, folder: Path) -> TunedThresholds:
    """Fit every kind of threshold on the photos of a task, and draw reliability plots into `folder`.

    One person in five is unknown in each fold, so that accepting nobody is learned too. What cannot be
    fitted on so few people is said and left out.
    """
    shown, queries = task.shown, task.queries
    whole = open_set(shown, queries, embeddings, rank)
    fitted: dict[str, Any] = {}
    for name in NAMES:
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
    return [each.name, str(each.f1), _against(each.against_static), str(each.found), str(each.refused)]


def _against(found: Comparison | None) -> str:
    if found is None:
        return ""
    real = " *" if found.interval is not None and found.p_value < 0.05 else ""
    return f"{found:+.3f}{real}"


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
