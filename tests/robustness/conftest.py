"""What the tests of hard cases share: a disk that fills, and a training that is over in a second."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from small_disk import SmallDisk, a_small_disk
from tiny_training import TRAIN, Run, facematch, parts, write_project


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Make a disk of so many bytes: `disk = small_disk(50 * MEGABYTE)`; then `disk.fill(leave=…)`, `disk.free()`."""
    with ExitStack() as made:
        yield lambda size: made.enter_context(a_small_disk(tmp_path / "disk", size))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an unbroken training in checkpoints/tiny."""
    folder = tmp_path_factory.mktemp("trained")
    write_project(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("FACEMATCH_CACHE", str(folder / "cache"))
        patched.setattr("facematch.tasks.training.command.show_trained", lambda *_: None)
        from facematch.tasks.training.start import train_command

        train_command(Path(TRAIN[2]), [], resume=False, fresh=False)
    return folder


@pytest.fixture
def tiny(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project as the current folder, before its training; its crops are cached."""
    folder = tmp_path / "tiny"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
    return folder


@pytest.fixture
def unbroken(trained: Path) -> list[object]:
    """What a run of these settings must come to, however often it is broken."""
    return parts(trained / "checkpoints/tiny")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: `run("train", …)`."""
    return lambda *arguments: facematch(capsys, *arguments)
