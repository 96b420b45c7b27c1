"""Thresholds as plain JSON values: what a file of tuned thresholds holds, read again with every value checked."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from facematch.core.errors import FacematchError
from facematch.core.foreign import found
from facematch.core.text import LONGEST, brief
from facematch.thresholds.calibration import CalibratedThreshold
from facematch.thresholds.conformal import ConformalThreshold
from facematch.thresholds.dynamic import DynamicRule, DynamicThreshold
from facematch.thresholds.static import StaticThreshold

Threshold = StaticThreshold | DynamicThreshold | CalibratedThreshold | ConformalThreshold

_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "static": TypeAdapter(StaticThreshold),
    "dynamic rule": TypeAdapter(DynamicRule),
    "dynamic": TypeAdapter(DynamicThreshold),
    "calibrated": TypeAdapter(CalibratedThreshold),
    "conformal": TypeAdapter(ConformalThreshold),
}


def threshold_from_dict(values: Mapping[str, Any]) -> Threshold | DynamicRule:
    """Return the threshold, or the dynamic rule, that `as_dict` wrote.

    Raises FacematchError for anything else: another kind, a field that is missing, unknown, of another type
    or out of its range, NaN and infinity.
    """
    try:
        fields = dict(values)
        kind = fields.pop("kind", None)
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ValueError(f"it has no kind, or an unknown one ({found(kind)}); known are {', '.join(_KINDS)}")
        text = json.dumps(fields, allow_nan=False)
        made: Threshold | DynamicRule = _KINDS[kind].validate_json(text, strict=True)
        if made.as_dict() != {"kind": kind, **json.loads(text)}:
            raise ValueError("it has fields that are not known")
    except ValidationError as error:
        why = [f"{'.'.join(map(str, each['loc'])) or kind}: {each['msg']}" for each in error.errors(include_url=False)]
        raise _refused("; ".join(why)) from error
    except Exception as error:  # of JSON, and of numbers that a threshold cannot have
        raise _refused(str(error)) from error
    return made


def _refused(why: str) -> FacematchError:
    return FacematchError(f"these values are no fitted threshold: {brief(why, 2 * LONGEST)}.", "Fit thresholds again.")
