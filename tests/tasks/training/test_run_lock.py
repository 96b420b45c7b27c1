"""A run folder belongs to one process, and to none as soon as that has ended, however it did."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.training.run_lock import holding

HOLD = """
import multiprocessing, sys, time
from pathlib import Path
from facematch.tasks.training.run_lock import holding
with holding(Path(sys.argv[1])):
    if len(sys.argv) > 2:  # as one that loads batches
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *arguments], stdout=subprocess.PIPE, start_new_session=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            os.killpg(holder.pid, 9)


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "race"
    with held(folder) as holder:
        with pytest.raises(FacematchError, match=f"{folder} is being trained: process {holder.pid} on ") as caught:
            holding(folder).__enter__()
        assert "--set name=NAME" in caught.value.hint
        with holding(folder.with_name("another")):
            assert not folder.exists()  # what fails before the training leaves no folder


@pytest.mark.skipif(sys.platform == "win32", reason="signals and forks of POSIX")
def test_it_is_free_as_soon_as_its_process_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "race"
    with held(folder, "with a child") as holder:
        holder.kill()
        holder.wait(10)
        with holding(folder):
            assert [path.name for path in tmp_path.iterdir()] == [".race.lock"]
    if sys.platform != "win32":
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacematchError, match="file cannot be written: ") as caught:
        holding(tmp_path / "file" / "run").__enter__()
    assert "paths.checkpoints" in caught.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_a_disk_without_locks_does_not_stop_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    with holding(tmp_path / "run"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there the file stays")
def test_a_lock_whose_file_its_last_holder_took_away_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    lock, path, taken = fcntl.lockf, tmp_path / ".run.lock", []

    def late(*given: int) -> None:
        if not taken:  # the other process ends between opening and locking
            path.unlink()
        taken.append(lock(*given))

    monkeypatch.setattr(fcntl, "lockf", late)
    with holding(tmp_path / "run"):
        assert len(taken) == 2
        assert f"process {os.getpid()} on " in path.read_text()
