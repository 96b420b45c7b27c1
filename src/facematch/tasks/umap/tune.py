"""How many neighbours UMAP should look at: a sweep of n_neighbors, scored by trustworthiness.

Neighbours are found once, at the largest n, for all fits; fits run side by side in threads; all embeddings are scored
in one pass over the distances. What is fitted is kept by content, so a stopped sweep goes on.
"""

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

from facematch.core.cache import Cache
from facematch.near_duplicates.match import Progress
from facematch.tasks.umap.fit import Embedding, UmapSettings, epochs_of, fewest_rows, lay_out, neighbour_graph
from facematch.tasks.umap.grey_pixels import Pixels
from facematch.tasks.umap.neighbours import Neighbours, find_neighbours, trustworthiness

SIZES = (5, 10, 15, 20, 30, 50, 100)
FIXED_K = 10
_VERSION = "umap layout 2"  # changes when the same settings give another embedding


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fit and its trustworthiness: at k = its own n_neighbors, and at the k that all candidates are compared at."""

    settings: UmapSettings
    embedding: Embedding
    own: float
    fixed: float


@dataclass(frozen=True)
class Sweep:
    """The candidates in order of n_neighbors, and the fixed k."""

    candidates: tuple[Candidate, ...]
    k: int

    @property
    def best(self) -> Candidate:
        """Return the most trustworthy at the fixed k, the one with fewer neighbours where two are equal.

        Scores at a candidate's own n are not compared: each is of another neighbourhood.
        """
        return max(self.candidates, key=lambda each: (each.fixed, -each.settings.n_neighbors))


def settings_for(rows: int, fixed: UmapSettings, sizes: Sequence[int] = SIZES) -> list[UmapSettings]:
    """Return the settings with those n_neighbors, rising, that so many distinct photos allow; the others as `fixed`."""
    every = [replace(fixed, n_neighbors=n) for n in sorted(set(sizes)) if n >= 2]
    return [each for each in every if fewest_rows(each) <= rows]


def fixed_k_for(rows: int, k: int = FIXED_K) -> int:
    """Return k, or less where there are so few rows that trustworthiness at k is not defined."""
    return max(1, min(k, (rows - 1) // 2))


def sweep(pixels: Pixels, every: Sequence[UmapSettings], k: int, kept: Path, progress: Progress) -> Sweep:
    """Fit and score every candidate, in order of n_neighbors.

    `kept` is the file that keeps embeddings. Raises ValueError as `trustworthiness` does.
    """
    ordered = sorted(every, key=lambda each: each.n_neighbors)
    rows = len(pixels)
    with progress("nearest neighbours", rows) as step:
        neighbours = find_neighbours(pixels, ordered[-1].n_neighbors + 1, on_progress=step)  # itself and as many others
    with progress("UMAP layouts", epochs_of(rows) * len(ordered)) as step:
        embeddings = fit_all(neighbours, pixels, ordered, kept, step)
    with progress("trustworthiness", rows) as step:
        ks = [(each.n_neighbors, k) for each in ordered]
        scores = trustworthiness(pixels, neighbours, embeddings, ks, step)
    found = zip(ordered, embeddings, scores, strict=True)
    return Sweep(tuple(Candidate(each, e, score[each.n_neighbors], score[k]) for each, e, score in found), k)


def fit_all(
    neighbours: Neighbours,
    pixels: Pixels,
    every: Sequence[UmapSettings],
    kept: Path,
    on_epoch: Callable[[int], None] = lambda done: None,
) -> list[Embedding]:
    """Return the embedding of each settings; those fitted before are read from `kept`, the others fitted side by side.

    `on_epoch` gets the epochs done, of all fits together.
    """
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
    keys, epochs = [_key(digest, each) for each in every], epochs_of(len(pixels))
    with Cache(kept) as cache:
        found = {key: cache.read(key, partial(_decoded, each)) for key, each in zip(keys, every, strict=True)}
    done = epochs * sum(embedding is not None for embedding in found.values())
    # Graphs one after the other: umap-learn's threads must not be started from several threads.
    missing = {key: each for key, each in zip(keys, every, strict=True) if found[key] is None}
    graphs = {key: neighbour_graph(neighbours, each) for key, each in missing.items()}
    with _side_by_side(done, on_epoch) as (pool, count):

        def fit(key: str) -> None:
            embedding = lay_out(graphs[key], pixels, missing[key], count)
            with Cache(kept) as cache:
                cache.put(key, "", embedding.tobytes())
            found[key] = embedding

        most_work_first = sorted(missing, key=lambda key: -missing[key].n_neighbors)
        for each in [pool.submit(fit, key) for key in most_work_first]:
            each.result()
    return [embedding for embedding in (found[key] for key in keys) if embedding is not None]


@contextmanager
def _side_by_side(
    done: int, on_epoch: Callable[[int], None]
) -> Iterator[tuple[ThreadPoolExecutor, Callable[[], None]]]:
    # A pool, and what its fits call after each epoch; an error or Ctrl-C ends all of them at their next epoch.
    lock, stopped = threading.Lock(), threading.Event()

    def count() -> None:
        nonlocal done
        if stopped.is_set():
            raise InterruptedError("another fit failed or was stopped")
        with lock:
            done += 1
            on_epoch(done)

    with ThreadPoolExecutor(os.cpu_count() or 1, "umap") as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # parts without an edge between are usual among photos
        try:
            yield pool, count
        except BaseException:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _key(digest: str, settings: UmapSettings) -> str:
    # Spectral layouts differ between releases of umap-learn and scipy.
    versions = [metadata.version(name) for name in ("umap-learn", "scipy", "scikit-learn")]
    text = json.dumps([_VERSION, *versions, digest, asdict(settings)], sort_keys=True)
    return f"{settings.n_components}:{hashlib.sha256(text.encode()).hexdigest()}"


def _decoded(settings: UmapSettings, _: str, data: bytes) -> Embedding:
    return np.frombuffer(data, np.float32).reshape(-1, settings.n_components)
