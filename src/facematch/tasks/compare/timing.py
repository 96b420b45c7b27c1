"""Milliseconds of a photo and of a query, measured on this machine on a few photos, apart from any cache."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np

from facematch.core.text import evenly
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.rank_task import Rank, rank_divisions
from facematch.evaluation.task import RetrievalTask
from facematch.faces.values import Crop, Miss
from facematch.photos.photo import Photo, PhotoFile, Unreadable, made_of, read_photo
from facematch.pipeline.timing import median_seconds, timed
from facematch.ranking.embeddings import Embeddings
from facematch.tasks.compare.results import Cost

SAMPLE = 24  # photos that are cropped and embedded
_ROUNDS, _QUERIES = 3, 100


def measure_cost(
    stage: PhotoEmbedder, files: Sequence[PhotoFile], embeddings: Embeddings, rank: Rank, task: RetrievalTask
) -> Cost:
    """Measure one system: medians over photos and rounds, each after one that does not count.

    A photo is read, decoded and cropped alone, on one thread; crops are embedded together, as many at once as the
    embedder takes. A query's share is that of a hundred ranked together, whole galleries.
    """
    crop_ms, crops = _cropping(stage, evenly(files, SAMPLE))
    embed_ms = 0.0
    if crops:
        images = np.stack([crop.image for crop in crops])
        size = stage.embedder.batch
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        embed_ms = repeated_ms(lambda: [stage.embedder.embed(part) for part in parts]) / len(crops)
    first = task.divisions[0]
    asks = evenly(range(len(first.queries)), _QUERIES)
    some = replace(task, divisions=(first.at(asks),), shown={})
    rank_ms = repeated_ms(lambda: rank_divisions(some, embeddings, rank)) / len(asks)
    return Cost(
        crop_ms, embed_ms, rank_ms, embeddings.dimensions, int(embeddings.vectors[:1].nbytes), embeddings.metric,
        stage.cropper.fingerprint.digest,
    )  # fmt: skip


def repeated_ms(work: Callable[[], object]) -> float:
    """Return the median milliseconds of a few rounds after one that warms up."""
    return 1000 * median_seconds(work, _ROUNDS)


def _cropping(stage: PhotoEmbedder, files: Sequence[PhotoFile]) -> tuple[float, list[Crop]]:
    def one(file: PhotoFile) -> Crop | Miss | Unreadable:
        photo = read_photo(file, stage.limits)
        return photo if isinstance(photo, Unreadable) else made_of(photo, lambda whole: _crop(stage, whole))

    outcomes = [timed(partial(one, file)) for file in (*files[:1], *files)][1:]
    crops = [crop for _, crop in outcomes if isinstance(crop, Crop)]
    return 1000 * median(seconds for seconds, _ in outcomes), crops


def _crop(stage: PhotoEmbedder, photo: Photo) -> Crop | Miss:
    found = stage.cropper.crop(photo)
    if isinstance(found, Miss) and stage.miss in ("whole", "centre"):
        return stage.cropper.stand_in(photo, stage.miss, found.reason)
    return found
