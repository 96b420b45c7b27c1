"""`facematch models`: what it prints, what it fetches, and with which code it ends."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.core.files import sha256_of
from facematch.models import registry
from facematch.models.local import models_folder, place_of
from facematch.models.registry import Model, models, named
from model_server import FileServer, serving
from net import without_proxies

DATA = b"weights" * 1000


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A registry of two models that a server on this machine has, one of them not free."""
    without_proxies(monkeypatch)
    with serving(DATA) as server:
        free = Model("tiny", "face", "https://x", "free", "MIT", runs="onnx", url=f"{server.url}/tiny.onnx")
        known = replace(free, sha256=sha256_of(DATA), megabytes=0.007)
        bound = replace(known, name="bound", terms="research", licence="not for trade")
        monkeypatch.setattr(registry, "models", lambda: (known, bound, replace(free, name="fresh")))
        monkeypatch.setattr("facematch.tasks.models.command.models", registry.models)
        yield server


def test_the_list_has_every_model_and_its_terms(run: Run) -> None:
    done = run("models", "list")
    assert done.code == 0
    rows = {line.split()[1]: line for line in done.out.splitlines() if line.count("│") > 5}
    assert set(rows) == {each.name for each in models()}
    assert "LFW 0.9983" in rows["buffalo_l"]
    assert "research" in rows["buffalo_l"]
    assert "detector" in rows["scrfd-10g"]
    assert "facematch cannot run it yet" not in done.err
    shown = json.loads(run("models", "list", "--json").out)
    assert [each["name"] for each in shown] == [each.name for each in models()]


def test_a_model_is_shown_with_its_sources(run: Run) -> None:
    done = run("models", "show", "w600k_r50")
    for words in (
        "also called: w600k_r50",
        "terms: research: the pretrained models of InsightFace",
        "input: 112 pixels a side, RGB, (pixel - [127.5, 127.5, 127.5]) / [127.5, 127.5, 127.5], nchw, five points",
        "use: --set embedder.file=buffalo_l",
        "published: IJB-C at 1e-4 0.9725 (insightface, python-package/README.md)",
        f"SHA-256: {named('buffalo_l').sha256}",
        "(w600k_r50.onnx)",
    ):
        assert words in done.out
    assert "use: --set faces.scrfd_file=scrfd-10g" in run("models", "show", "scrfd-10g").out
    assert "SHA-256: not known: recorded when it comes" in run("models", "show", "edgeface-xs").out
    assert "did you mean 'sface'?" in run("models", "show", "sfase").err


def test_what_cannot_be_run_yet_is_marked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Model("kept", "detector", "https://x", "free", "MIT")
    monkeypatch.setattr(registry, "models", lambda: (kept,))
    monkeypatch.setattr("facematch.tasks.models.command.models", registry.models)
    done = run("models", "list")
    assert "detector *" in done.out
    assert "* facematch cannot run it yet" in done.err
    assert "use: facematch cannot run it yet" in run("models", "show", "kept").out


def test_pull_tells_terms_first_and_prints_the_file(run: Run, served: FileServer) -> None:
    pytest.importorskip("pooch")
    done = run("models", "pull", "tiny")
    assert done.code == 0
    assert "Terms: free: MIT (https://x)" in done.err
    assert done.out.split(";")[0] == f"tiny: {place_of(named('tiny'))}"
    assert place_of(named("tiny")).read_bytes() == DATA
    again = run("models", "pull", "tiny", "--json")
    assert json.loads(again.out)["tiny"] == {"path": str(place_of(named("tiny"))), "sha256": sha256_of(DATA)}
    assert len(served.asked) == 1


def test_terms_that_are_not_allowed_end_it(run: Run, served: FileServer, tmp_path: Path) -> None:
    done = run("models", "pull", "bound")
    assert done.code == 1
    assert "bound is not fetched: its terms are research: not for trade" in done.err
    assert "--set models.terms=[free,research]" in done.err
    assert served.asked == []
    pytest.importorskip("pooch")
    done = run("models", "pull", "bound", "--quiet", "--set", "models.terms=[free,research]")
    assert done.code == 0
    assert "Terms: research: not for trade (https://x)" in done.err
    (tmp_path / "mine.yaml").write_text("models: {terms: research}")
    assert run("models", "pull", "bound", "--config", tmp_path / "mine.yaml").code == 0
    wrong = run("models", "pull", "bound", "--set", "models.terms=[gratis]")
    assert "models.terms" in wrong.err


def test_check_reads_all_that_is_here(run: Run, served: FileServer) -> None:
    assert "no model is here" in run("models", "check").out
    for name in ("tiny", "fresh"):
        path = place_of(named(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
    done = run("models", "check")
    assert done.code == 0
    assert done.out.splitlines() == ["tiny: as it should be", "fresh: recorded now"]
    assert "fresh: as it should be" in run("models", "check").out
    place_of(named("fresh")).write_bytes(b"other")
    done = run("models", "check")
    assert done.code == 1
    assert "fresh: WRONG" in done.out
    assert "1 model is wrong. fresh: " in done.err
    assert f"its SHA-256 is {sha256_of(b'other')}, it was {sha256_of(DATA)}" in done.err
    told = run("models", "check", "--json")
    assert told.code == 1
    assert json.loads(told.out) == {"models": {"tiny": True, "fresh": False}, "wrong": ["fresh"]}


def test_path_prints_the_path_alone(run: Run) -> None:
    assert run("models", "path", "sface").out == f"{models_folder() / 'sface.onnx'}\n"
    assert models_folder().is_dir()  # a file can be copied there
    assert "open_clip keeps it" in run("models", "path", "clip-rn50").err
