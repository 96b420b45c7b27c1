"""A run goes on bit for bit and line for line, longer where it is asked to, and never from a damaged state."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.networks.embedding import weights_digest
from facematch.pipeline.run_folder import RunFolder, read_log, start_run
from facematch.pipeline.run_state import StopRequest, check_state, load_state, save_state
from facematch.settings.root import Settings
from facematch.settings.training import TrainingSettings
from facematch.tasks.training.loop import Callbacks, Trainer, TrainingResult
from training_helpers import TRAINING, Surroundings, run, trainer

Unbroken = tuple[Trainer, TrainingResult, Surroundings]
State = dict[str, Any]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    made = trainer(tmp_path_factory.mktemp("unbroken") / "run")
    return made, *run(made)


def log_of(folder: RunFolder) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in read_log(folder)]


def told(*runs: Surroundings) -> list[str]:
    return [re.sub(r"  \d+ photos/s.*", "", line) for each in runs for line in each.lines]


@pytest.mark.parametrize("stop_after", [1, 4, 6, 12])  # 4 and 12: after the last batch of an epoch
def test_a_stopped_and_resumed_run_ends_with_the_same_bits_and_lines(
    tmp_path: Path, unbroken: Unbroken, stop_after: int
) -> None:
    first, before = run(trainer(tmp_path / "run"), stop_after)
    assert first.stopped == signal.SIGTERM
    again = trainer(tmp_path / "run")
    assert again.resume()
    second, after = run(again)
    assert weights_digest(again.network) == weights_digest(unbroken[0].network)
    assert second.best == unbroken[1].best
    assert log_of(again.folder) == log_of(unbroken[0].folder)
    assert told(before, after) == told(unbroken[2])
    assert "  0 photos/s" not in "".join(after.lines)


def test_a_killed_run_goes_on_from_its_last_saved_state(tmp_path: Path, unbroken: Unbroken) -> None:
    made = trainer(tmp_path / "run")

    class Killed(BaseException):
        pass

    def fail(*_: object) -> None:
        raise Killed

    around = Surroundings()
    made.saved = -1e9  # the state is saved after the next step
    callbacks = around.callbacks()
    with pytest.raises(Killed):
        made.run(Callbacks(fail, callbacks.save, callbacks.report, callbacks.progress), StopRequest())  # type: ignore[arg-type]
    made.log.flush()  # lines that were written after the state
    again = trainer(tmp_path / "run")
    assert again.resume()
    assert again.at.step == 1
    run(again)
    assert weights_digest(again.network) == weights_digest(unbroken[0].network)
    assert log_of(again.folder) == log_of(unbroken[0].folder)


def lasting(epochs: int, **changed: object) -> TrainingSettings:
    return TRAINING.model_copy(update={"epochs": epochs, **changed})


@pytest.mark.parametrize("schedule", ["constant", "step", "inverse-sqrt"])
def test_a_finished_run_made_longer_is_as_if_it_had_been_so_from_the_start(tmp_path: Path, schedule: str) -> None:
    whole = trainer(tmp_path / "whole", training=lasting(2, schedule=schedule))
    around = run(whole)[1]
    first = run(trainer(tmp_path / "run", training=lasting(1, schedule=schedule)))[1]
    again = trainer(tmp_path / "run", training=whole.training)
    assert again.resume()
    second = run(again)[1]
    assert weights_digest(again.network) == weights_digest(whole.network)
    assert log_of(again.folder) == log_of(whole.folder)
    assert told(first, second)[1:] == told(around)[1:]
    assert json.loads(again.folder.finished.read_text())["reason"] == "all 2 epochs done"


def test_a_cosine_goes_on_as_that_of_the_longer_run(tmp_path: Path) -> None:
    run(trainer(tmp_path / "run", training=lasting(2)))
    made = trainer(tmp_path / "run", training=lasting(4))
    assert made.resume()
    run(made)
    whole = trainer(tmp_path / "whole", training=lasting(4))
    run(whole)
    rates = [[line["learning_rate"] for line in read_log(each.folder)] for each in (made, whole)]
    half = len(rates[0]) // 2
    assert rates[0][half:] == rates[1][half:]
    assert rates[0][:half] != rates[1][:half]


def test_a_run_without_patience_left_ends_where_it_is(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run")
    made.at.without_better = 8
    made.save_state()
    again = trainer(tmp_path / "run", training=lasting(9, patience=8))
    assert again.resume()
    result, around = run(again)
    assert (result.reason, around.lines) == ("no better top-1 in 8 validations", [])


def begun(folder: Path, epochs: int, epoch: int, batch: int) -> RunFolder:
    made = trainer(folder)
    start_run(made.folder, Settings(training=lasting(epochs)), fresh=False)
    made.at.epoch, made.at.batch = epoch, batch
    made.save_state()
    return made.folder


@pytest.mark.parametrize(("epoch", "batch", "fewest"), [(3, 0, 2), (3, 1, 3), (1, 0, 0), (41, 0, 40)])
def test_a_run_is_not_made_shorter_than_it_is(tmp_path: Path, epoch: int, batch: int, fewest: int) -> None:
    folder = begun(tmp_path / "run", 40, epoch, batch)
    for epochs in (fewest, fewest + 1, 40, 60):
        if epochs:
            check_state(folder, Settings(training=lasting(epochs)))
    if fewest > 1:
        with pytest.raises(
            FacematchError, match=f"training.epochs is {fewest - 1}, .* in epoch {fewest} of 40"
        ) as caught:
            check_state(folder, Settings(training=lasting(fewest - 1)))
        assert "--set training.epochs=40" in caught.value.hint


def test_a_run_that_an_earlier_version_finished_cannot_be_made_longer(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", 2, 3, 0)
    folder.state.unlink()
    folder.finished.write_text("{}")
    folder.best.write_bytes(b"")
    with pytest.raises(FacematchError, match=r"is finished and has no state\.pt") as caught:
        check_state(folder, Settings(training=lasting(4)))
    assert f"--set network.init_from={folder.best}" in caught.value.hint


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run after five steps, in its second epoch."""
    made = trainer(tmp_path_factory.mktemp("saved") / "run")
    run(made, stop_after=5)
    return made.folder


def _wide(state: State) -> None:
    state["network"]["head.weight"] = torch.zeros(17, 3)


def _few(state: State) -> None:
    del state["network"]["head.weight"]


def _moment(state: State) -> None:
    state["optimiser"]["state"][0]["exp_avg"] = torch.zeros(3)


def _no_moment(state: State) -> None:
    del state["optimiser"]["state"][0]["exp_avg_sq"]


def _other_moments(state: State) -> None:
    state["optimiser"]["state"] = {9999: {}}


def _words(state: State) -> None:
    state["objective"]["_extra_state"] = [["a", "b", "c", "d", "e"]]


def _set(key: str, value: object) -> Callable[[State], None]:
    *path, last = key.split(".")

    def change(state: State) -> None:
        for part in path:
            state = state[part]
        state[last] = value

    return change


CHANGES: dict[str, Callable[[State], None]] = {
    **{f"without {key}": lambda state, key=key: state.pop(key) for key in ("network", "objective", "optimiser")},  # type: ignore[misc]
    **{f"without {key}": lambda state, key=key: state.pop(key) for key in ("progress", "log_bytes")},  # type: ignore[misc]
    **{f"{each.__name__}": each for each in (_wide, _few, _moment, _no_moment, _other_moments, _words)},
    **{
        f"{key} = {value!r}": _set(key, value)
        for key, value in (
            ("network", []), ("network", None), ("objective", 3), ("optimiser", "x"), ("optimiser", {}),
            ("optimiser.state", []), ("optimiser.state", {0: 1}), ("progress", []), ("progress.epoch", 0),
            ("progress.epoch", "first"), ("progress.batch", -1), ("progress.step", None), ("progress.best", {}),
            ("progress.best", {"top1": "x"}), ("progress.seen", {"name": 1}), ("progress.last", {"loss": "small"}),
            ("log_bytes", "many"), ("log_bytes", -1), ("log_bytes", None),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_state_that_does_not_fit_is_said_in_one_sentence(tmp_path: Path, saved: RunFolder, name: str) -> None:
    state = torch.load(saved.state, weights_only=True)
    CHANGES[name](state)
    made = trainer(tmp_path / "run")
    made.folder.log.write_text("{}\n" * 500)
    save_state(made.folder, state)
    words = r"the training state: .*state\.pt is damaged, or of another kind: "
    with pytest.raises(FacematchError, match=words) as caught:
        made.resume()
    assert len(caught.value.message) < 400 + len(str(tmp_path))
    assert caught.value.hint == "Start anew: --fresh moves the folder aside."


def test_code_in_a_state_is_not_run_and_how_to_run_it_not_told(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    torch.save({"network": Path("x")}, folder.state)
    with pytest.raises(FacematchError, match="it holds other things than tensors, numbers and text") as caught:
        load_state(folder)
    assert "weights_only" not in str(caught.value)


def test_what_is_left_of_a_run_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.state.write_bytes(b"half")
    for age, weights in ((9, folder.best), (5, folder.last), (1, folder.best)):
        weights.write_bytes(b"")
        os.utime(weights, (1e9 - age, 1e9 - age))
        with pytest.raises(FacematchError) as caught:
            load_state(folder)
        assert f"--set network.init_from={weights}" in caught.value.hint


def test_no_byte_of_a_state_can_change_without_a_word(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    progress = {"epoch": 2, "batch": 1, "step": 5}
    state = {"network": {"w": torch.arange(4.0)}, "objective": {}, "optimiser": {}, "progress": progress}
    save_state(folder, {**state, "log_bytes": 10})
    data, before = folder.state.read_bytes(), str(load_state(folder))
    unnoticed = []
    for place in range(len(data)):
        folder.state.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        try:
            assert str(load_state(folder)) == before, place
            unnoticed.append(place)
        except FacematchError:
            continue
    assert len(unnoticed) < len(data) / 2  # names and dates in the archive's directory, and what fills it up
    for length in range(0, len(data), 7):
        folder.state.write_bytes(data[:length])
        with pytest.raises(FacematchError):
            load_state(folder)


def test_a_state_of_an_earlier_version_is_taken(tmp_path: Path, saved: RunFolder) -> None:
    state = torch.load(saved.state, weights_only=True)
    del state["progress"]["last"]
    made = trainer(tmp_path / "run")
    save_state(made.folder, state)
    assert made.resume()
    assert made.at.step == 5
