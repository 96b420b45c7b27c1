"""The pieces of docs/few-lines.md run as they stand there, and are as short as they say."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import facematch
from facematch.tasks.sample.plan import FACES, GALLERY, QUERY, make_plan
from facematch.tasks.sample.write import render_photo

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "few-lines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three queries, twelve gallery photos, and four photos of each of eight people."""
    root, photos = tmp_path_factory.mktemp("few"), make_plan(2026).photos
    sides = {side: [photo for photo in photos if photo.path.startswith(side)] for side in (QUERY, GALLERY, FACES)}
    chosen = [*sides[QUERY][:3], *sides[GALLERY][-12:], *(sides[FACES][at] for at in range(64) if at % 8 < 4)]
    for photo in chosen:
        place = photo.path.replace(QUERY, "query").replace(GALLERY, "gallery").replace(FACES, "people")
        path = root / "photos" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render_photo(photo, 2026))
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


def blocks(kind: str) -> list[str]:
    return [text for each, text in BLOCKS if each == kind]


def test_a_ranking_in_the_shell(folder: Path) -> None:
    shell(folder, blocks("sh")[0])
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
    exec(compile(blocks("python")[number], "docs/few-lines.md", "exec"), names)
    if number == 0:
        assert "3 queries, the nearest 10 of 12 photos" in capsys.readouterr().out
    else:
        assert names["loss"].diagnostics.triplets > 0


def test_an_embedder_as_a_plug_in(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/pyproject.toml").write_text(blocks("toml")[0])
    (folder / "mine/mine.py").write_text(blocks("python")[2])
    shell(folder, blocks("sh")[1])
    assert facematch.Embeddings.load(folder / "mine.safetensors").vectors.shape == (3, 3)


def test_each_is_under_ten_lines() -> None:
    lines = [len([line for line in text.splitlines() if line.strip()]) for _, text in BLOCKS]
    assert max(lines) < 10, lines
    assert sum(lines[3:5]) < 10, "the two files of the plug-in"
