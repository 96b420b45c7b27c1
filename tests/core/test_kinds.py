"""Kinds by name: ours and those of other packages, found, loaded and made."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch.core import kinds
from facematch.core.errors import FacematchError
from facematch.core.kinds import GROUPS, find_kind, known_names, make, own_names, plugins, require_kind, require_options
from facematch.settings.embedding import BY_FILE, FaceSettings
from facematch.settings.refine import NAMES

CODE = """
class Made:
    def __init__(self, size, *, batch=8, **rest):
        if size < 0:
            raise RuntimeError("size is below 0")
        self.values = {"size": size, "batch": batch, **rest}

def plain(device, side=4):
    return device, side

nothing = 3
"""


def bring(folder: Path, package: str, entries: str, code: str = CODE) -> None:
    """Write an installed package with entry points, as `pip install` leaves one."""
    name = package.replace("-", "_")
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    plugins.cache_clear()
    yield tmp_path
    plugins.cache_clear()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("group", GROUPS)
def test_each_of_our_own_kinds_is_there_and_can_be_called(group: kinds.Group) -> None:
    for name in own_names(group):
        kind = require_kind(group, name)
        assert kind.ours
        assert callable(kind.loaded)
        assert isinstance(kind.parameters, type(kind.parameters))


def test_our_refine_steps_are_those_of_the_settings_in_their_order() -> None:
    assert own_names("refine") == tuple(name for name in NAMES if name != "tuned")


@pytest.mark.parametrize("name", own_names("detectors"))
def test_the_settings_know_which_of_our_detectors_gives_points(name: str) -> None:
    files = {f"{each}_file": "x.onnx" for each in (*BY_FILE, "finder")}
    made = require_kind("detectors", name)
    returned = made.loaded.__annotations__.get("return", "")
    from facematch.faces import detectors, finder, landmarks, retinaface, scrfd

    places = {
        key: value
        for module in (detectors, finder, landmarks, retinaface, scrfd)
        for key, value in vars(module).items()
    }
    kind = made.loaded if name == "none" else places[returned.strip('"')]
    assert FaceSettings.model_validate({"detector": name, **files}).gives_points == getattr(kind, "gives_points", False)


def test_a_plug_in_is_found_beside_ours_and_made_of_options_and_of_what_is_given(folder: Path) -> None:
    bring(folder, "their-pack", "[facematch.embedders]\ntheirs = their_pack:Made\nplain = their_pack:plain\n")
    assert known_names("embedders") == (*own_names("embedders"), "plain", "theirs")
    kind = require_kind("embedders", "theirs")
    assert (kind.ours, kind.package) == (False, "their-pack 2.0")
    made = make(kind, {"size": 3, "extra": 1}, {"batch": 2, "unasked": 5}, "embedder.options")
    assert made.values == {"size": 3, "batch": 2, "extra": 1}
    assert make(kind, {"size": 3, "batch": 9}, {"batch": 2}, "embedder.options").values["batch"] == 9
    assert make(require_kind("embedders", "plain"), {}, {"device": "cpu"}, "") == ("cpu", 4)


def test_an_option_that_is_unknown_or_missing_is_named(folder: Path) -> None:
    bring(folder, "their-pack", "[facematch.embedders]\ntheirs = their_pack:Made\nplain = their_pack:plain\n")
    plain, theirs = (require_kind("embedders", name) for name in ("plain", "theirs"))
    with pytest.raises(FacematchError, match=r"o\.sied is not an option of plain \(did you mean 'side'\?\)") as found:
        require_options(plain, {"sied": 3}, ("device",), "o")
    assert found.value.hint == "It has side."
    with pytest.raises(FacematchError, match=r"theirs needs o\.size"):
        require_options(theirs, {}, (), "o")


def test_what_a_plug_in_raises_names_its_package(folder: Path) -> None:
    bring(folder, "their-pack", "[facematch.embedders]\ntheirs = their_pack:Made\n")
    with pytest.raises(FacematchError, match=r"theirs of the package their-pack 2\.0 failed: RuntimeError: size"):
        make(require_kind("embedders", "theirs"), {"size": -1}, {}, "o")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("their_pack:missing", "cannot be loaded from their_pack:missing: AttributeError"),
        ("no_module_here:x", "ModuleNotFoundError"),
        ("their_pack:nothing", "which cannot be called"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_names_its_package(folder: Path, entry: str, said: str) -> None:
    bring(folder, "their-pack", f"[facematch.losses]\ntheirs = {entry}\n")
    with pytest.raises(FacematchError, match=rf"their-pack 2\.0.*{said}"):
        assert require_kind("losses", "theirs").parameters


def test_a_plug_in_whose_import_fails_is_an_error_that_says_so(folder: Path) -> None:
    bring(folder, "their-pack", "[facematch.losses]\ntheirs = their_pack:x\n", "raise RuntimeError('too old')")
    with pytest.raises(FacematchError, match="RuntimeError: too old"):
        assert require_kind("losses", "theirs").loaded


def test_a_name_that_two_packages_bring_is_taken_from_neither(folder: Path) -> None:
    for package in ("first-pack", "second-pack"):
        bring(folder, package, f"[facematch.refine]\ntheirs = {package.replace('-', '_')}:plain\n")
    with pytest.raises(FacematchError, match=r"theirs is brought by first-pack 2\.0 and by second-pack 2\.0"):
        find_kind("refine", "theirs")


def test_a_plug_in_does_not_replace_one_of_ours(folder: Path) -> None:
    bring(folder, "their-pack", "[facematch.embedders]\npixels = their_pack:Made\n")
    assert require_kind("embedders", "pixels").ours
    assert known_names("embedders") == own_names("embedders")


def test_an_unknown_name_is_an_error_with_all_known_ones(folder: Path) -> None:
    bring(folder, "their-pack", "[facematch.detectors]\ntheirs = their_pack:Made\n")
    assert find_kind("detectors", "thiers") is None
    with pytest.raises(ValueError, match=r"expected one of haar, yunet, .*, theirs \(did you mean 'theirs'\?\)"):
        require_kind("detectors", "thiers")
