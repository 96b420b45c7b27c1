"""What a run writes while it goes: a JSON-lines file and curves, one entry for each step and epoch."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from facematch.core.errors import FacematchError
from facematch.pipeline.run_folder import RunFolder
from facematch.pipeline.trackers import End, Point, Trackers
from facematch.settings.training import Logger


class TrainingLog:
    """Appends to `log.jsonl` and to an event file of TensorBoard in the run folder, both when it is flushed.

    Of `loggers` TensorBoard is one; the others get the same points then.

    A resumed run's curves begin where its state was saved: later points of the stopped run are dropped. Raises
    FacematchError where the folder cannot be written.
    """

    def __init__(self, folder: RunFolder, loggers: Sequence[Logger] = ("tensorboard",)) -> None:
        self._folder = folder
        self._trackers = Trackers(folder, loggers)
        self._on_board = "tensorboard" in loggers
        self._lines: list[str] = []
        self._events = BytesIO()
        self._board: Path | None = None
        with self._written():
            folder.path.mkdir(parents=True, exist_ok=True)

    def step(self, epoch: int, step: int, values: dict[str, float]) -> None:
        """Log the figures of one training step."""
        self._add("step", epoch, step, values)
        self._draw("train", values, step)

    def epoch(self, epoch: int, step: int, values: dict[str, Any]) -> None:
        """Log the figures of one epoch; its validation becomes curves of their own."""
        self._add("epoch", epoch, step, values)
        self._draw("validation", values.get("validation", {}), step)
        self.flush()

    def flush(self) -> None:
        """Write what is waiting, so that the log is whole when the state is saved."""
        with self._written():
            with self._folder.log.open("a", encoding="utf-8") as opened:
                opened.writelines(self._lines)
            self._lines.clear()
            if self._board is not None:
                self._board.parent.mkdir(exist_ok=True)
                with self._board.open("ab") as board:
                    board.write(self._events.getvalue())
                self._events = BytesIO()
        self._trackers.flush()

    @contextmanager
    def running(self, stop: object) -> Iterator[None]:
        """Tell the trackers how what is done meanwhile ended: `stop` is true then where a signal stopped it."""
        end: End = "failed"
        try:
            yield
            end = "stopped" if stop else "finished"
        finally:
            self._trackers.close(end)

    def cut(self, length: int) -> None:
        """Shorten the log to its length when the state was saved, so that no step is in it twice."""
        log = self._folder.log
        if log.is_file() and log.stat().st_size > length:
            with self._written(), log.open("rb+") as opened:
                opened.truncate(length)

    def _add(self, kind: str, epoch: int, step: int, values: Mapping[str, Any]) -> None:
        self._lines.append(json.dumps({"kind": kind, "epoch": epoch, "step": step, **values}) + "\n")

    def _draw(self, group: str, values: Mapping[str, Any], step: int) -> None:
        points = {f"{group}/{name}": value for name, value in values.items() if isinstance(value, float)}
        self._trackers.draw(Point(step, time.time(), points))
        if self._on_board:
            self._draw_on_board(points, step)

    def _draw_on_board(self, points: Mapping[str, float], step: int) -> None:
        # Not by PyTorch's writer, whose thread prints a traceback where the disk is full.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        writer = RecordWriter(self._events)
        if self._board is None:
            name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
            self._board = self._folder.path / "tensorboard" / name
            started = SessionLog(status=SessionLog.START)  # drops what an earlier file has of this step and later ones
            for event in (Event(file_version="brain.Event:2"), Event(step=step, session_log=started)):
                writer.write(event.SerializeToString())
        drawn = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in points.items()])
        writer.write(Event(wall_time=time.time(), step=step, summary=drawn).SerializeToString())

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FacematchError(
                f"{self._folder.path} could not be written: {error.strerror or error}.",
                "Free space on the disk, then go on from what was saved last: --resume.",
            ) from error
