"""TensorBoard reads the curves of a run, and those of a resumed one once."""

import errno
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from facematch.core.errors import FacematchError
from facematch.pipeline.run_folder import RunFolder, read_log
from facematch.pipeline.run_log import TrainingLog


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return {tag: [(point.step, point.value) for point in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_tensorboard_shows_steps_and_validations(tmp_path: Path) -> None:
    log = TrainingLog(RunFolder(tmp_path))
    for step in range(4):
        log.step(1, step, {"loss": 1 / (1 + step), "spread": 0.5})
    log.epoch(1, 4, {"loss": 0.25, "validation": {"top1": 0.5, "count": 8, "interval": None}})
    assert curves(tmp_path) == {
        "train/loss": [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3)), (3, 0.25)],
        "train/spread": [(step, 0.5) for step in range(4)],
        "validation/top1": [(4, 0.5)],
    }
    assert [line["step"] for line in read_log(RunFolder(tmp_path))] == [0, 1, 2, 3, 4]


def test_a_resumed_run_draws_over_what_it_does_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    killed = TrainingLog(folder)
    for step in range(3):
        killed.step(1, step, {"loss": 1.0})
    killed.flush()
    length = folder.log.stat().st_size
    killed.step(1, 3, {"loss": 1.0})
    killed.flush()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2)  # files are read in the order of their names
    resumed = TrainingLog(folder)
    resumed.cut(length)
    for step in (3, 4):
        resumed.step(1, step, {"loss": 0.5})
    resumed.flush()
    assert curves(tmp_path) == {"train/loss": [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.5), (4, 0.5)]}
    assert [line["loss"] for line in read_log(folder)] == [1.0, 1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("name", ["log.jsonl", "events"])
def test_what_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened = Path.open

    def full(path: Path, *given: Any, **named: Any) -> Any:
        if path.name.startswith(name):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *given, **named)

    log = TrainingLog(RunFolder(tmp_path / "run"))
    log.step(1, 0, {"loss": 1.0})
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FacematchError, match="run could not be written: No space left on device") as caught:
        log.flush()
    assert "--resume" in caught.value.hint
