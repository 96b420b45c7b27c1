"""`facematch sample`, `serve` and `demo`, as far as they do not take minutes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from command_helpers import TRUTH, Run
from facematch.cli import demo
from facematch.core.errors import FacematchError
from facematch.tasks.rehearsal.serve import _store_of
from facematch.tasks.rehearsal.store import Store
from facematch.tasks.sample import plan, write
from facematch.tasks.sample.plan import FACES, Plan, make_plan


def few(seed: int) -> Plan:
    whole = make_plan(seed)
    person = next(photo.person for photo in whole.photos if photo.path.startswith(FACES))
    return Plan(tuple(photo for photo in whole.photos if photo.person == person), {})


def test_the_sample_is_written_once(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for module in (plan, write):
        monkeypatch.setattr(module, "make_plan", few)
    done = run("sample")
    assert done.code == 0, done.err
    assert done.out.startswith("written: 8 photos of 1 people in data/faces")
    assert "a rehearsal, not a benchmark" in done.out
    assert run("sample").out.startswith("already there: 8 photos")


def test_the_users_own_photos_are_not_written_over(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/faces/ann").mkdir(parents=True)
    Path("data/faces/ann/1.jpg").write_bytes(b"mine")
    done = run("sample")
    assert done.code == 1
    assert "data" in done.err
    assert Path("data/faces/ann/1.jpg").read_bytes() == b"mine"


def test_a_server_needs_a_ground_truth(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("serve")
    assert done.code == 1
    assert "Make the sample data with `facematch sample`" in done.err


def test_an_unknown_mood_is_named(project: Path, run: Run) -> None:
    done = run("serve", "--mood", "flakey")
    assert done.code == 1
    assert "--mood flakey is not known (did you mean 'flaky'?)." in done.err


def test_a_restarted_server_remembers(project: Path) -> None:
    import requests

    payload = json.dumps({"groupname": "us", "images": {}})
    with demo._server() as address:
        requests.post(f"{address}/results/", data=payload, timeout=10).raise_for_status()
    with demo._server() as address:
        assert "1 submission;" in requests.get(address, timeout=10).text
    assert len(list(Path("submissions").glob("rehearsal-*.sqlite"))) == 1
    assert not Path("data/rehearsal/rehearsal.sqlite").exists()


def test_a_board_of_earlier_versions_beside_its_truth_goes_on(project: Path) -> None:
    beside = Path("data/rehearsal/rehearsal.sqlite")
    Store(beside).close()
    assert _store_of(Path(TRUTH)) == beside
    Path("data/other.json").write_text("{}")
    assert _store_of(Path("data/other.json")).parent == Path("submissions")


def test_the_demos_server_starts_and_stops(project: Path) -> None:
    import requests

    assert Path(TRUTH) == demo._TRUTH
    with demo._server() as address:
        assert requests.get(address, timeout=10).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=10)


def test_a_server_that_cannot_start_says_so(project: Path) -> None:
    Path(TRUTH).unlink()
    with pytest.raises(FacematchError, match="did not start"), demo._server():
        pytest.fail("it started")


def test_a_step_that_fails_ends_the_demo(project: Path) -> None:
    with pytest.raises(FacematchError, match="ended with exit code 1"):
        demo._step("cropping", ["crop", "nowhere", "out"])


def test_the_demo_is_listed_and_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facematch", "demo", "--help"], capture_output=True, text=True, check=True
    )
    assert "--config" in done.stdout
