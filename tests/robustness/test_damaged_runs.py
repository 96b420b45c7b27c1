"""Whatever is damaged in a run folder, --resume goes on from the very same weights or says in a sentence what is wrong.

FACEMATCH_FUZZ=N tries N times as many changes.
"""

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_training import RUN, TRAIN, Ended, Run

from facematch.networks.embedding import weights_digest
from facematch.pipeline.run_state import StopRequest
from facematch.tasks.training.loop import Trainer, TrainingResult

TIMES = int(os.environ.get("FACEMATCH_FUZZ", "1"))
SEED = 2026
LONGER = (*TRAIN, "--set", "training.epochs=3", "--resume")
Digests = list[str]


@pytest.fixture(scope="module")
def stopped(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after five of eight steps, in its second epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    for name in ("data", "cache", "tiny.yaml"):
        (folder / name).symlink_to(trained / name)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("FACEMATCH_CACHE", str(folder / "cache"))
        step = Trainer._step

        def stopping(self: Trainer, *given: Any) -> dict[str, float]:
            if self.at.step == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(self, *given)

        patched.setattr(Trainer, "_step", stopping)
        from facematch.tasks.training.start import train_command

        with pytest.raises(SystemExit):
            train_command(Path(TRAIN[2]), [], resume=False, fresh=False)
    return folder / RUN


@pytest.fixture
def resumed(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Ended, Digests]]:
    """Resume a copy of a run that was changed; tells how that ended and from which weights it would have gone on."""

    def resume(folder: Path, change: Callable[[Path], None], *command: str) -> tuple[Ended, Digests]:
        shutil.rmtree(RUN, ignore_errors=True)
        shutil.copytree(folder, RUN)
        change(RUN)
        seen: Digests = []

        def trained(self: Trainer, _: object, stop: StopRequest) -> TrainingResult:
            seen.append(f"{self.at.step} {weights_digest(self.network)}")
            return TrainingResult(0, None, 0, 0, "nothing done")

        monkeypatch.setattr(Trainer, "run", trained)
        return run(*command), seen

    return resume


def mutations(data: bytes, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield a file's content changed in the ways that disks and people change files."""
    yield from (("empty", b""), ("a mapping", b"{}"), ("not UTF-8", b"\xff\xfe" + data))
    for _ in range(TIMES):
        place = draw.randrange(len(data))
        yield f"byte {place}", data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]
        yield f"cut at {place}", data[:place]
        yield f"noise from {place}", data[:place] + draw.randbytes(len(data[place : place + 64])) + data[place + 64 :]


@pytest.mark.parametrize("kind", ["stopped", "finished"])
def test_any_change_of_any_file_is_said_or_makes_no_difference(
    trained: Path, stopped: Path, resumed: Callable[..., tuple[Ended, Digests]], kind: str
) -> None:
    folder, command = (stopped, (*TRAIN, "--resume")) if kind == "stopped" else (trained / RUN, LONGER)
    ended, expected = resumed(folder, lambda _: None, *command)
    assert (ended.code, len(expected)) == (0, 1), ended.text
    draw, tried, said = random.Random(SEED), 0, 0
    read_at_the_end = ("finished.json", "state.pt", "settings.yaml")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        if kind == "finished" and str(name) not in read_at_the_end:
            continue
        for change, data in mutations(path.read_bytes(), draw):
            ended, seen = resumed(folder, lambda run, name=name, data=data: (run / name).write_bytes(data), *command)
            assert ended.code in (0, 1), f"{name}, {change}: {ended.text}"
            assert "Traceback" not in ended.text
            assert len(ended.text) < 2000, f"{name}, {change}: {ended.text}"
            if ended.code == 0:
                assert seen == expected, f"{name}, {change}"
            else:
                assert "error: " in ended.text
                assert seen == []
            tried, said = tried + 1, said + ended.code
    print(f"{kind}: {tried} changed files, {said} said, the others made no difference; seed {SEED}")


def _write(name: str, text: str | bytes) -> Callable[[Path], None]:
    data = text if isinstance(text, bytes) else text.encode()
    return lambda run: (run / name).write_bytes(data) and None  # type: ignore[func-returns-value]


def _append(name: str, text: str) -> Callable[[Path], None]:
    return lambda run: _write(name, (run / name).read_text() + text)(run)


def _folder(name: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_write("settings.yaml", "name: [tiny\n"), "settings.yaml"),
        (_write("settings.yaml", b"name: \xff\n"), "settings.yaml"),
        (_append("settings.yaml", "unheard_of: 1\n"), "unheard_of is not a known setting"),
        (_folder("settings.yaml"), "there is no run to resume in checkpoints/tiny: it has no settings.yaml"),
        (_write("identities.json", "{}"), "identities.json is damaged, or of another kind: 'sha256' is missing"),
        (_write("finished.json", "{}"), "finished.json is damaged, or of another kind: 'reason' is missing"),
        (_write("state.pt", "half"), "state.pt is damaged, or of another kind: File is not a zip file"),
    ],
)
def test_what_is_damaged_and_what_can_be_done_is_said(
    stopped: Path, resumed: Callable[..., tuple[Ended, Digests]], change: Callable[[Path], None], words: str
) -> None:
    ended, seen = resumed(stopped, change, *TRAIN, "--resume")
    assert (ended.code, seen) == (1, [])
    assert words in ended.text
    assert "Start" in ended.text or "--resume" in ended.text
