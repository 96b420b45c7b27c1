"""UMAP of grey pixels from neighbours that are known, and the place of a new photo in it.

Graph, curve and first layout are umap-learn's own functions; its layout's rule is run by `kernel`. The same seed gives
the same embedding. umap-learn's import and first fit compile for half a minute, and it lets numba keep only a part of
that, so the two functions used here are made to keep theirs, too. A new photo is placed as `UMAP.transform` does it
for one photo, but beside its exact neighbours among the photos embedded; nothing of umap-learn is needed for that.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from facematch.core.errors import FacematchError
from facematch.tasks.umap.grey_pixels import Pixels
from facematch.tasks.umap.neighbours import Neighbours, find_neighbours

Embedding = NDArray[np.float32]
_SMALL, _EPOCHS_SMALL, _EPOCHS, _EPOCHS_PLACING = 10_000, 500, 200, 100  # umap-learn's
_PUSHES = 5.0  # rows by lot for each edge: umap-learn's negative_sample_rate
_MIX = np.uint64(0x9E3779B97F4A7C15)  # spreads small numbers over 64 bits (Knuth)


def prepare_numba(cache: Path) -> bool:
    """Let numba keep compiled code below the cache folder, or where $NUMBA_CACHE_DIR says.

    Call it before anything here is imported. Returns whether something is kept there already.
    """
    folder = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(cache / "numba")))
    return folder.is_dir() and any(folder.rglob("*.nbc"))


@cache
def umap_module() -> Any:
    """Return the module `umap.umap_`. Raises FacematchError when umap-learn is not installed."""
    _keep_compiled()
    with _needed("umap-learn"):
        from umap import umap_
    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths):
        function.enable_caching()
    return umap_


@cache
def kernel_module() -> Any:
    """Return `facematch.tasks.umap.kernel`. Raises FacematchError when numba, which umap-learn brings, is missing."""
    _keep_compiled()
    from facematch.tasks.umap import kernel

    return kernel


def _keep_compiled() -> None:
    # numba reads the folder when it is imported, which something else may have done before it was named.
    with _needed("numba"):
        from numba import config
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        vars(config)["CACHE_DIR"] = folder


@contextmanager
def _needed(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise FacematchError(
            f"UMAP needs {name}, which cannot be imported ({error}).",
            "Run: pip install 'facematch[umap]', or pip install umap-learn (the package umap is something else).",
        ) from error


@dataclass(frozen=True)
class UmapSettings:
    """What decides an embedding beside the photos, in umap-learn's words; `n_neighbors` counts the photo itself."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    n_neighbors: int = 15
    n_components: int = 8
    min_dist: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.n_neighbors < 2 or self.n_components < 1 or not 0 <= self.min_dist < 1 or self.seed < 0:
            raise ValueError(f"n_neighbors from 2, n_components from 1, min_dist in 0 … 1, seed from 0; found {self}")


def fewest_rows(settings: UmapSettings) -> int:
    """Return how many distinct photos a fit needs: spectral layout and trustworthiness have no answer for fewer."""
    return max(2 * settings.n_components + 2, 2 * settings.n_neighbors + 1, 12)


def warm_up(settings: UmapSettings) -> None:
    """Compile what a fit and a placing need, by a small one."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (fewest_rows(settings) + 1, 64), np.uint8)
    graph = neighbour_graph(find_neighbours(pixels[1:], settings.n_neighbors), settings)
    embedding = lay_out(graph, pixels[1:], settings)
    place(pixels[:1], pixels[1:], embedding, settings, curve_of(settings))


def neighbour_graph(neighbours: Neighbours, settings: UmapSettings) -> Any:
    """Return the fuzzy graph of the nearest neighbours of N rows, a sparse N×N matrix, for `fewest_rows` or more.

    Of more neighbours than `n_neighbors` the nearest are used. Not to be run in several threads.
    """
    n, random = settings.n_neighbors, np.random.RandomState(settings.seed)
    near, far = (np.ascontiguousarray(each[:, :n]) for each in (neighbours.positions, neighbours.distances))
    graph, _, _ = umap_module().fuzzy_simplicial_set(near, n, random, "euclidean", knn_indices=near, knn_dists=far)
    return graph


def epochs_of(rows: int) -> int:
    """Return how many epochs the layout of so many rows takes, as umap-learn."""
    return _EPOCHS_SMALL if rows <= _SMALL else _EPOCHS


def lay_out(
    graph: Any, pixels: Pixels, settings: UmapSettings, on_epoch: Callable[[], None] = lambda: None
) -> Embedding:
    """Return the embedding (N×C `float32`) of a `neighbour_graph`; safe in threads.

    `pixels` decide only how parts of the graph without an edge between them begin.
    """
    umap, random = umap_module(), np.random.RandomState(settings.seed)
    edges, epochs = graph.tocoo(), epochs_of(len(pixels))
    edges.sum_duplicates()
    edges.data[edges.data < edges.data.max() / epochs] = 0  # would never be due
    edges.eliminate_zeros()
    first = umap.spectral_layout(pixels, edges, settings.n_components, random, metric="euclidean")
    first = umap.noisy_scale_coords(first, random, max_coord=10, noise=0.0001)
    low, high = first.min(axis=0), first.max(axis=0)
    embedding = np.ascontiguousarray(10 * (first - low) / (high - low), dtype=np.float32)
    states = np.arange(1, len(pixels) + 1, dtype=np.uint64) * _MIX + np.uint64(settings.seed)
    graph_edges = _Edges(edges.row, edges.col, umap.make_epochs_per_sample(edges.data, epochs))
    _optimise(embedding, embedding, graph_edges, np.maximum(states, 1), epochs, 1.0, curve_of(settings), on_epoch)
    return embedding


def curve_of(settings: UmapSettings) -> tuple[float, float]:
    """Return a and b of UMAP's curve 1 / (1 + a d^2b), for `min_dist` and a spread of 1."""
    a, b = umap_module().find_ab_params(1.0, settings.min_dist)
    return float(a), float(b)


def place(
    query: Pixels, pixels: Pixels, embedding: Embedding, settings: UmapSettings, curve: tuple[float, float]
) -> Embedding:
    """Return the places of Q new photos in an embedding (Q×C `float32`) of N rows of `pixels`.

    A photo whose pixels are there is placed where they are. Every other one begins among its nearest, weighted by its
    memberships, and moves for 100 epochs against the embedding, which stays. Its place does not depend on the photos
    placed with it.
    """
    near = find_neighbours(pixels, min(settings.n_neighbors, len(pixels)), query)
    placed = embedding[near.positions[:, 0]].copy()
    new = np.flatnonzero(near.distances[:, 0] > 0)
    if len(new):
        found = Neighbours(near.positions[new], near.distances[new])
        placed[new] = _placed(found, embedding, settings.seed, curve)
    return placed


def _placed(near: Neighbours, embedding: Embedding, seed: int, curve: tuple[float, float]) -> Embedding:
    weights = memberships(near.distances)
    moving = np.empty((len(weights), embedding.shape[1]), np.float32)
    for row, (each, tail) in enumerate(zip(weights, near.positions, strict=True)):
        moving[row] = each @ embedding[tail] / each.sum()
    strongest = weights.max(axis=1, keepdims=True)
    used = weights >= strongest / _EPOCHS_PLACING  # weaker ones would never be due
    head, column = np.nonzero(used)
    states = np.full(len(weights), (seed + 1) * int(_MIX) % 2**64 or 1, dtype=np.uint64)
    every = (strongest / weights.clip(1e-30))[used]
    edges = _Edges(head.astype(np.int32), near.positions[head, column], every)
    _optimise(moving, embedding, edges, states, _EPOCHS_PLACING, 0.25, curve)  # a quarter of the fit's learning rate
    return moving


def memberships(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the strengths (Q×k) of a new photo's edges to its k nearest: exp(−d/σ).

    σ solves Σ exp(−d/σ) = log2 k over all but the nearest, and is at least a thousandth of the row's mean distance:
    `umap.umap_.smooth_knn_dist` and `compute_membership_strengths` with the local connectivity of a transform, 0.
    """
    far, target = distances.astype(np.float64), np.log2(max(2, distances.shape[1]))
    low, high = np.zeros((len(far), 1)), np.full((len(far), 1), np.inf)
    sigma = np.ones((len(far), 1))
    for _ in range(64):
        much = np.exp(-far[:, 1:] / sigma).sum(axis=1, keepdims=True) > target
        low, high = np.where(much, low, sigma), np.where(much, sigma, high)
        sigma = np.where(np.isinf(high), 2 * sigma, (low + high) / 2)
    return np.asarray(np.exp(-far / np.maximum(sigma, far.mean(axis=1, keepdims=True) / 1000)))


class _Edges(NamedTuple):
    # Between rows that move and fixed ones; `every` so many epochs an edge is due.
    head: NDArray[np.int32]
    tail: NDArray[np.int32]
    every: NDArray[np.float64]


def _optimise(
    moving: Embedding,
    fixed: Embedding,
    edges: _Edges,
    states: NDArray[np.uint64],
    epochs: int,
    rate: float,
    curve: tuple[float, float],
    on_epoch: Callable[[], None] = lambda: None,
) -> None:
    # Changes `moving` in place, and both ends of an edge where it is `fixed`; the learning rate falls from `rate` to 0.
    kernel = kernel_module()
    run_epoch, (pull, push) = kernel.epoch_kernel(moving.shape[1]), kernel.strengths(*curve)
    every = np.asarray(edges.every, np.float64)
    every_push = every / _PUSHES
    due, due_push = every.copy(), every_push.copy()
    for epoch in range(epochs):
        alpha = np.float32(rate * (1 - max(0, epoch - 1) / epochs))  # umap-learn lowers it after each epoch
        run_epoch(
            moving, fixed, edges.head, edges.tail, every, due, every_push, due_push, states, pull, push, alpha, epoch,
            moving is fixed,
        )  # fmt: skip
        on_epoch()
    if not math.isfinite(float(moving.sum())):
        warnings.warn("the layout of UMAP left the range of numbers", stacklevel=2)
