"""Thresholds as plain JSON values: what a file of tuned thresholds holds, read again with every value checked."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from facematch.errors import FacematchError
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
        text = json.dumps(dict(values), allow_nan=False)
        fields = json.loads(text)
        kind = fields.pop("kind")
        made: Threshold | DynamicRule = _KINDS[kind].validate_json(json.dumps(fields), strict=True)
    except KeyError as error:
        raise _refused(f"it has no kind, or an unknown one ({error}); known are {', '.join(_KINDS)}") from error
    except ValidationError as error:
        why = [f"{'.'.join(map(str, each['loc'])) or kind}: {each['msg']}" for each in error.errors(include_url=False)]
        raise _refused("; ".join(why)) from error
    except (TypeError, ValueError) as error:
        raise _refused(str(error)) from error
    if made.as_dict() != json.loads(text):
        raise _refused("it has fields that are not known")
    return made


def _refused(why: str) -> FacematchError:
    return FacematchError(f"these values are no fitted threshold: {why}.", "Fit thresholds again.")
