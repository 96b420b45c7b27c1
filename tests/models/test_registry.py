"""The registry itself, and how its names are read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facematch.core.errors import FacematchError
from facematch.models.registry import Model, known_names, model_meant, models, named
from facematch.settings.embedding import BY_FILE

# What the registry was asked to hold.
FAMILIES = (
    "buffalo_l", "w600k_r50", "w600k_mbf", "antelopev2", "adaface", "edgeface", "lvface", "sface", "auraface",
    "facenet", "dlib", "yunet", "scrfd", "retinaface", "centerface", "clip", "siglip2", "dinov2",
)  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_there(family: str) -> None:
    assert [name for name in known_names() if name.startswith(family)]


@pytest.mark.parametrize("model", models(), ids=lambda each: each.name)
def test_a_row_is_whole(model: Model) -> None:
    assert model.origin.startswith("https://")
    assert model.licence
    if model.url is not None:
        assert model.url.startswith(("https://", "hf://"))
        assert model.url.startswith("hf://") or model.revision is None
        assert len(model.revision or "0" * 40) == 40
    if model.embeds:
        assert model.input is not None
    if model.runs in ("clip", "timm"):
        assert model.library is not None
        assert model.library[0] == {"clip": "open_clip", "timm": "timm"}[model.runs]
    if model.kind == "face" and model.runs == "onnx" and model.name != "facenet":
        assert model.input is not None
        assert (model.input.size, model.input.template) == (112, "arcface")
    assert all(0 < each.value < 1 and each.source for each in model.figures)


def test_every_detector_is_of_a_kind_that_takes_its_file() -> None:
    detectors = [each for each in models() if each.kind == "detector"]
    assert {each.runs for each in detectors} == set(BY_FILE)
    assert all(each.setting == f"faces.{each.runs}_file" for each in detectors)


def test_traps_of_the_field_are_in_it() -> None:
    given = {name: model.input for name, model in known_names().items() if model.input is not None}
    assert [given[name].channels for name in ("adaface-ir18", "adaface-ir101", "buffalo_l")] == ["bgr", "bgr", "rgb"]
    assert (given["facenet"].size, given["facenet"].std, given["facenet"].template) == (160, (128,) * 3, None)
    assert (given["sface"].mean, given["sface"].std) == ((0,) * 3, (1,) * 3)
    assert (given["dlib"].size, given["dlib"].template) == (150, "dlib")
    research = {"buffalo_l", "antelopev2", "lvface-b", "adaface-ir101", "edgeface-xs", "scrfd-10g"}
    assert {named(name).terms for name in research} == {"research"}
    assert named("mobilefacenet").terms == "unstated"


def test_a_name_and_what_else_it_is_called() -> None:
    assert named("w600k_r50") is named("buffalo_l")
    with pytest.raises(FacematchError, match=r"no model is called bufalo_l \(did you mean 'buffalo_l'\?\)"):
        named("bufalo_l")


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_meant(Path("sface"), "embedder.file") is named("sface")
    for value in (None, Path("sface.onnx"), Path("models/sface"), tmp_path / "sface"):
        assert model_meant(value, "embedder.file") is None
    Path("sface").write_bytes(b"")
    assert model_meant(Path("sface"), "embedder.file") is None
    with pytest.raises(FacematchError, match=r"embedder\.file: sfase does not exist \(did you mean 'sface'\?\)"):
        model_meant(Path("sfase"), "embedder.file")
    with pytest.raises(FacematchError, match=r"embedder\.file: aaa"):
        model_meant(Path("a" * 300), "embedder.file")
    assert model_meant(Path("/"), "embedder.file") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a.onnx"}, "neither a name nor"),
        ({"aliases": ("a/b",)}, "neither a name nor"),
        ({"sha256": "123"}, "neither a name nor a SHA-256"),
        ({"package": "p", "file": "f"}, "several places"),
        ({"url": None, "member": "m"}, "a member is of a zip"),
        ({"file": "f"}, "a file of a package"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be(change: dict[str, Any], words: str) -> None:
    row = Model("a", "face", "https://x", "free", "MIT", url="https://x/a.onnx")
    with pytest.raises(ValueError, match=words):
        replace(row, **change)


@pytest.mark.parametrize(
    ("name", "setting", "file"),
    [
        ("sface", "embedder.file", "sface.onnx"),
        ("dlib", "embedder.file", "dlib.dat"),
        ("yunet", "faces.yunet_file", "yunet.onnx"),
        ("scrfd-10g", "faces.scrfd_file", "scrfd-10g.onnx"),
    ],
)
def test_where_a_model_belongs(name: str, setting: str | None, file: str) -> None:
    assert (named(name).setting, named(name).file_name) == (setting, file)
