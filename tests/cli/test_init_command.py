"""`facematch init`: a folder to begin in, nothing of which is ever overwritten."""

import json
from pathlib import Path

from command_helpers import Run

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_it_writes_every_settings_file_folders_and_what_to_do_next(tmp_path: Path, run: Run) -> None:
    done = run("init", tmp_path / "new")
    assert done.code == 0, done.err
    made = tmp_path / "new"
    for file in (*CONFIG.glob("*.yaml"), *CONFIG.glob("*.schema.json")):
        assert (made / "config" / file.name).read_bytes() == file.read_bytes()
    for folder in ("data/faces", "data/test_data/query", "data/test_data/gallery"):
        assert (made / folder).is_dir()
    start = (made / "START.txt").read_text()
    assert start.rstrip() in done.out
    for command in ("1. facematch train", "2. facematch validate", "3. facematch request --dry-run"):
        assert command in start


def test_what_is_there_stays_as_it_is_and_is_listed(tmp_path: Path, run: Run) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/triplet.yaml").write_text("name: mine\n")
    (tmp_path / "train.py").touch()
    done = run("init", tmp_path, "--json")
    found = json.loads(done.out)
    assert (found["there"], found["changed"]) == (["config/triplet.yaml"], ["config/triplet.yaml"])
    assert (tmp_path / "config/triplet.yaml").read_text() == "name: mine\n"
    assert "1. python train.py" in (tmp_path / "START.txt").read_text()
    again = run("init", tmp_path)
    assert "0 of 23 files written" in again.out
    assert "of these not as they come with facematch: config/triplet.yaml\n" in again.out


def test_a_file_is_no_folder_to_begin_in(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").touch()
    done = run("init", tmp_path / "file")
    assert (done.code, done.out) == (1, "")
    assert "is a file, not a folder" in done.err
