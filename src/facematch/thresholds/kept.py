"""Thresholds as plain JSON values: what a file of tuned thresholds holds, read again with every value checked."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from facematch.core.errors import FacematchError
from facematch.core.foreign import quoted
from facematch.core.kinds import plugins, require_kind
from facematch.core.text import LONGEST, brief
from facematch.thresholds.calibration import CalibratedThreshold
from facematch.thresholds.dynamic import DynamicRule
from facematch.thresholds.static import StaticThreshold

FittedThreshold = StaticThreshold | DynamicRule | CalibratedThreshold


_OURS: Mapping[str, type[FittedThreshold]] = {
    "static": StaticThreshold,
    "dynamic rule": DynamicRule,
    "calibrated": CalibratedThreshold,
}


def _kinds(*, ours: bool) -> Mapping[str, type[FittedThreshold]]:
    # Those of plug-ins are of no type that is known here; none is loaded for one of ours.
    if ours:
        return _OURS
    return {name: require_kind("thresholds", name).loaded for name in plugins("thresholds") if name not in _OURS}


def threshold_as_dict(threshold: FittedThreshold) -> dict[str, Any]:
    """Return a threshold's kind and fields as plain JSON values. Raises ValueError for NaN and infinity."""
    kinds = _kinds(ours=type(threshold) in _OURS.values())
    kind = next(name for name, each in kinds.items() if type(threshold) is each)
    values: dict[str, Any] = json.loads(json.dumps({"kind": kind, **asdict(threshold)}, allow_nan=False))
    return values


def threshold_from_dict(values: Mapping[str, Any]) -> FittedThreshold:
    """Return the threshold that `threshold_as_dict` wrote.

    Raises FacematchError for anything else: another kind, a field that is missing, unknown, of another type
    or out of its range, NaN and infinity.
    """
    try:
        fields = dict(values)
        kind = fields.pop("kind", None)
        kinds = _kinds(ours=isinstance(kind, str) and kind in _OURS)
        if not isinstance(kind, str) or kind not in kinds:
            known = ", ".join([*_OURS, *kinds])
            raise ValueError(f"it has no kind, or an unknown one ({quoted(kind)}); known are {known}")
        text = json.dumps(fields, allow_nan=False)
        made: FittedThreshold = TypeAdapter(kinds[kind]).validate_json(text, strict=True)
        if threshold_as_dict(made) != {"kind": kind, **json.loads(text)}:
            raise ValueError("it has fields that are not known")
    except ValidationError as error:
        why = [f"{'.'.join(map(str, each['loc'])) or kind}: {each['msg']}" for each in error.errors(include_url=False)]
        raise _refused("; ".join(why)) from error
    except Exception as error:  # of JSON, and of numbers that a threshold cannot have
        raise _refused(str(error)) from error
    return made


def _refused(why: str) -> FacematchError:
    return FacematchError(f"these values are no fitted threshold: {brief(why, 2 * LONGEST)}.", "Fit thresholds again.")
