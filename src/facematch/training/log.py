"""What a run tells while it goes: a JSON-lines file and TensorBoard, one entry for each step and epoch."""

import json
import warnings
from typing import Any

from facematch.training.run_folder import RunFolder


class TrainingLog:
    """Appends to `log.jsonl` and to TensorBoard's event files in the run folder."""

    def __init__(self, folder: RunFolder) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        folder.path.mkdir(parents=True, exist_ok=True)
        self._path = folder.log
        self._lines: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._board = SummaryWriter(str(folder.path / "tensorboard"))

    def step(self, epoch: int, step: int, values: dict[str, float]) -> None:
        """Log the figures of one training step."""
        self._add({"kind": "step", "epoch": epoch, "step": step, **values})
        for name, value in values.items():
            self._board.add_scalar(f"train/{name}", value, step)

    def epoch(self, epoch: int, step: int, values: dict[str, Any]) -> None:
        """Log the figures of one epoch; its validation becomes TensorBoard curves of their own."""
        self._add({"kind": "epoch", "epoch": epoch, "step": step, **values})
        for name, value in values.get("validation", {}).items():
            if isinstance(value, float):
                self._board.add_scalar(f"validation/{name}", value, step)
        self.flush()

    def flush(self) -> None:
        """Write what is waiting, so that the log is whole when the state is saved."""
        with self._path.open("a", encoding="utf-8") as opened:
            opened.writelines(self._lines)
        self._lines.clear()
        self._board.flush()

    def _add(self, values: dict[str, Any]) -> None:
        self._lines.append(json.dumps(values) + "\n")
