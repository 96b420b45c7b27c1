"""Each kind of threshold that `facematch tune` fits, as one function of an open set. `core.kinds` names them.

A plug-in's is a frozen dataclass with a class method `fit` of an open set, `limits(ranking)` and a field `basis`.
"""

from typing import Any

from facematch.core.kinds import blaming, require_kind
from facematch.evaluation.open_set import OpenSet
from facematch.thresholds.calibration import CalibratedThreshold, fit_isotonic, fit_platt
from facematch.thresholds.dynamic import DynamicRule, Of, fit_dynamic, neighbourhood_adjustments
from facematch.thresholds.static import StaticThreshold, fit_static


def fit_threshold(name: str, on: OpenSet) -> Any:
    """Fit one kind of threshold, by its name, on an open set. Raises FacematchError where data do not suffice."""
    kind = require_kind("thresholds", name)
    if kind.ours:
        return kind.loaded(on)
    with blaming(kind):
        return kind.loaded.fit(on)


def static(on: OpenSet) -> StaticThreshold:
    """Return one threshold for all photos."""
    return fit_static(on.judged, on.rankings[0].metric)


def dynamic(on: OpenSet) -> DynamicRule:
    """Return a threshold by the neighbourhood of each gallery photo."""
    return _dynamic(on, "gallery")


def dynamic_query(on: OpenSet) -> DynamicRule:
    """Return a threshold by the neighbourhood of each query."""
    return _dynamic(on, "query")


def isotonic(on: OpenSet) -> CalibratedThreshold:
    """Return probabilities by isotonic regression."""
    return CalibratedThreshold(fit_isotonic(on.pairs.distances, on.pairs.same, on.pairs.people, on.rankings[0].metric))


def platt(on: OpenSet) -> CalibratedThreshold:
    """Return probabilities by Platt's logistic curve."""
    return CalibratedThreshold(fit_platt(on.pairs.distances, on.pairs.same, on.pairs.people, on.rankings[0].metric))


def _dynamic(on: OpenSet, of: Of) -> DynamicRule:
    adjustments = neighbourhood_adjustments(on.rankings, on.galleries, of=of)
    return fit_dynamic(on.judged, adjustments, on.rankings[0].metric, of=of)
