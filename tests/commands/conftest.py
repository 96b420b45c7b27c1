"""The small project: made and trained once for each test process, copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_helpers import Run, run_command, write_project
from tiny_project import write_tiny

from facematch import default_checkpoint
from facematch.commands.train_start import train_command


@pytest.fixture(autouse=True)
def _without_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # The network that comes with facematch would take over where a test wants none; it has tests of its own.
    monkeypatch.setattr(default_checkpoint, "_places", lambda: (tmp_path / "no default", tmp_path / "nor here"))
    yield
    default_checkpoint.default_file.cache_clear()  # other tests know the real one
    default_checkpoint.default_file.cache_clear()


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        write_project(folder)
        train_command(Path("small.yaml"), [], resume=False, fresh=False)
    (folder / "checkpoints/small/state.pt").unlink()  # 135 MB more for each copy
    return folder


@pytest.fixture
def project(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the small project as the current folder, its crops cached already."""
    folder = tmp_path / "project"
    shutil.copytree(_made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder / "cache"))
    yield folder
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # 45 MB for each network, and there are many tests


@pytest.fixture
def untrained(project: Path) -> Path:
    """The small project before its training."""
    shutil.rmtree(project / "checkpoints")
    return project


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: `run("crop", IN, OUT)`."""
    return lambda *arguments: run_command(capsys, arguments)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of tiny pictures as the current folder."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    write_tiny(folder)
    monkeypatch.chdir(folder)
    return folder
