"""Weights & Biases and MLflow beside TensorBoard: by the libraries where they are installed, else by doubles of them.

The doubles know what these tests use; the last test runs the same training log through the real ones, offline.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from command_helpers import Run
from facematch.core.errors import FacematchError
from facematch.pipeline.run_folder import RunFolder, read_log, start_run
from facematch.pipeline.run_log import TrainingLog
from facematch.pipeline.trackers import require_loggers
from facematch.settings.root import Settings

INSTALLED = [name for name in ("wandb", "mlflow") if importlib.util.find_spec(name) is not None]


class Recorded:
    """What both libraries were told; `broken` names a call that fails."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.broken = ""

    def told(self, name: str) -> list[Any]:
        return [each for call, each in self.calls if call == name]

    def note(self, name: str, value: Any = None) -> None:
        if name == self.broken:
            raise ConnectionError("no route to host")
        self.calls.append((name, value))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Put doubles in place of both libraries."""
    seen = Recorded()
    run = SimpleNamespace(
        url="", dir="offline", offline=True,
        define_metric=lambda *_, **__: None,
        log=lambda values: seen.note("wandb.log", values),
        finish=lambda exit_code: seen.note("wandb.finish", exit_code),
    )  # fmt: skip

    def init(**given: Any) -> Any:
        seen.note("wandb.init", given)
        return run

    class Client:
        def __init__(self, tracking_uri: str) -> None:
            seen.note("mlflow.client", tracking_uri)

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str) -> str:
            return "1"

        def create_run(self, experiment: str, run_name: str) -> Any:
            seen.note("mlflow.create", run_name)
            return SimpleNamespace(info=SimpleNamespace(run_id="r1"))

        def update_run(self, run_id: str, status: str) -> None:
            seen.note("mlflow.update", (run_id, status))

        def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
            assert len(metrics) <= 1000
            assert len(params) <= 100  # more at once are refused by its server
            for each in params:
                seen.note("mlflow.param", each)
            for each in metrics:
                seen.note("mlflow.metric", each)

        def set_terminated(self, run_id: str, status: str) -> None:
            seen.note("mlflow.end", (run_id, status))

    entities = {"Metric": lambda *given: given, "Param": lambda *given: given}
    doubles = {
        "wandb": {"init": init, "Settings": lambda **given: given},
        "mlflow": {"MlflowClient": Client},
        "mlflow.entities": entities,
    }
    for name, names in doubles.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, origin="double")
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def begun(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "checkpoints/small")
    start_run(folder, Settings(server={"url": "http://user:secret@host/results/"}), fresh=False)  # type: ignore[arg-type]
    return folder


def train(folder: RunFolder, steps: range, *, stop: bool = False, fail: bool = False) -> None:
    log = TrainingLog(folder, ("tensorboard", "wandb", "mlflow"))
    with log.running(stop):
        for step in steps:
            log.step(1, step, {"loss": 1 / (1 + step), "images": 3})  # type: ignore[dict-item]
        if fail:
            raise ZeroDivisionError
        log.epoch(1, steps.stop, {"validation": {"top-1": 0.5, "photo>synthetic": 0.25, "count": 8}})


def test_both_get_every_point_the_settings_and_the_end(tmp_path: Path, recorded: Recorded) -> None:
    train(begun(tmp_path), range(3))
    points = [{"step": step, "train/loss": 1 / (1 + step)} for step in range(3)]
    last = {"step": 3, "validation/top-1": 0.5, "validation/photo>synthetic": 0.25}
    assert recorded.told("wandb.log") == [*points, last]
    found = [(name, value, step) for name, value, _, step in recorded.told("mlflow.metric")]
    assert found == [
        *(("train/loss", 1 / (1 + step), step) for step in range(3)),
        ("validation/top-1", 0.5, 3),
        ("validation/photo_synthetic", 0.25, 3),  # MLflow takes no > in a name
    ]
    assert recorded.told("wandb.finish") == [0]
    assert recorded.told("mlflow.end") == [("r1", "FINISHED")]
    (given,) = recorded.told("wandb.init")
    assert given["config"] == {name: value for name, value in given["config"].items() if "secret" not in str(value)}
    assert given["config"]["training.epochs"] == 30
    assert ("training.epochs", "30") in recorded.told("mlflow.param")
    assert not [name for name, _ in recorded.told("mlflow.param") if name.startswith(("server", "paths"))]


def test_a_resumed_training_goes_on_with_the_same_runs(tmp_path: Path, recorded: Recorded) -> None:
    folder = begun(tmp_path)
    train(folder, range(3), stop=True)
    assert recorded.told("mlflow.end") == [("r1", "KILLED")]
    train(folder, range(3, 5))
    first, second = recorded.told("wandb.init")
    assert first["id"] == second["id"]
    assert (first["resume"], second["resume"]) == ("allow", "allow")
    assert recorded.told("mlflow.create") == ["small"]
    assert recorded.told("mlflow.update") == [("r1", "RUNNING")]


def test_a_training_that_fails_is_marked_so_with_what_it_had(tmp_path: Path, recorded: Recorded) -> None:
    with pytest.raises(ZeroDivisionError):
        train(begun(tmp_path), range(2), fail=True)
    assert recorded.told("wandb.finish") == [1]
    assert recorded.told("mlflow.end") == [("r1", "FAILED")]
    assert len(recorded.told("wandb.log")) == 2


@pytest.mark.parametrize("broken", ["wandb.init", "wandb.log", "wandb.finish", "mlflow.client", "mlflow.metric"])
def test_one_that_fails_is_said_once_and_the_training_goes_on(
    tmp_path: Path, recorded: Recorded, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    recorded.broken = broken
    folder = begun(tmp_path)
    train(folder, range(3))
    library = broken.partition(".")[0]
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("is left out from here on") == 1
    assert f"training.loggers: {library} is left out from here on: ConnectionError: no route to host" in said
    assert len(read_log(folder)) == 4
    other = recorded.told("mlflow.end") if library == "wandb" else recorded.told("wandb.finish")
    assert len(other) == 1


def test_a_damaged_note_of_the_runs_ends_no_training(
    tmp_path: Path, recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path)
    (folder.path / "trackers.json").write_text('{"runs": 3}')
    train(folder, range(1))
    assert "trackers.json" in capsys.readouterr().err
    assert recorded.calls == []


def test_one_that_is_not_installed_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr("facematch.pipeline.trackers.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    done = run("train", "--set", "training.loggers=[tensorboard, wandb]", "--set", "server.group=x")
    assert done.code == 1
    assert "training.loggers: tensorboard is not installed" in done.err
    assert "--set training.loggers=[wandb]" in " ".join(done.err.split())
    folder = ModuleSpec("wandb", None)  # a folder ./wandb, which the library itself leaves behind
    monkeypatch.setattr("facematch.pipeline.trackers.find_spec", lambda name: folder)
    with pytest.raises(FacematchError, match="wandb is not installed") as caught:
        require_loggers(("wandb",))
    assert caught.value.hint == "Run: pip install wandb. Or do without: --set training.loggers=[]"


def test_without_them_neither_is_imported_and_tensorboard_can_be_left_out(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    log = TrainingLog(folder, ())
    with log.running(False):
        log.step(1, 0, {"loss": 1.0})
        log.flush()
    assert not (folder.path / "tensorboard").exists()
    assert len(read_log(folder)) == 1
    assert not {"wandb", "mlflow"} & set(sys.modules)


@pytest.mark.skipif(len(INSTALLED) < 2, reason="wandb and mlflow are not installed")
def test_the_real_libraries_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "true")
    folder = begun(tmp_path)
    train(folder, range(3), stop=True)
    train(folder, range(3, 5))
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{(tmp_path / 'checkpoints/mlflow.db').as_posix()}")
    experiment = client.get_experiment_by_name("facematch")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status) == ("small", "FINISHED")
    curve = client.get_metric_history(found.info.run_id, "train/loss")
    assert [(each.step, each.value) for each in curve] == [(step, 1 / (1 + step)) for step in range(5)]
    files = list((folder.path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2  # two sessions …
    assert len({file.name for file in files}) == 1  # … of one run
    assert all(b"train/loss" in file.read_bytes() for file in files)
