"""The training loop: batch, forward, loss, backward, clip, step; validate; keep the best.

Everything random comes from (seed, epoch, batch), so a stopped and resumed run ends with the same
weights, bit for bit, as an unbroken one on the same machine.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facematch.core.cores import single_threaded_opencv
from facematch.core.errors import FacematchError
from facematch.core.files import write_json
from facematch.core.machine import choose_device, loader_workers, uses_bf16
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.topk import Figures, figures_from_dict
from facematch.networks.embedding import EmbeddingNetwork, freeze_stages, set_training_mode
from facematch.pipeline.run_folder import RunFolder
from facematch.pipeline.run_log import TrainingLog
from facematch.pipeline.run_state import Progress, StopRequest, load_state, reading_state, save_state, state_of
from facematch.pipeline.schedule import learning_rate
from facematch.settings.training import TrainingSettings
from facematch.tasks.training.batches import epoch_batches
from facematch.tasks.training.data import (
    BLEND,
    COPIES,
    RENDERED,
    Augment,
    Drawn,
    TrainingSet,
    augmented_batches,
    with_blends,
)
from facematch.tasks.training.objective import Objective
from facematch.tasks.training.optimiser import build_optimiser, load_optimiser

_SAVE_EVERY_SECONDS = 60.0


@dataclass(frozen=True)
class Callbacks:
    """What the loop calls.

    `validate` measures retrieval on what `measured_on` names, unseen people or held-out photos, and `seen`, where there
    is one, the accuracy on held-out photos of the training people; `save` writes a checkpoint (file name, network,
    epoch, figures); `report` shows one line for each epoch and `progress` gets (epoch, progress 0–1, loss) for each
    step.
    Both measures are given the side in pixels to which training reduces its crops now, or None.
    """

    validate: Callable[[EmbeddingNetwork, int | None], Figures]
    save: Callable[[str, EmbeddingNetwork, int, Figures | None], None]
    report: Callable[[str], None]
    progress: Callable[[int, float, float], None]
    measured_on: str = "unseen people"
    seen: Callable[[EmbeddingNetwork, int | None], Estimate] | None = None


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: `stopped` by a signal (else 0), the best validation, its epoch, the accuracy then."""

    stopped: int
    best: Figures | None
    best_epoch: int
    epochs: int
    reason: str
    seen: Estimate | None = None


class Trainer:
    """One run: the network, what it learns from, its optimiser and how far it is."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        objective: Objective,
        data: TrainingSet,
        augment: Augment,
        folder: RunFolder,
        *,
        training: TrainingSettings,
        freeze: tuple[str, ...],
        seed: int,
    ) -> None:
        self.data, self.augment, self.folder = data, augment, folder
        self.training, self.freeze, self.seed = training, freeze, seed
        self.device = choose_device(training.device)
        self.bf16 = uses_bf16(training.precision, self.device)
        self.network = network.to(self.device)
        if training.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)
        freeze_stages(network, freeze)
        self.objective = objective.to(self.device)
        self.optimiser = build_optimiser(network, objective, training)
        self.batches_per_epoch = len(self._batches(1))
        self.at = Progress()
        self.log = TrainingLog(folder, training.loggers)
        self.saved = time.monotonic()

    def resume(self) -> bool:
        """Go back to the saved state; returns whether there was one. Raises FacematchError where it does not fit."""
        state = load_state(self.folder)
        if state is None:
            self.log.cut(0)
            return False
        with reading_state(self.folder):
            self.network.load_state_dict(state["network"])
            self.objective.load_state_dict(state["objective"])
            load_optimiser(self.optimiser, state["optimiser"])
            self.at = state["progress"]
            self.at.results()
        self.log.cut(state["log_bytes"])
        return True

    def save_state(self) -> None:
        """Save everything needed to go on from here."""
        self.log.flush()
        save_state(self.folder, state_of(self.folder, self.at, self.network, self.objective, self.optimiser))
        self.saved = time.monotonic()

    @single_threaded_opencv()
    def run(self, callbacks: Callbacks, stop: StopRequest) -> TrainingResult:
        """Train until the last epoch, early stopping or a signal; the state is saved on leaving."""
        with self.log.running(stop):
            return self._train(callbacks, stop)

    def _train(self, callbacks: Callbacks, stop: StopRequest) -> TrainingResult:
        at = self.at
        while (reason := self._ended()) is None:
            batches, started, first = self._batches(at.epoch), time.monotonic(), at.batch
            images = self._images(batches)
            set_training_mode(self.network, self.freeze)
            while at.batch < len(batches) and not stop:
                at.last = self._step(next(images), batches[at.batch], at.epoch - 1 + at.batch / len(batches))
                at.batch, at.step = at.batch + 1, at.step + 1
                callbacks.progress(at.epoch, at.batch / len(batches), at.last["loss"])
                self._save_sometimes()
            if not stop:
                seconds, photos = time.monotonic() - started, sum(map(len, batches[first:]))
                self._validate(callbacks, photos / max(seconds, 1e-9), None if first else started)
                at.epoch, at.batch = at.epoch + 1, 0
            if stop:
                self.save_state()
                callbacks.save("last", self.network, at.epoch, None)
                return self._result(stop.signal, "stopped")
            self._save_sometimes()
        self.save_state()
        callbacks.save("last", self.network, at.epoch - 1, None)
        result = self._result(0, reason)
        write_json(self.folder.finished, {"epochs": result.epochs, "reason": reason, "best_epoch": result.best_epoch})
        return result

    def _ended(self) -> str | None:
        training, at = self.training, self.at
        if training.patience is not None and at.without_better >= training.patience:
            return f"no better {training.choose_by} in {training.patience} validations"
        return f"all {training.epochs} epochs done" if at.epoch > training.epochs else None

    def _save_sometimes(self) -> None:
        if time.monotonic() - self.saved > _SAVE_EVERY_SECONDS:
            self.save_state()

    def _images(self, batches: list[NDArray[np.int64]]) -> Iterator[Drawn]:
        return augmented_batches(
            self.data.images,
            self.augment,
            batches,
            seed=self.seed,
            epoch=self.at.epoch,
            first=self.at.batch,
            workers=loader_workers(self.training.workers, self.device),
            size=self.training.size_at(self.at.epoch),
            blends=self.data.blends,
        )

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        people, photos = self.training.identities_per_batch, self.training.photos_per_identity
        share = self.data.blends.share if self.data.blends is not None else 0
        known = max(1, round(people * (1 - share)))
        batches = epoch_batches(
            self.training.sampling,
            self.data.labels,
            known,
            photos,
            seed=self.seed,
            epoch=epoch,
            domains=self.data.domains,
        )
        return with_blends(batches, share)

    def _step(self, drawn: Drawn, batch: NDArray[np.int64], epochs_done: float) -> dict[str, float]:
        training = self.training
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(training, group["base_lr"], self.at.step, epochs_done, self.batches_per_epoch)
        torch.manual_seed((self.seed << 32) + self.at.step)  # dropout
        labels = torch.from_numpy(np.where(batch == BLEND, -1, self.data.labels[batch])).to(self.device)
        domains = torch.from_numpy(self._domains(drawn, batch)).to(self.device)
        targets = self._targets(batch, drawn.asked)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            embeddings = self.network(drawn.images.to(self.device, non_blocking=True))
        value = self.objective(embeddings, labels, targets, self.at.epoch, domains)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(value.loss)
        norm = value.loss.new_zeros(())
        if training.gradient_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.network.parameters(), training.gradient_norm)
        self.optimiser.step()
        scalars = {"loss": value.loss.detach(), **value.diagnostics, "gradient_norm": norm}
        numbers = torch.stack([each.float() for each in scalars.values()]).tolist()  # waits for the device once
        line = dict(zip(scalars, numbers, strict=True)) | {"learning_rate": self.optimiser.param_groups[0]["lr"]}
        self.log.step(self.at.epoch, self.at.step, line)
        if not math.isfinite(line["loss"]):
            raise FacematchError(
                f"the loss is {line['loss']} at epoch {self.at.epoch}, step {self.at.step}.",
                "Lower training.learning_rate, set training.gradient_norm, or training.precision: fp32.",
            )
        self.objective.watch(line, self.at.epoch)
        return line

    def _domains(self, drawn: Drawn, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        photos = np.zeros(len(batch), np.int64) if self.data.domains is None else self.data.domains[batch]
        return np.where(drawn.rendered, RENDERED, photos)

    def _targets(self, batch: NDArray[np.int64], new_faces: NDArray[np.uint8]) -> Tensor | None:
        # What the teacher makes of a batch's photos, known before, and of its blends, which it embeds now.
        if self.data.targets is None:
            return None
        targets = self.data.targets[batch]
        if self.data.blends is not None:
            new = batch == BLEND
            if new.any():
                targets[new] = np.repeat(self.data.blends.embed(new_faces), COPIES, axis=0)[: new.sum()]
        return torch.from_numpy(targets).to(self.device)

    def _validate(self, callbacks: Callbacks, speed: float, started: float | None) -> None:
        # `started`: when the epoch began, for the time left; None for an epoch resumed half-way.
        at, training = self.at, self.training
        line: dict[str, Any] = {**at.last, "images_per_second": speed}
        text = f"epoch {at.epoch}/{training.epochs}  loss {at.last.get('loss', 0):.4f}  "
        text += self.objective.summary(at.last, at.epoch)
        if at.epoch % training.validate_every == 0 or at.epoch == training.epochs:
            size = training.size_at(at.epoch)
            figures = callbacks.validate(self.network, size)
            seen = callbacks.seen(self.network, size) if callbacks.seen is not None else None
            line |= {"validation": figures.as_dict(), **({} if seen is None else {"seen": seen.as_dict()})}
            text += f"  {callbacks.measured_on}: {_validation_line(figures)}"
            text += "" if seen is None else f"  seen people: accuracy {seen.value:.3f}"
            if size != training.size_at(max(1, at.best_epoch)):  # what was best on smaller crops is not compared
                at.best, at.without_better = None, 0
            if at.best is None or _chosen(figures, training) > _chosen(figures_from_dict(at.best), training):
                at.best, at.best_epoch, at.without_better = figures.as_dict(), at.epoch, 0
                at.seen = None if seen is None else seen.as_dict()
                callbacks.save("best", self.network, at.epoch, figures)
                text += "  (best)"
            else:
                at.without_better += 1
        self.log.epoch(at.epoch, at.step, line)
        minutes = (training.epochs - at.epoch) * (time.monotonic() - started) / 60 if started is not None else 0
        text += f"  {speed:.0f} photos/s" if speed else ""  # an epoch of which only the validation was left
        callbacks.report(text + (f"  {minutes:.0f} min left" if minutes >= 1 else ""))

    def _result(self, stopped: int, reason: str) -> TrainingResult:
        best, seen = self.at.results()
        return TrainingResult(stopped, best, self.at.best_epoch, self.at.epoch - 1, reason, seen)


def _chosen(figures: Figures, training: TrainingSettings) -> float:
    # The figure by which validations are compared; of a mixture its mean, weighted.
    if figures.over is None:
        return figures.chosen_by(training.choose_by)
    weights = training.choose_over
    return sum(weights[name] * value for name, value in figures.over.items()) / sum(weights.values())


def _validation_line(figures: Figures) -> str:
    """Return the figures of one validation in a few words."""
    text = f"top-1 {figures.top1:.3f}  top-10 {figures.top10:.3f}"
    precision = figures.mean_average_precision
    text = text if precision is None else f"mAP {precision:.3f}  {text}"
    return text + "".join(f"  {name} {value:.3f}" for name, value in (figures.over or {}).items())
