"""Figures of accepted sets one by one, from their definitions: what those with intervals are compared with."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from facematch.evaluation.classes import ClassScore, SetScores


def f1_macro(scores: SetScores) -> float:
    """Return the mean over queries of the query's F1, NaN without queries.

    A query with nothing relevant counts 1 when nothing was accepted for it and 0 otherwise.
    """
    return float(scores.f1.mean()) if len(scores) else np.nan


def f1_micro(scores: SetScores) -> float:
    """Return the F1 of all queries pooled, 1 when nothing was relevant or accepted, NaN without queries."""
    return (
        _share(2 * scores.tp.sum(), 2 * scores.tp.sum() + scores.fp.sum() + scores.fn.sum(), 1.0)
        if len(scores)
        else np.nan
    )


def precision_micro(scores: SetScores) -> float:
    """Return the share of right photos among all accepted (A/B of all queries pooled), NaN without any."""
    return _share(scores.tp.sum(), scores.tp.sum() + scores.fp.sum(), np.nan)


def recall_micro(scores: SetScores) -> float:
    """Return the share of accepted photos among all relevant (A/C of all queries pooled), NaN without any."""
    return _share(scores.tp.sum(), scores.tp.sum() + scores.fn.sum(), np.nan)


SET_METRICS: Mapping[str, Callable[[SetScores], float]] = MappingProxyType(
    {
        "F1 (macro)": f1_macro,
        "F1 (micro)": f1_micro,
        "precision (micro)": precision_micro,
        "recall (micro)": recall_micro,
    }
)


def macro(classes: Sequence[ClassScore]) -> tuple[float, float, float]:
    """Return precision, recall and F1 as means over classes, every class counting the same.

    A class whose precision or recall is not defined leaves that mean (NaN without any); its F1 counts.
    """
    return _mean([c.precision for c in classes]), _mean([c.recall for c in classes]), _mean([c.f1 for c in classes])


def _mean(values: Sequence[float | None]) -> float:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else np.nan


def _share(part: float, whole: float, empty: float) -> float:
    return float(part / whole) if whole else empty
