"""A small training: people as patterns of grey blocks, a tiny network, and surroundings that record and stop."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.embedders.network import ModuleEmbedder
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.task import leave_one_out
from facematch.evaluation.topk import Figures, first_places
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.pipeline.run_folder import RunFolder
from facematch.pipeline.run_state import StopRequest
from facematch.ranking.embeddings import Embeddings
from facematch.settings.embedding import EmbedderSettings
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.settings.training import LossSettings, TeacherSettings, TrainingSettings
from facematch.tasks.training.data import TrainingSet
from facematch.tasks.training.loop import Callbacks, Trainer, TrainingResult
from facematch.tasks.training.objective import build_objective

SIDE = 32


def noise(image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """A small augmentation that depends on its seed alone."""
    rng = np.random.default_rng(seed)
    image = image[:, ::-1] if rng.random() < 0.5 else image
    return np.clip(image.astype(np.int16) + rng.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)


def people(count: int, photos: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Each person a pattern of grey blocks; each photo of it under a strong light of another colour."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for person in range(count):
        pattern = np.kron(rng.uniform(-60, 60, size=(4, 4, 1)), np.ones((8, 8, 1)))
        for _ in range(photos):
            lit = pattern + rng.uniform(60, 195, size=3) + rng.normal(scale=10, size=(SIDE, SIDE, 3))
            images.append(np.clip(lit, 0, 255).astype(np.uint8))
            labels.append(person)
    return np.stack(images), np.array(labels, dtype=np.int64)


TRAIN = TrainingSet(*people(8, 4, seed=0), people=8)
UNSEEN = people(10, 3, seed=1)
TRAINING = TrainingSettings(
    epochs=3,
    identities_per_batch=4,
    photos_per_identity=2,
    learning_rate={"backbone": 1e-3, "head": 1e-3},  # type: ignore[arg-type]
    patience=None,
    precision="fp32",
    workers=0,
    device="cpu",
)
TEACHER = TeacherSettings(embedder=EmbedderSettings(kind="pixels"))
LOSS = LossSettings(mining="semi-hard", margin=0.2, classifier_epochs=1)


def validate(network: EmbeddingNetwork, size: int | None = None) -> Figures:
    vectors = ModuleEmbedder(network).embed(UNSEEN[0])
    names = tuple(f"{i:03d}" for i in range(len(vectors)))
    embeddings = Embeddings(names, vectors, "euclidean", Fingerprint())
    task = leave_one_out({name: str(i) for name, i in zip(names, UNSEEN[1], strict=True)}, names)
    return first_places(rank_task(task, embeddings).judged).figures((600, 300, 100))


class Surroundings:
    """Records what the loop asks for; stops it after a number of steps."""

    def __init__(self, stop: StopRequest | None = None, stop_after: int | None = None) -> None:
        self.saved: list[tuple[str, int]] = []
        self.lines: list[str] = []
        self.stop, self.stop_after, self.steps = stop, stop_after, 0

    def callbacks(self, validate: Callable[[EmbeddingNetwork, int | None], Figures] = validate) -> Callbacks:
        return Callbacks(
            validate, lambda name, _, epoch, __: self.saved.append((name, epoch)), self.lines.append, self.step
        )

    def step(self, *_: object) -> None:
        self.steps += 1
        if self.stop is not None and self.steps == self.stop_after:
            self.stop.signal = signal.SIGTERM


def trainer(
    folder: Path, loss: LossSettings = LOSS, training: TrainingSettings = TRAINING, freeze: tuple[str, ...] = ()
) -> Trainer:
    torch.manual_seed(7)
    network = EmbeddingNetwork(NetworkSpec("shufflenet_v2_x0_5", 16, True, IMAGENET_MEAN, IMAGENET_STD))
    return made_of(network, TRAIN, folder, loss, training, freeze=freeze)


def made_of(
    network: EmbeddingNetwork,
    data: TrainingSet,
    folder: Path,
    loss: LossSettings,
    training: TrainingSettings,
    *,
    margin: float = 0.2,
    freeze: tuple[str, ...] = (),
) -> Trainer:
    objective = build_objective(loss, training, margin, dimensions=network.dimensions, people=data.people, seed=5)
    return Trainer(network, objective, data, noise, RunFolder(folder), training=training, freeze=freeze, seed=5)


def run(made: Trainer, stop_after: int | None = None) -> tuple[TrainingResult, Surroundings]:
    stop = StopRequest()
    around = Surroundings(stop, stop_after)
    return made.run(around.callbacks(), stop), around
