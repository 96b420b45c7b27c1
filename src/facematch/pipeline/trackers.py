"""Where a run's curves go beside its own log: Weights & Biases and MLflow, each imported only where it is asked for.

A tracker that fails is named once and left out; the training goes on. Which run it was is kept in the run folder, so
that a resumed training continues it there. Points are sent when the log is written, so none is drawn twice.
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from facematch.core.console import info, warn
from facematch.core.errors import FacematchError, silenced
from facematch.core.files import write_json
from facematch.core.foreign import read_as
from facematch.core.text import brief
from facematch.pipeline.run_folder import RunFolder, flat, settings_of
from facematch.settings.training import Logger

End = Literal["finished", "stopped", "failed"]
PROJECT = "facematch"  # of Weights & Biases, experiment of MLflow, unless the environment names another
_INSTALL: Mapping[Logger, str] = {
    "tensorboard": "pip install 'facematch[train]'",
    "wandb": "pip install wandb",
    "mlflow": "pip install mlflow",
}
# What decides a network's weights is told; folders of photos and the server's address are not.
_TOLD = ("name", "seed", "faces.", "augment", "network.", "loss.", "training.", "finder.", "ranking.")
_AT_ONCE = 1000  # metrics, and 100 parameters, in one call of MLflow
_PARAMETERS_AT_ONCE = 100
_VALUE = 250  # characters of a parameter


@dataclass(frozen=True)
class Point:
    """The figures of one step, by their names such as `train/loss`; `seconds` since 1970."""

    step: int
    seconds: float
    values: Mapping[str, float]


class Tracker(Protocol):
    """Draws the curves of one run."""

    id: str

    def send(self, points: Sequence[Point]) -> None:
        """Draw points, in the order of their steps."""

    def close(self, end: End) -> None:
        """Say how the run ended."""


class _Kept(BaseModel):
    runs: dict[str, str] = {}


class Trackers:
    """The trackers of one run. Nothing here raises: what fails is said and left out from then on."""

    def __init__(self, folder: RunFolder, names: Sequence[Logger]) -> None:
        self._folder = folder
        self._points: list[Point] = []
        self._names: list[Logger] = [name for name in dict.fromkeys(names) if name != "tensorboard"]
        self._started: dict[Logger, Tracker] = {}

    def draw(self, point: Point) -> None:
        """Keep a point until it is sent."""
        if self._names:
            self._points.append(point)

    def flush(self) -> None:
        """Send what is waiting."""
        points, self._points = self._points, []
        for name in list(self._names) if points else ():
            with self._left_out_where_it_fails(name):
                if name not in self._started:
                    self._started[name] = self._start(name)
                self._started[name].send(points)

    def close(self, end: End) -> None:
        """Send what is waiting, and say how the run ended."""
        self.flush()
        for name, tracker in self._started.items():
            if name in self._names:
                with self._left_out_where_it_fails(name):
                    tracker.close(end)

    def _start(self, name: Logger) -> Tracker:
        path = self._folder.path / "trackers.json"
        kept = _Kept()
        if path.is_file():
            kept = read_as(_Kept, path, "the run's trackers", "Remove it: a new run begins there.")
        told = {key: each for key, each in flat(settings_of(self._folder)).items() if key.startswith(_TOLD)}
        kind = _WeightsAndBiases if name == "wandb" else _MlflowRun
        with silenced():
            tracker = kind(self._folder.path, told, kept.runs.get(name))
        if kept.runs.get(name) != tracker.id:
            write_json(path, {"runs": {**kept.runs, name: tracker.id}})
        return tracker

    @contextmanager
    def _left_out_where_it_fails(self, name: Logger) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of a library and its server: nothing of theirs may end a training
            self._names.remove(name)
            warn(f"training.loggers: {name} is left out from here on: {type(error).__name__}: {brief(error, 200)}")


class _WeightsAndBiases:
    # A redone step is a later point of the same curve: the library's own counter takes no step twice.

    def __init__(self, folder: Path, told: Mapping[str, Any], kept: str | None) -> None:
        import wandb

        self.id = kept or secrets.token_hex(4)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            id=self.id,
            resume="allow",
            dir=str(folder),
            config=dict(told),
            allow_val_change=True,
            settings=wandb.Settings(silent=True, console="off"),
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        info(f"wandb: {self._run.dir if self._run.offline else self._run.url}", wrap=False)

    def send(self, points: Sequence[Point]) -> None:
        for point in points:
            self._run.log({**point.values, "step": point.step})

    def close(self, end: End) -> None:
        self._run.finish(exit_code=0 if end == "finished" else 1)


class _MlflowRun:
    _ENDS: Mapping[End, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}

    def __init__(self, folder: Path, told: Mapping[str, Any], kept: str | None) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        here = f"sqlite:///{(folder.parent / 'mlflow.db').absolute().as_posix()}"
        address = os.environ.get("MLFLOW_TRACKING_URI") or here
        self._client = MlflowClient(tracking_uri=address)
        if kept is not None:
            self.id = kept
            self._client.update_run(kept, status="RUNNING")
        else:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            found = self._client.get_experiment_by_name(name)
            number = self._client.create_experiment(name) if found is None else found.experiment_id
            self.id = self._client.create_run(number, run_name=folder.name).info.run_id
            params = [Param(key, brief(each, _VALUE)) for key, each in told.items()]
            for first in range(0, len(params), _PARAMETERS_AT_ONCE):
                self._client.log_batch(self.id, params=params[first : first + _PARAMETERS_AT_ONCE])
        info(f"mlflow: run {self.id} in {address}", wrap=False)

    def send(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(re.sub(r"[^\w\-. /]", "_", name), value, int(point.seconds * 1000), point.step)
            for point in points
            for name, value in point.values.items()
        ]
        for first in range(0, len(metrics), _AT_ONCE):
            self._client.log_batch(self.id, metrics=metrics[first : first + _AT_ONCE])

    def close(self, end: End) -> None:
        self._client.set_terminated(self.id, status=self._ENDS[end])


def require_loggers(names: Sequence[Logger]) -> None:
    """Raise FacematchError for a logger that is asked for and not installed."""
    for name in names:
        found = find_spec(name)
        if found is None or found.origin is None:  # a folder of that name is no package
            others = [each for each in names if each != name]
            raise FacematchError(
                f"training.loggers: {name} is not installed.",
                f"Run: {_INSTALL[name]}. Or do without: --set training.loggers=[{', '.join(others)}]",
            )
