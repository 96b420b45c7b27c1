"""Settings of listed systems as overrides: however they are written, the same settings come out."""

from pathlib import Path
from typing import Any

import pytest

from facematch.settings.ensemble import MemberSettings, as_overrides
from facematch.settings.file import load_settings


@pytest.mark.parametrize(
    "values",
    [
        {"embedder.kind": "pixels", "faces.margin": 0.4, "network.mean": [0.1, 0.2, 0.3]},
        {"embedder": {"kind": "pixels"}, "faces": {"margin": 0.4}, "network": {"mean": [0.1, 0.2, 0.3]}},
        {"embedder.kind": "pixels", "faces": {"margin": 0.4}, "network": {"mean": [0.1, 0.2, 0.3]}},
    ],
)
def test_dots_and_sections_mean_the_same(values: dict[str, Any]) -> None:
    settings = load_settings(None, as_overrides(values))
    assert settings.embedder.kind == "pixels"
    assert settings.faces.margin == 0.4
    assert settings.network.mean == (0.1, 0.2, 0.3)


def test_values_stay_what_they_are(tmp_path: Path) -> None:
    values = {"name": "on", "paths.cache": None, "server.group": "Team: A", "seed": 7, "refine": ["flip"]}
    settings = load_settings(None, MemberSettings(set=values).overrides())
    assert (settings.name, settings.paths.cache, settings.server.group, settings.seed) == ("on", None, "Team: A", 7)
    assert [step.step for step in settings.refine] == ["flip"]
    assert MemberSettings(set={"server.headers": {}}).overrides() == ["server.headers={}"]
