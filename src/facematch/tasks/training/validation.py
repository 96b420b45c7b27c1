"""What training is measured by: retrieval on unseen people, or on held-out photos of the training classes; and, of
what classifies, the accuracy on held-out photos of the training people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders.network import ModuleEmbedder
from facematch.evaluation.bootstrap import Estimate, mean_figure
from facematch.evaluation.mean_ap import mean_ap, tied_among, tied_between
from facematch.evaluation.topk import Figures, each_photo_a_query, labelled_sides
from facematch.identities import LabelledPhotos
from facematch.networks.embedding import EmbeddingNetwork
from facematch.pipeline.people import ValidationPeople
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.settings.root import Settings
from facematch.tasks.training.crops import LabelledCrops, labelled_crops, numbered
from facematch.tasks.training.data import reduced
from facematch.tasks.training.objective import Objective

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class UnseenPeople:
    """Crops (N×S×S×3) of validation people, `asked`, and of distractors: every asked photo is a query in turn."""

    images: Images
    identities: tuple[str, ...]
    asked: tuple[bool, ...]
    metric: Metric
    with_map: bool

    def __call__(self, network: EmbeddingNetwork, size: int | None = None) -> Figures:
        """Return the retrieval figures of a network, on crops reduced to `size` pixels a side."""
        photos = _embedded(network, self.images, self.metric, size)
        figures = each_photo_a_query(photos, self.identities, self.asked, self.metric)
        if not self.with_map:
            return figures
        tied = tied_among(photos, self.identities, self.asked)
        return replace(figures, mean_average_precision=mean_ap(tied))


@dataclass(frozen=True, eq=False)
class HeldOutPhotos:
    """Crops of held-out photos, which ask, and of the training photos, which answer, with their classes."""

    images: Images
    classes: tuple[str, ...]
    database: Images
    database_classes: tuple[str, ...]
    metric: Metric
    with_map: bool

    def __call__(self, network: EmbeddingNetwork, size: int | None = None) -> Figures:
        """Return the retrieval figures of a network, on crops reduced to `size` pixels a side."""
        query, gallery = (_embedded(network, images, self.metric, size) for images in (self.images, self.database))
        figures = labelled_sides(query, gallery, self.classes, self.database_classes, self.metric)
        if not self.with_map:
            return figures
        tied = tied_between(query, gallery, self.classes, self.database_classes)
        return replace(figures, mean_average_precision=mean_ap(tied))


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


def validation_crops(
    settings: Settings, people: ValidationPeople, shown: LabelledCrops
) -> UnseenPeople | HeldOutPhotos:
    """Crop what validation asks for; `shown` are the training crops, which held-out photos ask."""
    metric, miss = settings.ranking.metric, settings.faces.miss
    with_map = settings.training.choose_by == "mAP" or metric == "hamming"
    if people.by_photo:
        held = labelled_crops(settings, people.asked, miss, "held-out photos")
        return HeldOutPhotos(held.images, held.identities, shown.images, shown.identities, metric, with_map)
    asked = labelled_crops(settings, people.asked, miss, "validation people")
    others = labelled_crops(settings, people.distractors, miss, "distractors")
    identities = (*asked.identities, *(f"distractor {name}" for name in others.identities))
    flags = (True,) * len(asked.files) + (False,) * len(others.files)
    return UnseenPeople(np.concatenate([asked.images, others.images]), identities, flags, metric, with_map)


def seen_crops(
    settings: Settings, seen: LabelledPhotos, people: tuple[str, ...], objective: Objective
) -> SeenPeople | None:
    """Crop held-out photos of the training people, in the order of their numbers; None where there are none.

    Raises FacematchError when `identities.seen_share` was asked for and the loss has no classes.
    """
    if settings.identities.seen_share and objective.scorer is None:
        raise FacematchError(
            f"identities.seen_share is {settings.identities.seen_share}, but loss.name: {settings.loss.name} does not "
            "classify, so there is no accuracy on seen people.",
            "Set identities.seen_share: 0, or a loss with classes: cross-entropy, arcface, proxyanchor.",
        )
    if objective.scorer is None or not seen.files:
        return None
    crops = labelled_crops(settings, seen.only(people), settings.faces.miss, "held-out photos of training people")
    return SeenPeople(crops.images, numbered(crops, people), objective.scorer) if crops.files else None


def _vectors(network: EmbeddingNetwork, images: Images, size: int | None) -> NDArray[np.float32]:
    embedder = ModuleEmbedder(network)
    parts = (images[start : start + embedder.batch] for start in range(0, len(images), embedder.batch))
    vectors: Sequence[NDArray[np.float32]] = [
        embedder.embed(part if size is None else np.stack([reduced(image, size) for image in part])) for part in parts
    ]
    return np.concatenate(vectors)


def _embedded(network: EmbeddingNetwork, images: Images, metric: Metric, size: int | None) -> Embeddings:
    vectors = _vectors(network, images, size)
    names = tuple(f"{number:06d}" for number in range(len(vectors)))
    coded = metric == "hamming"
    found = Embeddings(names, vectors, "euclidean" if coded else metric, Fingerprint())
    return found.as_codes() if coded else found
