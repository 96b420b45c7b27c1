"""Averages over neighbours: query expansion, database-side augmentation, and blends of those that are alike."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, distance_estimator

_Weigh = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # cosines to weights beside 1 for the vector itself


def expand_queries(
    query: Embeddings, gallery: Embeddings, n: int, alpha: float, metric: Metric, *, exclude_same_name: bool = False
) -> Embeddings:
    """Return each query averaged with its `n` nearest gallery photos: α-weighted query expansion.

    A neighbour weighs cosᵅ of its similarity to the query, the query itself 1, and the mean keeps the
    query's length (Radenović, Tolias & Chum, Fine-tuning CNN Image Retrieval with No Human Annotation,
    TPAMI 2019); α = 0 is the plain average of Chum et al. 2007. A neighbour at an obtuse angle does not
    count. It helps where right photos stand first already and bring their like with them; it hurts where
    the first photo is wrong, or where people have a single gallery photo, since then it pulls the query
    towards somebody else.
    """
    ranking = distance_estimator(query, gallery, n, metric, exclude_same_name=exclude_same_name)

    def weights(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(cosine > 0, np.maximum(cosine, 0) ** alpha, 0.0)

    return replace(query, vectors=_averaged(query.vectors, gallery.vectors, ranking, weights))


def augment_database(gallery: Embeddings, n: int, alpha: float, metric: Metric) -> Embeddings:
    """Return each gallery vector averaged with its `n` nearest other gallery photos: database augmentation.

    Turcot & Lowe 2009; Arandjelović & Zisserman, Three Things Everyone Should Know, CVPR 2012; weighted as
    in `expand_queries`. It helps where people have several gallery photos; it hurts where most have one,
    as a photo is then mixed with another person's. Photos that ask must not stand in the gallery: they
    would be mixed into their own answers.
    """
    if len(gallery) < 2:
        return gallery
    return expand_queries(gallery, gallery, min(n, len(gallery) - 1), alpha, metric, exclude_same_name=True)


def blend_neighbours(
    query: Embeddings, gallery: Embeddings, n: int, weight: float, least: float, metric: Metric
) -> tuple[Embeddings, Embeddings]:
    """Return both sides, each vector moved by `weight` (< 1) towards the mean of its like, if it has any.

    Its like are those of its `n` nearest gallery photos whose cosine to it is `least` or more; it keeps its length.
    Unlike `expand_queries` it leaves alone what has nobody like it, so a person with one gallery photo is hardly mixed
    with others. What a model thinks alike differs from model to model: `least` is for `facematch tune` to choose.
    """

    def weights(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
        alike = cosine >= least
        share = weight / (1 - weight) / np.maximum(1, alike.sum(axis=1, keepdims=True))
        return np.where(alike, share, 0.0)

    def blended(side: Embeddings, count: int, *, exclude_same_name: bool) -> Embeddings:
        ranking = distance_estimator(side, gallery, count, metric, exclude_same_name=exclude_same_name)
        return replace(side, vectors=_averaged(side.vectors, gallery.vectors, ranking, weights))

    of_gallery = min(n, len(gallery) - 1)
    return (
        blended(query, n, exclude_same_name=False),
        blended(gallery, of_gallery, exclude_same_name=True) if of_gallery else gallery,
    )


def _averaged(
    own: NDArray[np.float32], others: NDArray[np.float32], ranking: Ranking, weigh: _Weigh
) -> NDArray[np.float32]:
    # One row after the other would be slower; all at once would hold Q×n×D numbers, so some rows at a time.
    result = np.empty_like(own)
    step = max(1, 8_000_000 // max(1, ranking.indices.shape[1] * own.shape[1]))
    for start in range(0, len(own), step):
        rows = slice(start, start + step)
        there = ranking.indices[rows] >= 0  # a short row ends in −1
        near = others[ranking.indices[rows]].astype(np.float64)  # rows×n×D
        base = own[rows].astype(np.float64)
        lengths = np.linalg.norm(base, axis=1)
        scale = lengths[:, None] * np.linalg.norm(near, axis=2)
        cosine = np.einsum("qd,qnd->qn", base, near) / np.where(scale == 0, 1, scale)
        weights = weigh(np.where(there, cosine, -np.inf))
        mean = base + np.einsum("qn,qnd->qd", weights, near)
        norms = np.linalg.norm(mean, axis=1)
        result[rows] = mean * (lengths / np.where(norms == 0, 1, norms))[:, None]
    return result
