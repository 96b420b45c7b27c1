"""Folders that look swapped are asked about before any compute; a zip is taken as the folder it holds."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.core import console
from facematch.embedders.embed import PhotoEmbedder
from tiny_project import TINY

QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")
SWAPPED = ("--set", f"paths.query={GALLERY}", "--set", f"paths.gallery={QUERY}", "--set", "server.form=three.yaml")


@pytest.fixture(autouse=True)
def _three_names(tiny: Path) -> None:
    Path("three.yaml").write_text("dialects: {results: {names: 3}}")


def test_swapped_folders_are_an_error_before_any_compute(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PhotoEmbedder, "run", lambda *_: pytest.fail("photos were embedded"))
        done = run("request", *TINY, "--dry-run", *SWAPPED)
    assert done.code == 1
    assert "there are more queries (12) than gallery photos (3)" in done.err
    assert f"paths.query is {GALLERY}" in done.err
    assert "go on with --as-they-are" in done.err
    assert not Path("submissions").exists()
    assert run("request", *TINY, "--dry-run", "--no-expect", "--as-they-are", *SWAPPED).code == 0


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("yes\n", 0), ("\n", 1), ("n\n", 1), ("", 1)])
def test_a_person_at_a_terminal_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr(console, "at_terminal", lambda: True)
    done = run("request", *TINY, "--dry-run", "--no-expect", *SWAPPED)
    assert done.code == code
    assert "Go on with them as they are? [y/N]" in done.err


def test_submit_asks_too_and_check_only_says_it(run: Run) -> None:
    images = {f"g{number:02d}.png": ["q0.png", "q1.png", "q2.png"] for number in range(12)}
    images["g00.png"] = ["q1.png", "q0.png", "q2.png"]
    Path("swapped.json").write_text(json.dumps({"groupname": "us", "images": images}))
    sets = ("--query", GALLERY, "--gallery", QUERY, "--set", "server.form=three.yaml")
    url = ("--set", "server.url=http://127.0.0.1:9/results/", "--set", "server.attempts=1")
    assert "look swapped" in run("submit", "swapped.json", *sets, *url).err
    assert not Path("submissions").exists()
    assert "cannot be reached" in run("submit", "swapped.json", *sets, *url, "--as-they-are").err
    done = run("check", "swapped.json", *sets)
    assert (done.code, "look swapped" in done.err) == (0, True)


def test_zips_of_the_folders_give_the_same_submission(run: Run) -> None:
    for folder in (QUERY, GALLERY):
        shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    sets = ("--set", f"paths.query={QUERY}.zip", "--set", f"paths.gallery={GALLERY}.zip")
    for out, options in (("folders.json", ()), ("zips.json", sets)):
        done = run("request", *TINY, "--dry-run", "--no-expect", "--out", out, *options)
        assert done.code == 0, done.err
    assert Path("folders.json").read_bytes() == Path("zips.json").read_bytes()
    assert run("check", "zips.json", "--query", f"{QUERY}.zip", "--gallery", f"{GALLERY}.zip").code == 0
    assert run("answer", *TINY, *sets, "--threshold", "static").err.count("is not a folder") == 0


def test_zips_that_look_swapped_and_one_that_is_damaged(run: Run) -> None:
    for folder in (QUERY, GALLERY):
        shutil.make_archive(str(folder), "zip", folder)
    swapped = ("--set", f"paths.query={GALLERY}.zip", "--set", f"paths.gallery={QUERY}.zip")
    assert "look swapped" in run("request", *TINY, "--dry-run", *swapped, "--set", "server.form=three.yaml").err
    Path(f"{QUERY}.zip").write_bytes(b"<html>not found</html>")
    done = run("request", *TINY, "--dry-run", "--set", f"paths.query={QUERY}.zip")
    assert done.code == 1
    assert "the zip file: data/test_data/query.zip is damaged" in done.err
