"""What training is measured by: retrieval on unseen people, or on held-out photos of the training classes; and, of
what classifies, the accuracy on held-out photos of the training people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders.network import ModuleEmbedder
from facematch.evaluation.bootstrap import Estimate, mean_figure
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.task import RetrievalTask
from facematch.evaluation.tied_figures import mean_ap
from facematch.evaluation.topk import KS, Figures, first_places
from facematch.identities.values import LabelledPhotos
from facematch.networks.embedding import EmbeddingNetwork
from facematch.photos.renderings import RENDERING_NAMES, render
from facematch.pipeline.people import ValidationPeople
from facematch.pipeline.rendered import STRENGTH, apart
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.tasks.training.crops import LabelledCrops, PhotoReader, numbered
from facematch.tasks.training.data import reduced
from facematch.tasks.training.objective import Objective

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ValidationCrops:
    """Crops (N×S×S×3) of a task's photos in one or more `parts`, embedded one after the other, with their `names`.

    `weights` are those of the score.
    """

    parts: Sequence[Images]
    names: tuple[str, ...]
    task: RetrievalTask
    weights: Sequence[float]
    metric: Metric
    with_map: bool

    def __call__(self, network: EmbeddingNetwork, size: int | None = None) -> Figures:
        """Return the retrieval figures of a network, on crops reduced to `size` pixels a side."""
        vectors = np.concatenate([_vectors(network, images, size) for images in self.parts])
        coded = self.metric == "hamming"
        metric = "euclidean" if coded else self.metric
        photos = Embeddings(self.names, vectors, metric, Fingerprint())
        photos = photos.as_codes() if coded else photos
        figures = first_places(rank_task(self.task, photos, k=max(KS)).judged).figures(self.weights)
        return replace(figures, mean_average_precision=mean_ap(self.task, photos)) if self.with_map else figures


@dataclass(frozen=True, eq=False)
class ValidationMixture:
    """Several validations, by name: what training tells is the first, what it chooses by is `figure` of all."""

    parts: Mapping[str, ValidationCrops]
    figure: Literal["top-1", "mAP"]

    def __call__(self, network: EmbeddingNetwork, size: int | None = None) -> Figures:
        """Return the figures of the first part, and `figure` of each."""
        found = {name: part(network, size) for name, part in self.parts.items()}
        first = next(iter(found.values()))
        return replace(first, over={name: figures.chosen_by(self.figure) for name, figures in found.items()})


@dataclass(frozen=True, eq=False)
class SeenPeople:
    """Crops (N×S×S×3) of held-out photos of training people, the number of each one's person, and what classifies."""

    images: Images
    labels: NDArray[np.int64]
    scorer: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, network: EmbeddingNetwork, size: int | None = None) -> Estimate:
        """Return the share of photos whose own person has the largest logit, with its interval over people."""
        vectors = torch.from_numpy(_vectors(network, self.images, size)).to(next(network.parameters()).device)
        with torch.no_grad():
            named = self.scorer(vectors).argmax(dim=1).cpu().numpy()
        return mean_figure("accuracy on seen people", named == self.labels, self.labels.tolist())


def validation_of(
    photos: PhotoReader, people: ValidationPeople, shown: LabelledCrops, weights: Sequence[float]
) -> ValidationCrops | ValidationMixture:
    """Return what measures a network: one validation, or the mixture that `training.choose_over` tells.

    `shown` are the training crops, which held-out photos ask. Raises FacematchError for a domain without a picture.
    """
    training = photos.settings.training
    asked = validation_crops(photos, people, shown, weights)
    if not training.choose_over:
        return asked

    def part(name: str) -> ValidationCrops:
        if name == "asked":
            return asked
        if name == "rendered":
            return rendered_crops(asked, photos.settings.seed)
        asking, _, answering = (each.strip() for each in name.partition(">"))
        return validation_crops(photos, people.asking((asking, answering)), shown, weights)

    return ValidationMixture({name: part(name) for name in training.choose_over}, training.choose_by)


def rendered_crops(asked: ValidationCrops, seed: int) -> ValidationCrops:
    """Return the validation whose gallery crops are rendered, by each rendering in turn; `seed` draws them."""
    task, called = apart(asked.task)
    images = dict(zip(asked.names, (image for part in asked.parts for image in part), strict=True))
    drawn = [
        render(images[name], RENDERING_NAMES[number % len(RENDERING_NAMES)], STRENGTH, (seed, number))
        for number, name in enumerate(called)
    ]
    asking = frozenset(task.queries)
    queries = [name for name in asked.names if name in asking]
    together = [np.stack([images[name] for name in queries]), np.stack(drawn)]
    return replace(asked, parts=together, names=(*queries, *called.values()), task=task)


def validation_crops(
    photos: PhotoReader, people: ValidationPeople, shown: LabelledCrops, weights: Sequence[float]
) -> ValidationCrops:
    """Crop what validation asks for; `shown` are the training crops, which held-out photos ask."""
    settings = photos.settings
    metric, miss = settings.ranking.metric, settings.faces.miss
    with_map = settings.training.choose_by == "mAP" or metric == "hamming"
    if people.by_photo:
        sides = {"asked": photos.crops(people.queries, miss, "held-out photos"), "database": shown}
        parts: list[Images] = [side.images for side in sides.values()]
    else:
        wanted = photos.crops(people.queries, miss, "validation people")
        sides = {"asked": wanted, "distractors": photos.crops(people.distractors, miss, "distractors")}
        parts = [np.concatenate([side.images for side in sides.values()])]
    names = tuple(f"{name}/{file.name}" for name, side in sides.items() for file in side.files)
    return ValidationCrops(parts, names, people.task().among(names), weights, metric, with_map)


def seen_crops(
    photos: PhotoReader, seen: LabelledPhotos, people: tuple[str, ...], objective: Objective
) -> SeenPeople | None:
    """Crop held-out photos of the training people, in the order of their numbers; None where there are none.

    Raises FacematchError when `identities.seen_share` was asked for and the loss has no classes.
    """
    settings = photos.settings
    if settings.identities.seen_share and objective.scorer is None:
        raise FacematchError(
            f"identities.seen_share is {settings.identities.seen_share}, but loss.name: {settings.loss.name} does not "
            "classify, so there is no accuracy on seen people.",
            "Set identities.seen_share: 0, or a loss with classes: cross-entropy, arcface, proxyanchor.",
        )
    if objective.scorer is None or not seen.files:
        return None
    crops = photos.crops(seen.only(people), settings.faces.miss, "held-out photos of training people")
    return SeenPeople(crops.images, numbered(crops, people), objective.scorer) if crops.files else None


def _vectors(network: EmbeddingNetwork, images: Images, size: int | None) -> NDArray[np.float32]:
    embedder = ModuleEmbedder(network)
    parts = (images[start : start + embedder.batch] for start in range(0, len(images), embedder.batch))
    vectors: Sequence[NDArray[np.float32]] = [
        embedder.embed(part if size is None else np.stack([reduced(image, size) for image in part])) for part in parts
    ]
    return np.concatenate(vectors)
