"""Every test has a cache folder of its own, so nothing a user has is read or written."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from chromium import launched
from command_helpers import Run, run_command, write_project
from facematch.core.cache import Cache
from facematch.core.console import info_once
from facematch.faces import finder
from facematch.near_duplicates.contents import content_cache
from facematch.pipeline import default_checkpoint
from facematch.tasks.training.start import train_command
from tiny_project import write_tiny

# Tests run side by side: one thread each, or small networks wait for each other's threads most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # numba sets OpenMP's number for torch, too

REPOSITORY = Path(__file__).resolve().parents[1]

# Laws are tried on new examples each time, and on the same ones where a run has to be repeatable; none within a time.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("anew", deadline=None)
settings.load_profile("repeatable" if os.environ.get("FACEMATCH_REPEATABLE_TESTS") else "anew")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder))


@pytest.fixture(autouse=True)
def _in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in fp32 where `auto` would take bf16: numbers are compared with references to the last digits."""
    monkeypatch.setattr("facematch.core.machine.gains_from_bf16", lambda _: False)


@pytest.fixture(autouse=True)
def _the_real_default() -> Iterator[None]:
    """Forget a network that stood in for the one that comes with facematch: the next test knows the real one."""
    yield
    found = default_checkpoint.default_file
    if found.cache_info().currsize and not found().is_relative_to(REPOSITORY):
        found.cache_clear()


@pytest.fixture
def without_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the network that comes with facematch: it would take over where a test wants none."""
    monkeypatch.setattr(default_checkpoint, "_places", lambda: (tmp_path / "no default", tmp_path / "nor here"))
    default_checkpoint.default_file.cache_clear()  # what made the small project knows the real one


@pytest.fixture
def hide_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Call it to hide the finder that comes with facematch."""

    def hide() -> None:
        monkeypatch.setattr(finder, "shipped_places", lambda name: [tmp_path / name])
        finder.shipped_finder.cache_clear()
        info_once.cache_clear()  # that it is missing is said once

    yield hide
    finder.shipped_finder.cache_clear()


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield one browser for the pages of a module, or skip, as `launched`."""
    with launched() as opened:
        yield opened


@pytest.fixture(scope="session")
def dlib_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as dlib writes it, of random weights."""
    from dlib_file import dlib_file  # loads torch

    path = tmp_path_factory.mktemp("dlib") / "net.dat"
    path.write_bytes(dlib_file()[0])
    return path


@pytest.fixture(scope="session")
def timm_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of mobilenetv3_small_050 as timm publishes one, with the last layer, of random weights."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    save_file(timm.create_model("mobilenetv3_small_050", pretrained=False).state_dict(), path)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """Yield an empty cache of photos' contents."""
    with content_cache(tmp_path / "kept") as opened:
        yield opened
