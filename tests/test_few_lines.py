"""The pieces of docs/few-lines.md run as they stand there, and are as short as they say."""

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import facematch
from few_photos import write_few_photos
from page_commands import ROOT, blocks

TEXT = (ROOT / "docs" / "few-lines.md").read_text(encoding="utf-8")
SHELL, PYTHON, TOML = (blocks(TEXT, each) for each in ("sh", "python", "toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three queries, twelve gallery photos, and four photos of each of eight people."""
    root = tmp_path_factory.mktemp("few")
    write_few_photos(root, people=8, of_each=4)
    (root / "data/test_data").rename(root / "photos")
    (root / "data/faces").rename(root / "photos/people")
    return root


def shell(folder: Path, commands: str) -> None:
    """Run commands as somebody types them; what pip installs comes to a folder of its own."""
    installed = folder / "installed"
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT / "src")]),
        "FACEMATCH_CACHE": str(folder / "cache"),
        "PIP_TARGET": str(installed),
        **{f"PIP_{name}": "1" for name in ("QUIET", "NO_INDEX", "NO_DEPS", "DISABLE_PIP_VERSION_CHECK")},
        "PIP_NO_BUILD_ISOLATION": "0",  # which pip reads as: none
    }
    done = subprocess.run(["bash", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_ranking_in_the_shell(folder: Path) -> None:
    shell(folder, SHELL[0])
    rows = (folder / "ranking.csv").read_text().splitlines()
    assert rows[0] == "query,rank,gallery,distance"
    assert len(rows) == 1 + 3 * 10


@pytest.mark.filterwarnings("ignore:.*show no face:UserWarning")
@pytest.mark.parametrize("number", [0, 1])
def test_the_pieces_of_python(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
    names: dict[str, Any] = {}
    exec(compile(PYTHON[number], "docs/few-lines.md", "exec"), names)
    if number == 0:
        assert "3 queries, the nearest 10 of 12 photos" in capsys.readouterr().out
    else:
        assert names["loss"].diagnostics.triplets > 0


def test_an_embedder_as_a_plug_in(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/pyproject.toml").write_text(TOML[0])
    (folder / "mine/mine.py").write_text(PYTHON[2])
    shell(folder, SHELL[1])
    assert facematch.Embeddings.load(folder / "mine.safetensors").vectors.shape == (3, 3)


def test_each_is_under_ten_lines() -> None:
    lines = {text: len([line for line in text.splitlines() if line.strip()]) for text in (*SHELL, *PYTHON, *TOML)}
    assert max(lines.values()) < 10, lines
    assert lines[TOML[0]] + lines[PYTHON[2]] < 10, "the two files of the plug-in"
