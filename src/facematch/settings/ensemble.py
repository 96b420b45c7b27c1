"""Systems that are listed in a settings file, and an ensemble of them, as typed, checked values."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from facematch.settings.section import Positive, Section

Method = Literal["z-score", "reciprocal-rank", "probability"]


class MemberSettings(Section):
    """A system: a settings file, single settings, or both; `set` wins over the file.

    `set` maps dotted names to values, `{embedder.kind: pixels}`, or holds sections as a settings file does.
    """

    config: Path | None = None  # a settings file
    set: dict[str, Any] = Field(default_factory=dict)  # single settings, which win over the file

    def overrides(self) -> list[str]:
        """Return `set` as `section.key=value` lines."""
        return as_overrides(self.set)


class EnsembleSettings(Section):
    """Several systems whose rankings are fused; `weights` has one number for each.

    A member whose model or file is `missing` is an error, or left out.
    """

    members: tuple[MemberSettings, ...] = Field(min_length=2)  # each a settings file, single settings, or both
    method: Method = "z-score"
    weights: Literal["equal"] | tuple[Positive, ...] = "equal"
    missing: Literal["error", "leave-out"] = "error"

    @model_validator(mode="after")
    def _a_weight_for_each(self) -> "EnsembleSettings":
        if not isinstance(self.weights, str) and len(self.weights) != len(self.members):
            raise ValueError(f"ensemble: {len(self.weights)} weights for {len(self.members)} members")
        return self

    def among(self, numbers: Sequence[int]) -> "EnsembleSettings":
        """Return the ensemble of some members, counted from 0; one alone is allowed."""
        members = tuple(self.members[number] for number in numbers)
        weights = self.weights if isinstance(self.weights, str) else tuple(self.weights[number] for number in numbers)
        return self.model_copy(update={"members": members, "weights": weights})


def as_overrides(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return values, named by dots or as sections in sections, as `section.key=value` lines."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict) and value:
            lines += as_overrides(value, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key}={json.dumps(value)}")
    return lines
