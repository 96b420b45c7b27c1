"""Settings files come with facematch: a relative `config/…` is found from any folder, and where is said."""

import subprocess
import sys
from pathlib import Path

import pytest

from facematch.core import shipped
from facematch.core.console import show_messages
from facematch.core.errors import FacematchError
from facematch.core.shipped import find_settings, shipped_places, shipped_settings
from facematch.settings.competition import load_form
from facematch.settings.file import load_settings, read_yaml

ROOT = Path(__file__).resolve().parents[2]
TRIPLET = Path("config/triplet.yaml")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    show_messages()


def settings_file(folder: Path, name: str) -> Path:
    path = folder / TRIPLET
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"name: {name}\n")
    return path


def test_here_then_beside_the_script_then_as_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_settings(TRIPLET) == ROOT / TRIPLET
    assert load_settings(TRIPLET).name == "triplet"
    beside = settings_file(tmp_path / "clone", "beside")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "clone/train.py")])
    assert load_settings(TRIPLET).name == "beside"
    assert load_settings(TRIPLET).name == "beside"
    told = f"{TRIPLET}: not here, taken from "
    assert load_settings(TRIPLET).name == "beside"
    assert capsys.readouterr().err == f"{told}{ROOT / 'config'}\n{told}{beside.parent}\n"  # each once
    settings_file(tmp_path, "here")
    assert load_settings(TRIPLET).name == "here"
    assert capsys.readouterr().err == ""


def test_a_file_that_is_nowhere_is_named_with_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(
        FacematchError, match=r"triplt\.yaml does not exist .*; did you mean config/triplet\.yaml\?"
    ) as no:
        read_yaml(Path("config/triplt.yaml"))
    assert str(ROOT / "config") in no.value.message
    assert "facematch init" in no.value.hint
    with pytest.raises(
        FacematchError, match=r"triplet\.yaml does not exist .*; did you mean config/triplet\.yaml\?"
    ) as no:
        read_yaml(Path("triplet.yaml"))  # only config/… is looked for elsewhere
    assert str(tmp_path) in no.value.message
    assert str(ROOT) not in no.value.message


@pytest.mark.parametrize("scheme", ["environment", "user", "target"])
def test_installed_they_lie_under_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "target/facematch/core/shipped.py"))
    monkeypatch.setattr(shipped, "_REPOSITORY", tmp_path / "nothing")
    monkeypatch.setattr("sysconfig.get_path", lambda name, kind="environment": str(tmp_path / kind.split("_")[-1]))
    monkeypatch.setattr("sysconfig.get_preferred_scheme", lambda kind: f"posix_{kind}")
    assert shipped_settings() == []
    file = settings_file(tmp_path / scheme / "share/facematch", scheme)
    assert find_settings(TRIPLET) == file
    assert shipped_settings() == [file]


def test_the_package_takes_along_every_settings_file_and_the_network() -> None:
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    packed = {file for patterns in told.values() for pattern in patterns for file in ROOT.glob(pattern)}
    tracked = subprocess.run(
        ["git", "ls-files", "config", "checkpoints/default"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert {ROOT / name for name in tracked} <= packed
    for folder in told:  # the names under which they are looked for
        name = folder.removeprefix("share/facematch/")
        assert ROOT / name in shipped_places(name)
        assert (ROOT / name).is_dir()


def test_the_competitions_form_is_found_as_well_and_told_where_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_form(None).dialects["results"].path == "/results/"
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.argv", [str(tmp_path / "clone/request_send.py")])
    (tmp_path / "clone/config").mkdir(parents=True)
    (tmp_path / "clone/config/competition.yaml").write_text("address: http://10.0.0.1\n")
    assert load_form(None).address == "http://10.0.0.1"
    assert capsys.readouterr().err == f"config/competition.yaml: not here, taken from {tmp_path}/clone/config\n"


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("train.py", ()),
        ("train.py", ("--config", "config/sample.yaml")),
        ("train.py", ("--dataset_name", "cars")),
        ("request_send.py", ("--config", "config/ensemble.yaml")),
    ],
)
def test_the_programs_at_the_top_run_from_any_folder(tmp_path: Path, program: str, arguments: tuple[str, ...]) -> None:
    # They get as far as the photos, which are not here, and name where they were looked for.
    done = subprocess.run(
        [sys.executable, str(ROOT / program), *arguments, *(["--dry-run"] if program != "train.py" else [])],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert ".yaml: not here, taken from" in done.stderr
    missing = ("data/test_data/query", "data/test_data/gallery") if "request" in program else (
        ("data/cars",) if "cars" in arguments else ("data/faces",)
    )  # fmt: skip
    for each in missing:
        assert str(tmp_path / each) in "".join(done.stderr.split("\n"))
