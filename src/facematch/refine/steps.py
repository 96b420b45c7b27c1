"""The steps that change vectors, as the chain calls every step: query and gallery in, query and gallery out.

`core.kinds` names them. A step is called with its settings, and with `metric`, `people`, `whitening` and `known` where
it has parameters of these names; one that has a parameter `k` ranks instead, and returns a `Ranking`.
"""

from collections.abc import Mapping

from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.refine.expansion import augment_database, expand_queries
from facematch.refine.templates import average_templates
from facematch.refine.whitening import Whitening

Sides = tuple[Embeddings, Embeddings]


def whiten(query: Embeddings, gallery: Embeddings, whitening: Whitening, components: int | None, power: float) -> Sides:
    """Return both sides whitened: see `Whitening.apply`."""
    return whitening.apply(query, components, power), whitening.apply(gallery, components, power)


def templates(query: Embeddings, gallery: Embeddings, people: Mapping[str, str] | None, weight: float) -> Sides:
    """Return the gallery moved towards its people's means: see `average_templates`."""
    return query, average_templates(gallery, people or {}, weight)


def database_augmentation(query: Embeddings, gallery: Embeddings, n: int, alpha: float, metric: Metric) -> Sides:
    """Return the gallery averaged with its own neighbours: see `augment_database`."""
    return query, augment_database(gallery, n, alpha, metric)


def query_expansion(query: Embeddings, gallery: Embeddings, n: int, alpha: float, metric: Metric) -> Sides:
    """Return the queries averaged with their nearest gallery photos: see `expand_queries`."""
    return expand_queries(query, gallery, n, alpha, metric), gallery
