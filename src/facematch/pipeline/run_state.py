"""Where a run stops and goes on: its state is written whole, read with every byte checked, and never as code.

SIGINT and SIGTERM ask the loop to finish its step, save and leave; a second one ends at once.
"""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Annotated, Any
from zipfile import ZipFile

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors.torch import save_file
from torch import nn

from facematch.core.errors import FacematchError
from facematch.core.files import replacing
from facematch.core.foreign import reading
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.topk import Figures, figures_from_dict
from facematch.pipeline.run_folder import RunFolder, from_its_weights, settings_of
from facematch.settings.root import Settings

_ESTIMATE = TypeAdapter(Estimate)


@dataclass
class Progress:
    """How far a run is. Saved with the state."""

    epoch: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = 0
    best: dict[str, object] | None = None
    best_epoch: int = 0
    without_better: int = 0
    seen: dict[str, object] | None = None  # the accuracy on seen people at the best validation
    last: dict[str, float] = field(default_factory=dict)  # the figures of the epoch's last step so far

    @property
    def begun(self) -> int:
        """Return how many epochs were begun."""
        return self.epoch if self.batch else self.epoch - 1

    def results(self) -> tuple[Figures | None, Estimate | None]:
        """Return the best validation and the accuracy on seen people then."""
        return (
            None if self.best is None else figures_from_dict(self.best),
            None if self.seen is None else _ESTIMATE.validate_python(self.seen),
        )


def check_state(folder: RunFolder, settings: Settings) -> None:
    """Raise FacematchError for a damaged state, for fewer epochs than were begun, and where a run's end left none."""
    state = load_state(folder)
    if state is None and folder.finished.is_file():
        raise FacematchError(
            f"the run in {folder.path} is finished and has no {folder.state.name}, so it cannot be made longer.",
            from_its_weights(folder),
        )
    begun, lasts = 0 if state is None else state["progress"].begun, settings_of(folder).training.epochs
    if settings.training.epochs < begun:
        raise FacematchError(
            f"training.epochs is {settings.training.epochs}, but the run in {folder.path} is in epoch {begun} "
            f"of {lasts}.",
            f"A run can be made longer, not shorter than it is. As it was: --set training.epochs={lasts}",
        )


def state_of(
    folder: RunFolder, at: Progress, network: nn.Module, objective: nn.Module, optimiser: torch.optim.Optimizer
) -> dict[str, Any]:
    """Return everything needed to go on from here, the length of the log with it."""
    return {
        "network": network.state_dict(),
        "objective": objective.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": vars(at),
        "log_bytes": folder.log.stat().st_size if folder.log.is_file() else 0,
    }


def save_state(folder: RunFolder, state: dict[str, Any]) -> None:
    """Write the training state, whole or not at all."""
    with replacing(folder.state) as temporary:
        torch.save(state, temporary)


def load_state(folder: RunFolder) -> dict[str, Any] | None:
    """Read the training state without running code; None when the run had not saved one yet.

    Raises FacematchError when one byte of it is not what was written.
    """
    if not folder.state.is_file():
        return None
    with reading_state(folder):
        with ZipFile(folder.state) as archive:
            if part := archive.testzip():  # torch writes a checksum of every part and never looks at it
                raise ValueError(f"{part} is not what was written")
        try:
            state = torch.load(folder.state, map_location="cpu", weights_only=True)
        except UnpicklingError:  # whose words are how to load it all the same
            raise ValueError("it holds other things than tensors, numbers and text") from None
        if missing := {"network", "objective", "optimiser", "progress", "log_bytes"}.difference(state):
            raise ValueError(f"{', '.join(sorted(missing))} is missing")
        if not isinstance(state["log_bytes"], int) or state["log_bytes"] < 0:
            raise ValueError("log_bytes is no length")
        return {**state, "progress": TypeAdapter(Progress).validate_python(state["progress"])}


@contextmanager
def reading_state(folder: RunFolder) -> Iterator[None]:
    """Turn whatever taking over a training state raises into one FacematchError that names what can be used instead."""
    with reading(folder.state, "the training state", from_its_weights(folder)):
        try:
            yield
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def save_classes(path: Path, objective: nn.Module, people: Sequence[str]) -> None:
    """Write an objective's weights beside the network's, whole or not at all, with whom its classes are, in order.

    They classify the training people; retrieval needs none of them.
    """
    tensors = {name: each.detach().cpu().contiguous() for name, each in objective.named_parameters()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"people": json.dumps(list(people))})


class StopRequest:
    """Holds the signal that asked to stop, 0 when none did."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Yield a request that SIGINT and SIGTERM set. Outside the main thread signals are left alone."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: FrameType | None) -> None:
        request.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
