"""What training is measured by: retrieval on unseen people, or on held-out photos of the training classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.embedders.network import ModuleEmbedder
from facematch.embeddings import Embeddings
from facematch.evaluation.mean_ap import mean_ap, tied_among, tied_between
from facematch.evaluation.topk import Figures, each_photo_a_query, labelled_sides
from facematch.fingerprint import Fingerprint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.ranking import Metric

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class UnseenPeople:
    """Crops (N×S×S×3) of validation people, `asked`, and of distractors: every asked photo is a query in turn."""

    images: Images
    identities: tuple[str, ...]
    asked: tuple[bool, ...]
    metric: Metric
    with_map: bool

    def __call__(self, network: EmbeddingNetwork) -> Figures:
        """Return the retrieval figures of a network."""
        photos = _embedded(network, self.images, self.metric)
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

    def __call__(self, network: EmbeddingNetwork) -> Figures:
        """Return the retrieval figures of a network."""
        query, gallery = (_embedded(network, images, self.metric) for images in (self.images, self.database))
        figures = labelled_sides(query, gallery, self.classes, self.database_classes, self.metric)
        if not self.with_map:
            return figures
        tied = tied_between(query, gallery, self.classes, self.database_classes)
        return replace(figures, mean_average_precision=mean_ap(tied))


def _embedded(network: EmbeddingNetwork, images: Images, metric: Metric) -> Embeddings:
    embedder = ModuleEmbedder(network)
    parts: Sequence[NDArray[np.float32]] = [
        embedder.embed(images[start : start + embedder.batch]) for start in range(0, len(images), embedder.batch)
    ]
    vectors = np.concatenate(parts)
    names = tuple(f"{number:06d}" for number in range(len(vectors)))
    coded = metric == "hamming"
    found = Embeddings(names, vectors, "euclidean" if coded else metric, Fingerprint())
    return found.as_codes() if coded else found
