"""Seconds of feature extraction, index and query, measured on this machine."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.photos.photo import PhotoFile
from facematch.pipeline.evaluated import embed_files
from facematch.pipeline.timing import median_seconds, seconds_of, timed
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import ROWS, Metric
from facematch.ranking.ranking import chosen_metric, prepared

_ROUNDS = 5


@dataclass(frozen=True)
class Seconds:
    """How long each part took: features of the database and of the queries, the index, all queries of the index.

    `warm_up` is the first batch, with the loading of the model, in none of the others. Features that were read from
    the cache have no time.
    """

    warm_up: float | None
    database: float | None
    queries: float | None
    index: float
    search: float


def warm_up(stage: PhotoEmbedder) -> float:
    """Embed one batch of blank crops, which loads the model; return its seconds."""
    size = stage.cropper.size
    blank = np.zeros((stage.embedder.batch, size, size, 3), dtype=np.uint8)
    return seconds_of(lambda: stage.embedder.embed(blank))


def extract_anew(stage: PhotoEmbedder, files: tuple[PhotoFile, ...], what: str) -> tuple[EmbeddedPhotos, float]:
    """Embed photos from their files, without any cache, and return the seconds it took: read, decoded, embedded."""
    with TemporaryDirectory() as empty:
        seconds, embedded = timed(lambda: embed_files(replace(stage, cache=Path(empty)), files, what))
    return embedded, seconds


def search_seconds(query: Embeddings, database: Embeddings, k: int) -> tuple[float, float]:
    """Return the seconds of making FAISS's exact index of the database, and of its `k` nearest of all queries.

    Medians of 5 rounds after one that does not count, each from raw vectors.
    """
    metric = chosen_metric(database, None)
    index = _index(database, metric)
    wanted = min(k, len(database))
    made = median_seconds(lambda: _index(database, metric), _ROUNDS)
    return made, median_seconds(lambda: index.search(prepared(query, metric), wanted), _ROUNDS)


def _index(database: Embeddings, metric: Metric) -> Any:
    import faiss

    vectors = prepared(database, metric)
    width = vectors.shape[1]
    if metric == "hamming":
        index: Any = faiss.IndexBinaryFlat(8 * width)
    else:
        index = faiss.IndexFlat(width, getattr(faiss, ROWS[metric].faiss))
    index.add(vectors)
    return index
