"""What a run tells while it goes: a JSON-lines file and TensorBoard, one entry for each step and epoch."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facematch.errors import FacematchError
from facematch.training.run_folder import RunFolder


class TrainingLog:
    """Appends to `log.jsonl` and to TensorBoard's event files in the run folder.

    A resumed run's curves begin where its state was saved: later points of the stopped run are dropped. Raises
    FacematchError where the folder cannot be written.
    """

    def __init__(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lines: list[str] = []
        self._board: Any = None

    def step(self, epoch: int, step: int, values: dict[str, float]) -> None:
        """Log the figures of one training step."""
        self._add({"kind": "step", "epoch": epoch, "step": step, **values})
        self._draw("train", values, step)

    def epoch(self, epoch: int, step: int, values: dict[str, Any]) -> None:
        """Log the figures of one epoch; its validation becomes TensorBoard curves of their own."""
        self._add({"kind": "epoch", "epoch": epoch, "step": step, **values})
        self._draw("validation", values.get("validation", {}), step)
        self.flush()

    def flush(self) -> None:
        """Write what is waiting, so that the log is whole when the state is saved."""
        with self._written():
            with self._folder.log.open("a", encoding="utf-8") as opened:
                opened.writelines(self._lines)
            self._lines.clear()
            if self._board is not None:
                self._board.flush()

    def cut(self, length: int) -> None:
        """Shorten the log to its length when the state was saved, so that no step stands in it twice."""
        log = self._folder.log
        if log.is_file() and log.stat().st_size > length:
            with self._written(), log.open("rb+") as opened:
                opened.truncate(length)

    def _add(self, values: dict[str, Any]) -> None:
        self._lines.append(json.dumps(values) + "\n")

    def _draw(self, group: str, values: dict[str, Any], step: int) -> None:
        with self._written():
            if self._board is None:
                from torch.utils.tensorboard.writer import SummaryWriter

                self._board = SummaryWriter(str(self._folder.path / "tensorboard"), purge_step=step)
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{group}/{name}", value, step)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FacematchError(
                f"{self._folder.path} could not be written: {error.strerror or error}.",
                "Free space on the disk, then go on from what was saved last: --resume.",
            ) from error
