"""A training killed at any moment, again and again, ends with the bits and the log of an unbroken one.

The state is saved after every step, so that kills meet saves. FACEMATCH_FUZZ=N kills N times as often;
`FACEMATCH_FUZZ=40 pytest -s tests/robustness/test_kills.py` kills at every write.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_training import RUN, TRAIN, parts

TIMES = int(os.environ.get("FACEMATCH_FUZZ", "1"))
SEED = 2026

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and signals of POSIX")


class Killer:
    """Starts trainings in a project and kills them; `killed` counts how many were."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder, self.killed = process, folder, 0

    def train(self, *, write: int = 0, seconds: float = 0.0) -> tuple[bool, int]:
        """Start or resume; return whether it was killed, and how many writes it had begun."""
        resume = ["--resume"] if (self.folder / RUN / "settings.yaml").is_file() else []
        asked = {"arguments": [*TRAIN, *resume], "write": write, "seconds": seconds}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        code, writes = json.loads(self.process.stdout.readline())
        words = (self.folder / "words.txt").read_text()
        assert code in (0, -signal.SIGKILL), words
        assert "Traceback" not in words
        self.killed += code != 0
        return code != 0, writes


@pytest.fixture(scope="module")
def killer(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    folder = tmp_path_factory.mktemp("killed") / "project"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints"))
    program = Path(__file__).with_name("killed_training.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["FACEMATCH_CACHE"] = str(folder / "cache")
    with subprocess.Popen(
        [sys.executable, str(program), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Killer(process, folder)
        process.stdin.close()


@pytest.fixture(scope="module")
def unbroken(killer: Killer) -> list[object]:
    """What a run comes to that nobody kills, in a process that computes with as many threads."""
    assert not killer.train()[0]
    found = parts(killer.folder / RUN)
    shutil.rmtree(killer.folder / RUN)
    return found


def whole(folder: Path, unbroken: list[object]) -> None:
    """Hold a run to an unbroken one, and its folder to what belongs there; then make room for the next."""
    assert parts(folder / RUN) == unbroken
    assert (folder / RUN / "finished.json").is_file()
    assert not list((folder / "checkpoints").rglob(".*"))
    shutil.rmtree(folder / RUN)


def test_killed_at_a_write(killer: Killer, unbroken: list[object]) -> None:
    writes = killer.train()[1]
    whole(killer.folder, unbroken)
    chosen = random.Random(SEED).sample(range(1, writes + 1), min(writes, 4 * TIMES))
    for number in chosen:
        assert killer.train(write=number)[0]
        assert not killer.train()[0]
        whole(killer.folder, unbroken)
    print(f"killed at {len(chosen)} of {writes} writes, seed {SEED}")


def test_killed_at_any_moment_again_and_again(killer: Killer, unbroken: list[object]) -> None:
    moments, started = random.Random(SEED), time.monotonic()
    killer.train()
    lasts = time.monotonic() - started
    whole(killer.folder, unbroken)
    before = killer.killed
    while killer.killed < before + 4 * TIMES:
        for _ in range(2):
            killer.train(seconds=moments.uniform(0, lasts))
        killer.train()
        whole(killer.folder, unbroken)
    print(f"killed {killer.killed - before} times, seed {SEED}")
