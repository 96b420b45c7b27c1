"""Files that an earlier version wrote, read by this one: earlier/README.md tells what they are.

Commands run in this process, as `python -m facematch` does, so that no module is named here.
"""

import json
import runpy
import shutil
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

RUN = Path("checkpoints/tiny")
SETTINGS = ("--config", str(RUN / "settings.yaml"))
ONNX = ("--set", "embedder.kind=onnx", "--set", "embedder.file=tiny.onnx")
NEW_CACHE = ("--set", "paths.cache=new")
Command = Callable[..., str]


@pytest.fixture(scope="module")
def _unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(Path(__file__).parent / "earlier/files.tar.xz") as archive:
        for member in archive.getmembers():
            archive.extract(member, folder)
    return folder


@pytest.fixture
def files(_unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the earlier version's files as the current folder."""
    folder = tmp_path / "files"
    shutil.copytree(_unpacked, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
    return folder


@pytest.fixture
def command(files: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `facematch ARGUMENTS`; return its standard output. It has to end with `code`."""

    def run(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        ended: object = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["facematch", *(str(each) for each in arguments)])
            try:
                runpy.run_module("facematch", run_name="__main__")
            except SystemExit as end:
                ended = end.code or 0
        captured = capsys.readouterr()
        assert ended == code, captured.err
        return captured.out

    return run


def results(name: str) -> Any:
    """What the earlier version printed."""
    return json.loads(Path("results.json").read_text(encoding="utf-8"))[name]


def vectors(name: str) -> NDArray[np.float32]:
    with np.load(name) as arrays:
        return np.asarray(arrays["vectors"])


def rows(folder: str) -> dict[str, list[Any]]:
    """Every row of every table of a cache. A row that is written again has another rowid, unless it is the last."""
    found = {}
    for path in sorted(Path(folder).glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as table:
            found[path.name] = table.execute("SELECT rowid, * FROM kept ORDER BY rowid").fetchall()
    return found


def lose_tensors(path: Path) -> None:
    """Make a network's every number 0: its header can still be read, but it can no longer be used."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    path.write_bytes(data[:start] + bytes(len(data) - start))


def test_the_journal_lists_and_shows_the_same_submissions(command: Command) -> None:
    assert json.loads(command("submissions", "--json")) == results("submissions")
    for number, shown in enumerate(results("shown"), start=1):
        assert json.loads(command("submissions", "show", number, "--json")) == shown


def test_a_run_embeds_to_the_same_vectors(command: Command) -> None:
    command("embed", "others", "now.npz", *SETTINGS, *NEW_CACHE)
    np.testing.assert_allclose(vectors("now.npz"), vectors("others.npz"), atol=1e-5)


def test_a_run_validates_to_the_same_figures(command: Command) -> None:
    now, kept = json.loads(command("validate", *SETTINGS, *NEW_CACHE, "--json")), results("validate")
    assert list(now) == list(kept)
    for name, figures in kept.items():
        assert [now[name][each] for each in ("queries", "gallery")] == [figures["queries"], figures["gallery"]]
        for each in ("top1", "top5", "top10", "score"):
            assert now[name][each] == pytest.approx(figures[each], abs=1e-9)


def test_a_run_is_made_longer(command: Command) -> None:
    log = (RUN / "log.jsonl").read_bytes()
    command("train", *SETTINGS, "--resume", "--set", "training.epochs=3")
    longer = (RUN / "log.jsonl").read_bytes()
    assert longer.startswith(log)
    assert {json.loads(line)["epoch"] for line in longer[len(log) :].splitlines()} == {3}


def test_cached_embeddings_are_used(command: Command) -> None:
    kept = rows("cache")
    lose_tensors(RUN / "best.safetensors")
    command("embed", "others", "now.npz", *SETTINGS)
    np.testing.assert_array_equal(vectors("now.npz"), vectors("others.npz"))
    assert rows("cache") == kept
    command("embed", "others", "lost.npz", *SETTINGS, *NEW_CACHE, code=1)  # where the network itself is needed


def test_cached_crops_are_used(command: Command) -> None:
    kept = rows("cache")
    for path in Path("cache").glob("embeddings-*"):
        path.unlink()
    command("embed", "faces", "now.npz", "--config", "faces.yaml")
    np.testing.assert_allclose(vectors("now.npz"), vectors("faces.npz"), atol=1e-5)
    now = {name: each for name, each in rows("cache").items() if name.startswith("crops-")}
    assert now == {name: each for name, each in kept.items() if name.startswith("crops-")}
    assert any("haarcascade" in str(row) for each in now.values() for row in each)


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_embeddings_rank_the_same(command: Command, ending: str) -> None:
    now = json.loads(command("rank", f"others.{ending}", f"others.{ending}", "-k", 5, "--json"))
    kept = results("rank")
    assert now["metric"] == kept["metric"]
    for query, answers in kept["answers"].items():
        assert [each["photo"] for each in now["answers"][query]] == [each["photo"] for each in answers]
        distances = [each["distance"] for each in answers]
        assert [each["distance"] for each in now["answers"][query]] == pytest.approx(distances, abs=1e-5)


def test_an_export_embeds_the_same(command: Command) -> None:
    pytest.importorskip("onnxruntime")
    command("embed", "others", "now.npz", *SETTINGS, *ONNX, *NEW_CACHE)
    np.testing.assert_allclose(vectors("now.npz"), vectors("exported.npz"), atol=1e-5)
    np.testing.assert_allclose(vectors("now.npz"), vectors("others.npz"), atol=1e-4)
