"""Two sides and training people, made by lot."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import distance_estimator
from facematch.refine.known import KnownPeople


def embeddings(vectors: ArrayLike, prefix: str) -> Embeddings:
    values = np.asarray(vectors, dtype=np.float32)
    return Embeddings(tuple(f"{prefix}{i:03d}" for i in range(len(values))), values, "euclidean", Fingerprint())


def made(seed: int, queries: int = 5, gallery: int = 9, photos: int = 14) -> tuple[Embeddings, Embeddings, KnownPeople]:
    rng = np.random.default_rng(seed)
    query, other, known = (embeddings(rng.normal(size=(n, 4)), p) for n, p in
                           ((queries, "q"), (gallery, "g"), (photos, "t")))  # fmt: skip
    return query, other, KnownPeople(known, tuple(f"person {each}" for each in rng.integers(0, 5, photos)))


def plain(query: Embeddings, gallery: Embeddings, metric: Metric) -> NDArray[np.float64]:
    """All distances Q×G, in the order of the gallery."""
    found = distance_estimator(query, gallery, len(gallery), metric)
    distances = np.empty(found.distances.shape)
    np.put_along_axis(distances, found.indices, found.distances, 1)
    return distances
