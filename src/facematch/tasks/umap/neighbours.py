"""Exact nearest neighbours of grey pixels, in blocks, and how far an embedding can be trusted to keep them.

Squared distances of `uint8` rows are integers, and they are computed as such: less 128, a product of two pixels is at
most 2^14, so a sum over 1,024 of them is at most 2^24, which `float32` holds exactly in whatever order it is added up.
A matrix product of floats therefore gives the integers without rounding, several times faster than FAISS's flat index
does (whose float32 distances of 4,096 pixels are rounded), and equal distances are equal.

Trustworthiness is after Venna & Kaski, "Neighborhood Preservation in Nonlinear Projection Methods" (ICANN 2001), as
`sklearn.manifold.trustworthiness` defines it:

    T(k) = 1 − 2 / (N k (2N − 3k − 1)) · Σ_i Σ_j max(0, r(i, j) − k)

over the k nearest j of each i in the embedding; r(i, j) is the place of j among all rows but i, by their distance in
the original space. scikit-learn keeps N×N matrices (8 GB for 20,000 photos); here one block of rows is in memory at a
time, all embeddings of a sweep are ranked in one pass, and only pairs are counted that are not among the neighbours
known already. Rows at one distance in the original space are placed in their order; scikit-learn's sort leaves
open which comes first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.tasks.umap.grey_pixels import Pixels

Squared = NDArray[np.int32]
_EXACT = 1024  # columns whose products float32 adds up exactly
_ROWS, _CELLS, _COLUMNS = (128, 1024), 1 << 22, 2048  # least and most rows of a block; its distances; a tile's columns
_POSITION = (1 << 32) - 1
_SELF = -(1 << 62)  # before any distance, and a multiple of 2^32
Ranks = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest rows of each of Q rows, by (distance, position): `positions` Q×k `int32`, `distances` `float32`.

    Where rows were searched among themselves, each is its own first neighbour, at distance 0, as UMAP expects.
    Distances are Euclidean.
    """

    positions: NDArray[np.int32]
    distances: NDArray[np.float32]


def squared_distances(left: Pixels, right: Pixels) -> Squared:
    """Return all squared Euclidean distances (L×R `int32`) of rows of up to 32,768 pixels, without rounding."""
    here = _centred(left)
    lengths = _lengths(here)
    squared = np.empty((len(left), len(right)), np.int32)
    for start in range(0, len(right), _COLUMNS):
        there = _centred(right[start : start + _COLUMNS])
        tile = lengths[:, None] + _lengths(there)[None, :]
        for first in range(0, left.shape[1], _EXACT):
            part = slice(first, first + _EXACT)
            tile -= 2 * (here[:, part] @ there[:, part].T).astype(np.int32)
        squared[:, start : start + _COLUMNS] = tile
    return squared


def blocks(queries: Pixels, pixels: Pixels) -> Iterator[tuple[slice, Squared]]:
    """Yield slices of Q rows, in order, with their squared distances to N rows: never more than a block at once."""
    least, most = _ROWS
    step = min(most, max(least, _CELLS // max(1, len(pixels))))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        yield rows, squared_distances(queries[rows], pixels)


def order_keys(squared: Squared) -> NDArray[np.int64]:
    """Return numbers (N×k) that order each row by distance (the upper half), then by position (the lower).

    No two of a row are equal.
    """
    keys: NDArray[np.int64] = squared.astype(np.int64)
    keys <<= 32
    keys |= np.arange(squared.shape[1], dtype=np.int64)
    return keys


def find_neighbours(
    pixels: Pixels, k: int, queries: Pixels | None = None, on_progress: Callable[[int], None] = lambda done: None
) -> Neighbours:
    """Return the k nearest of N rows, 1 ≤ k ≤ N, for each of Q queries; without them for each row, itself first.

    `on_progress` gets the number of queries done.
    """
    heads = pixels if queries is None else queries
    positions, distances = np.empty((len(heads), k), np.int32), np.empty((len(heads), k), np.float32)
    for rows, squared in blocks(heads, pixels):
        keys = order_keys(squared)
        if queries is None:
            own = np.arange(rows.start, rows.stop)
            keys[own - rows.start, own] = _SELF + own
        near = np.partition(keys, k - 1, axis=1)[:, :k]
        near.sort(axis=1)
        positions[rows], distances[rows] = near & _POSITION, np.sqrt(np.maximum(near >> 32, 0))
        on_progress(rows.stop)
    return Neighbours(positions, distances)


def _centred(rows: Pixels) -> NDArray[np.float32]:
    return rows.astype(np.float32) - np.float32(128)


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.asarray(np.square(rows).sum(axis=1, dtype=np.float64), dtype=np.int32)


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
