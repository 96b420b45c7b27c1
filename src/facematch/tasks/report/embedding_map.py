"""A two-dimensional map of embeddings, to look for people who lie together or apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.ranking.embeddings import Embeddings

FEWEST, MOST = 5, 3000  # photos on a map
_COMPONENTS = 50  # kept before t-SNE, as its authors do


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Where n photos lie: their `names` and n×2 `points` between 0 and 1; `left_out` were too many to draw.

    `method` says in words how it was made.
    """

    names: tuple[str, ...]
    points: NDArray[np.float64]
    method: str
    left_out: int = 0


def map_embeddings(embeddings: Embeddings, *, most: int = MOST, seed: int = 0) -> EmbeddingMap | None:
    """Return the map by t-SNE (van der Maaten & Hinton 2008), None for fewer than five photos.

    Vectors compared by their cosine are brought to length 1 first; with more than 50 dimensions the first
    50 principal components are mapped. The perplexity is 30, or a third of the other photos where they
    are few. Of more than `most` photos a choice drawn with `seed` is mapped.
    """
    if len(embeddings) < FEWEST:
        return None
    rows = np.arange(len(embeddings))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))
    names = tuple(embeddings.names[row] for row in rows)
    left_out = len(embeddings) - len(rows)
    vectors = embeddings.at(rows.tolist()).as_floats().astype(np.float64)
    if embeddings.metric == "cosine":
        # Between unit vectors the Euclidean distance, which t-SNE takes, orders as the cosine distance does.
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(lengths > 0, lengths, 1)
    if np.ptp(vectors, axis=0).max() <= 1e-9 * np.abs(vectors).max():
        return EmbeddingMap(names, np.full((len(rows), 2), 0.5), "all embeddings are equal", left_out)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    kept = PCA(min(_COMPONENTS, *vectors.shape), random_state=seed).fit_transform(vectors)
    kept = np.pad(kept, ((0, 0), (0, max(0, 2 - kept.shape[1]))))  # at least two columns
    perplexity = min(30.0, (len(rows) - 1) / 3)
    method = f"t-SNE, perplexity {perplexity:.3g}, begun from the first two principal components, seed {seed}"
    points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(kept)
    return EmbeddingMap(names, _fitted(points), method, left_out)


def _fitted(points: NDArray[np.float32]) -> NDArray[np.float64]:
    # Into the unit square, by one scale for both directions, in its middle.
    there = points.astype(np.float64)
    low, high = there.min(axis=0), there.max(axis=0)
    scale = float((high - low).max()) or 1.0
    fitted: NDArray[np.float64] = (there - (low + high) / 2) / scale + 0.5
    return fitted
