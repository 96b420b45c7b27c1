"""Every test has a cache folder of its own, so nothing a user has is read or written."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Tests run side by side: one thread each, or small networks wait for each other's threads most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # numba sets OpenMP's number for torch, too

# Laws are tried on new examples each time, and on the same ones where a run has to be repeatable.
settings.register_profile("repeatable", derandomize=True, deadline=None)
if os.environ.get("FACEMATCH_REPEATABLE_TESTS"):
    settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FACEMATCH_CACHE", str(folder))


@pytest.fixture(autouse=True)
def _in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in fp32 where `auto` would take bf16: numbers are compared with references to the last digits."""
    monkeypatch.setattr("facematch.machine.gains_from_bf16", lambda _: False)
