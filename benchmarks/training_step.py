"""How much of the bare training step the loop reaches, with its sampler, loader, augmentation and log.

    python benchmarks/training_step.py [--backbone resnet50] [--size 112] [--images 512] [--batch 64] [--rounds 5]

The loop is `Trainer.run` itself, as `train.py` calls it, on made crops in memory: one epoch a round. The bare step is
forward, triplet loss, backward and optimiser on one batch that never changes, in the loop's precision and on its
device, as often as an epoch has batches. After each epoch of the loop the bare steps are timed, and the augmentation
alone on one core. The first epoch warms up. Validation is left out of both: the loop's own costs nothing here.

The bound says what is possible: seconds of the bare step and core-seconds of augmentation, shared by all cores. Where
the network runs on these cores the two add up; on a GPU they overlap, and the longer one counts.

Before anything is timed, the loop's batches have to be the very crops that its sampler names, unaugmented where there
is no augmentation, with the given one those that each crop's seed makes; every crop has to come in an epoch; and the
loss of the bare step has to be finite. That of each step of the loop is checked in the loop's log.
"""

import argparse
import copy
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facematch.core.machine import loader_workers
from facematch.evaluation.topk import Figures
from facematch.losses.triplet import triplet_loss
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.pipeline.run_folder import RunFolder, read_log
from facematch.pipeline.run_state import StopRequest
from facematch.pipeline.timing import machine, seconds_of
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.settings.training import LossSettings, TrainingSettings
from facematch.tasks.training.augment import FACE_DEFAULT, Augmentation, build_augmentation
from facematch.tasks.training.batches import epoch_batches
from facematch.tasks.training.data import TrainingSet, augmented_batches, picture_seed
from facematch.tasks.training.loop import Callbacks, Trainer
from facematch.tasks.training.objective import build_objective
from facematch.tasks.training.optimiser import build_optimiser

PHOTOS, EMBEDDING, MARGIN, SEED = 4, 256, 0.2, 1
AUGMENTED = 512  # crops whose augmentation alone is timed
OF_BARE, OF_BOUND = 0.8, 0.9  # the reach

Images = NDArray[np.uint8]


@dataclass
class Rounds:
    """Seconds of each round, the first of which warms up."""

    loop: list[float] = field(default_factory=list)  # an epoch
    bare: list[float] = field(default_factory=list)  # as many steps
    augmentation: list[float] = field(default_factory=list)  # core-seconds for one crop


def made_crops(count: int, size: int) -> TrainingSet:
    """Return crops of people with PHOTOS each: the person's coarse pattern under the photo's own light, and grain."""
    rng, images, labels = np.random.default_rng(0), [], np.arange(count, dtype=np.int64) // PHOTOS
    for _ in range(count // PHOTOS):
        pattern = cv2.resize(rng.uniform(-60, 60, (7, 7, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
        for _ in range(PHOTOS):
            light = np.linspace(rng.uniform(70, 190), rng.uniform(70, 190), size)[:, None, None]
            grain = rng.normal(scale=6, size=(size, size, 3))
            images.append(np.clip(pattern + light + grain, 0, 255).astype(np.uint8))
    return TrainingSet(np.stack(images), labels, people=count // PHOTOS)


def settings(batch: int, epochs: int) -> TrainingSettings:
    """Return the loop's defaults for a batch size, without validation and early stopping."""
    return TrainingSettings(
        epochs=epochs,
        identities_per_batch=batch // PHOTOS,
        photos_per_identity=PHOTOS,
        validate_every=epochs,
        patience=None,
        collapse_steps=10**9,  # the guard watches, but made crops teach nothing and must not stop the run
    )


def made_trainer(
    network: EmbeddingNetwork, data: TrainingSet, augment: Augmentation, folder: Path, training: TrainingSettings
) -> Trainer:
    """Return the loop as `facematch train` makes it, with semi-hard triplets."""
    loss, run = LossSettings(mining="semi-hard", margin=MARGIN), RunFolder(folder / "run")
    objective = build_objective(loss, training, MARGIN, dimensions=EMBEDDING, people=data.people, seed=SEED)
    return Trainer(network, objective, data, augment, run, training=training, freeze=(), seed=SEED)


def bare_steps(
    network: EmbeddingNetwork, like: Trainer, images: Tensor, labels: Tensor, steps: int
) -> Callable[[], float]:
    """Return a function that does some bare steps in the loop's precision and layout and returns the last loss."""
    device, bf16, training = like.device, like.bf16, like.training
    network = network.to(device).train()
    if training.channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimiser = build_optimiser(network, None, training)
    images, labels = images.to(device), labels.to(device)

    def work() -> float:
        for _ in range(steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                embeddings = network(images)
            loss = triplet_loss(embeddings, labels, mining="semi-hard", margin=MARGIN).loss
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
        return float(loss.detach())  # waits for the device

    return work


def core_seconds(augment: Augmentation, images: Images) -> float:
    """Return the processor's seconds that the augmentation of one crop takes, on one core."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    began = time.thread_time()
    for seed, image in enumerate(images):
        augment(image, seed)
    taken = time.thread_time() - began
    cv2.setNumThreads(threads)
    return taken / len(images)


def first_epoch(training: TrainingSettings, data: TrainingSet) -> list[NDArray[np.int64]]:
    """Return which crops the batches of the loop's first epoch hold."""
    people, photos = training.identities_per_batch, training.photos_per_identity
    return epoch_batches(training.sampling, data.labels, people, photos, seed=SEED, epoch=1)


def check_batches(trainer: Trainer, augment: Augmentation, batches: list[NDArray[np.int64]]) -> None:
    """Leave unless the loader gives the sampler's crops, augmented by their seeds, and an epoch shows them all."""
    data = trainer.data
    if set(np.concatenate(batches).tolist()) != set(range(len(data.images))):
        raise SystemExit("an epoch does not show every crop")

    def loaded(by: Augmentation) -> Iterable[Tensor]:
        workers = loader_workers(trainer.training.workers, trainer.device)
        drawn = augmented_batches(data.images, by, batches[:2], seed=SEED, epoch=1, first=0, workers=workers)
        return (each.images for each in drawn)

    for number, (batch, plain, changed) in enumerate(
        zip(batches, loaded(Augmentation(())), loaded(augment), strict=False)
    ):
        crops = data.images[batch]
        if not np.array_equal(plain.numpy(), crops):
            raise SystemExit(f"batch {number} without augmentation is not the crops that the sampler names")
        made = [augment(crop, picture_seed(SEED, 1, number, place)) for place, crop in enumerate(crops)]
        if changed.dtype != torch.uint8 or not np.array_equal(changed.numpy(), np.stack(made)):
            raise SystemExit(f"batch {number} is not what the augmentation makes of the sampler's crops")


def check_log(folder: RunFolder, steps: int, epochs: int) -> None:
    """Leave unless the loop's log has as many steps as it should, each with a finite loss."""
    lines = [line for line in read_log(folder) if line["kind"] == "step"]
    if len(lines) != steps * epochs or not all(math.isfinite(line["loss"]) for line in lines):
        raise SystemExit(f"the loop's log holds {len(lines)} steps of {steps * epochs}, or a loss that is not finite")


def run_in_turn(trainer: Trainer, bare: Callable[[], float], augment: Augmentation, images: Images) -> Rounds:
    """Run the loop; after each epoch, do the bare steps and the augmentation alone."""
    rounds, began = Rounds(), time.perf_counter()

    def report(_: str) -> None:  # the loop calls this at the end of an epoch
        nonlocal began
        ended = time.perf_counter()
        rounds.loop.append(ended - began)
        rounds.bare.append(seconds_of(bare))
        rounds.augmentation.append(core_seconds(augment, images))
        began = time.perf_counter()
        trainer.saved += began - ended  # it saves its state once a minute of its own

    nothing = Figures(0, 0, 0, None, 0, 0, 0)
    callbacks = Callbacks(lambda *_: nothing, lambda *_: None, report, lambda *_: None)
    trainer.run(callbacks, StopRequest())
    return rounds


def show(rounds: Rounds, images: int, cores: int, *, together: bool) -> None:
    """Print images a second, and what the loop reaches of the bare step and of the bound, round by round."""
    loop, bare = ([images / each for each in times[1:]] for times in (rounds.loop, rounds.bare))
    augmentation = rounds.augmentation[1:]
    # Where the network runs on the cores that augment, their work adds up; beside a GPU it goes on meanwhile.
    parts = [(1 / rate, each / cores) for rate, each in zip(bare, augmentation, strict=True)]
    bound = [1 / (sum(pair) if together else max(pair)) for pair in parts]
    print(f"bare step: {median(bare):.1f} images/s; the loop: {median(loop):.1f}; the bound: {median(bound):.1f}")
    print(f"augmentation: {median(augmentation) * 1000:.2f} ms of a core for an image")
    for name, whole, reach in (("the bare step", bare, OF_BARE), ("the bound", bound, OF_BOUND)):
        shares = [a / b for a, b in zip(loop, whole, strict=True)]
        print(
            f"the loop reaches {median(shares):.3f} of {name} [{min(shares):.3f}–{max(shares):.3f}], "
            f"medians of {len(shares)}; reach: {reach}"
        )


def main() -> int:
    """Check, time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.batch < 2 * PHOTOS or options.batch % PHOTOS or options.images < 1 or options.images % options.batch:
        parser.error(f"--batch is a multiple of {PHOTOS}, at least {2 * PHOTOS}, and --images a multiple of --batch")
    data, training = made_crops(options.images, options.size), settings(options.batch, options.rounds + 1)
    augment = build_augmentation(FACE_DEFAULT, options.size)
    torch.manual_seed(SEED)
    network = EmbeddingNetwork(NetworkSpec(options.backbone, EMBEDDING, True, IMAGENET_MEAN, IMAGENET_STD))
    with tempfile.TemporaryDirectory() as folder:
        trainer = made_trainer(copy.deepcopy(network), data, augment, Path(folder), training)
        batches = first_epoch(training, data)
        check_batches(trainer, augment, batches)
        fixed, labels = data.images[batches[0]], data.labels[batches[0]]
        bare = bare_steps(network, trainer, torch.from_numpy(fixed), torch.from_numpy(labels), len(batches))
        if not math.isfinite(loss := bare()):
            raise SystemExit(f"the loss of the bare step is {loss}")
        workers = loader_workers(training.workers, trainer.device)
        print(
            f"{machine()}, {trainer.device}, {'bf16' if trainer.bf16 else 'fp32'}, PyTorch {torch.__version__}, "
            f"{torch.get_num_threads()} threads, {workers} loader workers\n{options.backbone}, {options.images} crops "
            f"of {options.size}×{options.size}, {len(batches)} batches of {options.batch} an epoch\n"
            "the loop's batches are the sampler's crops, augmented by their seeds; the loss is finite"
        )
        rounds = run_in_turn(trainer, bare, augment, data.images[:AUGMENTED])
        check_log(trainer.folder, len(batches), training.epochs)
    show(rounds, options.images, os.cpu_count() or 1, together=trainer.device.type == "cpu")
    return 0


if __name__ == "__main__":
    sys.exit(main())
