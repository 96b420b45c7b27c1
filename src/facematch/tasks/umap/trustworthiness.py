"""Trustworthiness of an embedding: how far it can be believed when it says that two photos are near.

After Venna & Kaski, "Neighborhood Preservation in Nonlinear Projection Methods" (ICANN 2001), as
`sklearn.manifold.trustworthiness` defines it:

    T(k) = 1 − 2 / (N k (2N − 3k − 1)) · Σ_i Σ_j max(0, r(i, j) − k)

over the k nearest j of each i in the embedding; r(i, j) is the place of j among all rows but i, by their distance in
the original space. scikit-learn keeps N×N matrices (8 GB for 20,000 photos); here one block of rows is in memory at a
time, all embeddings of a sweep are ranked in one pass, and only pairs are counted that are not among the neighbours
known already. Rows at one distance in the original space are placed in their order; scikit-learn's sort leaves
open which comes first.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.tasks.umap.grey_pixels import Pixels
from facematch.tasks.umap.neighbours import Neighbours, blocks, order_keys

Ranks = NDArray[np.int32]


def trustworthiness(
    pixels: Pixels,
    neighbours: Neighbours,
    embeddings: Sequence[ArrayLike],
    ks: Sequence[Sequence[int]],
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[dict[int, float]]:
    """Return, for each N×C embedding, its trustworthiness at each k in its list `ks`: {k: T(k)}.

    `pixels` (N×D) are the original rows and `neighbours` some of their nearest, themselves first; how many are
    known changes the time, never the result. `on_progress` gets the number of rows done. Raises ValueError
    unless 1 ≤ k < N/2.
    """
    rows = len(pixels)
    for k in (k for each in ks for k in each):
        if not 1 <= k < rows / 2:
            raise ValueError(f"trustworthiness among {rows} needs a k from 1 to {(rows - 1) // 2}; found {k}")
    near = [embedding_neighbours(each, max(wanted)) for each, wanted in zip(embeddings, ks, strict=True)]
    ranks = original_ranks(pixels, neighbours, near, on_progress)
    return [{k: score(each, k) for k in wanted} for each, wanted in zip(ranks, ks, strict=True)]


def embedding_neighbours(embedding: ArrayLike, k: int) -> NDArray[np.int32]:
    """Return the k nearest others of each row of an embedding (N×k), by the same search as scikit-learn's."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k).fit(np.asarray(embedding)).kneighbors(return_distance=False)
    return np.asarray(found, dtype=np.int32)


def original_ranks(
    pixels: Pixels,
    neighbours: Neighbours,
    near: Sequence[NDArray[np.int32]],
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Ranks]:
    """Return r(i, j), from 1, for each list of others (N×k positions): their places in the original space."""
    ranks = [_known(neighbours, each) for each in near]
    for rows, squared in blocks(pixels, pixels):
        keys = order_keys(squared)
        own = np.arange(rows.start, rows.stop)
        keys[own - rows.start, own] = -1  # before all others, so that the first other has place 1
        ordered = np.sort(keys, axis=1)
        for number, row in enumerate(own.tolist()):
            for places, each in zip(ranks, near, strict=True):
                unknown = places[row] == 0
                if unknown.any():
                    places[row, unknown] = np.searchsorted(ordered[number], keys[number, each[row, unknown]])
        on_progress(rows.stop)
    return ranks


def score(ranks: Ranks, k: int) -> float:
    """Return T(k) from the places (N×m, m ≥ k) of each row's nearest in the embedding, nearest first."""
    rows = len(ranks)
    beyond = np.maximum(ranks[:, :k].astype(np.int64) - k, 0).sum()
    return float(1.0 - beyond * (2.0 / (rows * k * (2.0 * rows - 3.0 * k - 1.0))))


def _known(neighbours: Neighbours, near: NDArray[np.int32]) -> Ranks:
    # Places of those that are among the neighbours known, 0 for the others.
    ranks = np.zeros(near.shape, np.int32)
    for place in range(1, neighbours.positions.shape[1]):
        ranks[near == neighbours.positions[:, place, None]] = place
    return ranks
