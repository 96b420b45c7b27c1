"""Published models beside the listed systems of a comparison."""

import json
from pathlib import Path

import pytest
import yaml

from command_helpers import Run
from facematch.core.errors import FacematchError
from facematch.models import local, registry
from facematch.models.local import place_of
from facematch.models.registry import Model, ModelInput, named
from facematch.settings.compare import CompareSettings
from facematch.tasks.compare.by_name import with_named
from tiny_onnx import write_mean_model

LISTED = CompareSettings.model_validate(
    {"photos": {"people": "data"}, "systems": [{"name": "pixels", "set": {"embedder.kind": "pixels"}}]}
)


def names(wanted: CompareSettings) -> list[str]:
    return [each.name for each in wanted.systems]


def test_models_stand_behind_the_listed_systems_once() -> None:
    found = with_named(LISTED, "sface, dlib,clip-rn50,w600k_r50,buffalo_l")
    assert names(found) == ["pixels", "sface", "dlib", "clip-rn50", "buffalo_l"]
    assert [str(each.config) for each in found.systems[1:]] == [
        "config/onnx.yaml", "config/dlib.yaml", "config/clip.yaml", "config/onnx.yaml",
    ]  # fmt: skip
    assert found.systems[1].overrides() == ['embedder.file="sface"']
    assert names(with_named(found, "sface")) == names(found)


@pytest.mark.parametrize("name", ["yunet", "scrfd-10g"])
def test_what_embeds_nothing_is_refused(name: str) -> None:
    with pytest.raises(FacematchError, match=f"{name} makes no embeddings"):
        with_named(LISTED, name)


def test_all_are_those_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda _: None)  # dlib's package may be installed
    with pytest.raises(FacematchError, match="no model is here"):
        with_named(LISTED, "all")
    for name in ("sface", "yunet"):
        path: Path = place_of(named(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert names(with_named(LISTED, "all")) == ["pixels", "sface"]


def test_a_named_model_stands_in_the_tables(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Model("means", "face", "https://x", "free", "MIT", runs="onnx", input=ModelInput(16, template="arcface"))
    monkeypatch.setattr(registry, "models", lambda: (row,))
    listed = [{"name": "pixels", "set": {"embedder.kind": "pixels"}}]
    wanted = {"photos": {"people": "people"}, "set": {"faces.detector": "none"}, "systems": listed}
    Path("compare.yaml").write_text(yaml.safe_dump(wanted))
    lacking = run("compare", "--config", "compare.yaml", "--models", "means")
    assert lacking.code == 1
    assert "system means: means is not here" in lacking.err
    write_mean_model(place_of(row), 16)
    done = run("compare", "--config", "compare.yaml", "--models", "means", "--json")
    assert done.code == 0, done.err
    found = {each["name"]: each for each in json.loads(done.out)["systems"]}
    assert list(found) == ["pixels", "means"]
    assert found["means"]["cost"]["bytes"] == 4 * 3
    assert "--models means" in Path("results/compare.html").read_text()
