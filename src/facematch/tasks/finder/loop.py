"""The finder's training loop. Everything random comes from (seed, epoch, scene), so a resumed run ends the same."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facematch.core.cores import single_threaded_opencv
from facematch.core.errors import FacematchError
from facematch.core.files import write_json
from facematch.core.machine import choose_device, uses_bf16
from facematch.evaluation.detection import DetectionFigures
from facematch.networks.finder import FinderNetwork, finder_input
from facematch.pipeline.run_folder import RunFolder
from facematch.pipeline.run_log import TrainingLog
from facematch.pipeline.run_state import Progress, StopRequest, load_state, reading_state, save_state, state_of
from facematch.pipeline.schedule import learning_rate
from facematch.settings.finder import FinderSettings
from facematch.settings.training import TrainingSettings
from facematch.tasks.finder.begin import begin_from
from facematch.tasks.finder.loss import cells, finder_loss
from facematch.tasks.finder.scenes import Scene, SceneMaker

_SAVE_EVERY_SECONDS = 60.0
_AVERAGED = 0.998  # what stays of the mean weights at each step
_MEASURED = 64  # scenes by which the norms of a finder to go on from are measured
_AHEAD = 4  # batches of scenes that are being made while one is learned

Validate = Callable[[FinderNetwork], DetectionFigures]
Keep = Callable[[FinderNetwork], None]
OnProgress = Callable[[int, float, float], None]
Batch = tuple[Tensor, list[Scene]]


def _moved(mean: Tensor, now: Tensor, steps: Tensor | int) -> Tensor:
    # The first means would else hold the random weights for long.
    stays = min(_AVERAGED, (1 + int(steps)) / (10 + int(steps)))
    return stays * mean + (1 - stays) * now


def _pictures(scenes: list[Scene]) -> Tensor:
    return torch.from_numpy(np.stack([each.image for each in scenes])).permute(0, 3, 1, 2)


class FinderTrainer:
    """One run: the network, the mean of its weights, which is what is used, its optimiser and how far it is."""

    def __init__(
        self, maker: SceneMaker, folder: RunFolder, finder: FinderSettings, training: TrainingSettings, seed: int
    ) -> None:
        self.maker, self.folder, self.finder, self.training, self.seed = maker, folder, finder, training, seed
        self.device = choose_device(training.device)
        self.bf16 = uses_bf16(training.precision, self.device)
        torch.manual_seed(seed)
        network = FinderNetwork(finder.width).to(self.device)
        self.network = network.to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.network, avg_fn=_moved, use_buffers=True)
        decayed = [each for each in self.network.parameters() if each.ndim > 1]
        others = [each for each in self.network.parameters() if each.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": training.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=training.learning_rate.head, betas=training.betas)
        self.per_epoch = math.ceil(finder.scenes / finder.batch)
        self.at = Progress()
        self.log = TrainingLog(folder, training.loggers)
        self.centres, self.strides = cells(finder.side, self.device)
        self.saved = time.monotonic()

    @property
    def averaged(self) -> FinderNetwork:
        """Return the network of averaged weights, as it is now."""
        module: FinderNetwork = self.average.module  # type: ignore[assignment]
        return module

    def resume(self) -> bool:
        """Go back to the saved state; returns whether there was one. Raises FacematchError where it does not fit."""
        state = load_state(self.folder)
        if state is None:
            self.log.cut(0)
            return False
        with reading_state(self.folder):
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["objective"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.at = state["progress"]
        self.log.cut(state["log_bytes"])
        return True

    def begin_from(self, file: Path) -> None:
        """Take the first weights from a finder's file. Raises FacematchError as `begin.begin_from`."""
        pictures = _pictures([self.maker((self.seed, 0, each)) for each in range(_MEASURED)])
        begin_from(self.network, file, finder_input(pictures.to(self.device)))

    def save(self) -> None:
        """Save everything needed to go on from here."""
        self.log.flush()
        save_state(self.folder, state_of(self.folder, self.at, self.network, self.average, self.optimiser))
        self.saved = time.monotonic()

    @single_threaded_opencv()
    def run(
        self,
        validate: Validate,
        keep: Keep,
        report: Callable[[str], None],
        progress: OnProgress,
        stop: StopRequest,
    ) -> None:
        """Train until the last epoch or a signal; the state is saved on leaving.

        `validate` measures a network, `keep` writes the best one, `report` shows one line for each epoch, `progress`
        gets (epoch, progress 0–1, loss) for each step.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(
            max(1, before // 2)
        )  # the others make scenes: more threads than cores wait for each other
        try:
            with self.log.running(stop):
                self._epochs(validate, keep, report, progress, stop)
        finally:
            torch.set_num_threads(before)

    def _epochs(
        self, validate: Validate, keep: Keep, report: Callable[[str], None], progress: OnProgress, stop: StopRequest
    ) -> None:
        at = self.at
        while at.epoch <= self.training.epochs and not stop:
            self.network.train()
            started, first = time.monotonic(), at.batch
            for batch in self._batches(at.epoch, at.batch):
                at.last = self._step(*batch)
                at.batch, at.step = at.batch + 1, at.step + 1
                progress(at.epoch, at.batch / self.per_epoch, at.last["loss"])
                if time.monotonic() - self.saved > _SAVE_EVERY_SECONDS:
                    self.save()
                if stop:
                    break
            if at.batch >= self.per_epoch:
                speed = (at.batch - first) * self.finder.batch / (time.monotonic() - started)
                self._conclude(validate, keep, report, speed)
        self.save()
        if not stop:
            reason = f"all {self.training.epochs} epochs done"
            write_json(
                self.folder.finished,
                {"epochs": self.training.epochs, "reason": reason, "best_epoch": at.best_epoch},
            )

    def _conclude(
        self,
        validate: Validate,
        keep: Keep,
        report: Callable[[str], None],
        speed: float,
    ) -> None:
        # The end of an epoch: validation, the best network, one line.
        at, text = self.at, ""
        figures = validate(self.averaged.eval())
        if at.best is None or figures.recall > float(str(at.best["recall"])):
            at.best, at.best_epoch, text = dict(vars(figures)), at.epoch, "  (best)"
            keep(self.averaged)
        self.log.epoch(at.epoch, at.step, {**at.last, "scenes_per_second": speed, "validation": dict(vars(figures))})
        error = "" if figures.point_error is None else f"  point error {figures.point_error:.3f}"
        report(
            f"epoch {at.epoch}/{self.training.epochs}  loss {at.last['loss']:.3f}  recall {figures.recall:.4f} at "
            f"{figures.false_faces:.3f} false faces a picture (score {figures.threshold:.2f}){error}  "
            f"{speed:.0f} scenes/s{text}"
        )
        at.epoch, at.batch = at.epoch + 1, 0

    def _step(self, pictures: Tensor, scenes: list[Scene]) -> dict[str, float]:
        training, at = self.training, self.at
        done = at.epoch - 1 + at.batch / self.per_epoch
        rate = learning_rate(training, training.learning_rate.head, at.step, done, self.per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        pictures = pictures.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            maps = self.network(finder_input(pictures))
        loss, parts = finder_loss(maps, scenes, self.centres, self.strides)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), training.gradient_norm or float("inf"))
        self.optimiser.step()
        self.average.update_parameters(self.network)
        line = {"loss": float(loss.detach()), "gradient_norm": float(norm), "learning_rate": rate}
        line |= {name: float(value) for name, value in parts.items()}
        self.log.step(at.epoch, at.step, line)
        if not math.isfinite(line["loss"]):
            raise FacematchError(
                f"the loss is {line['loss']} at epoch {at.epoch}, step {at.step}.",
                "Lower training.learning_rate.head, or set training.precision: fp32.",
            )
        return line

    def _batches(self, epoch: int, first: int) -> Iterator[Batch]:
        # Made by threads, a few batches ahead, in order.
        def made(batch: int) -> Batch:
            scenes = [self.maker((self.seed, epoch, batch, each)) for each in range(self.finder.batch)]
            return _pictures(scenes), scenes

        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(2, thread_name_prefix="scenes") as pool:
            try:
                for batch in range(first, self.per_epoch):
                    waiting.append(pool.submit(made, batch))
                    if len(waiting) > _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
