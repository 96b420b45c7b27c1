"""The photos of a folder that are nearest to an image, however it is turned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facematch.core.errors import FacematchError
from facematch.embedders.embed import PhotoEmbedder
from facematch.faces.stream import crop_cache, crop_photos
from facematch.faces.values import Crop
from facematch.photos.photo import PhotoFile
from facematch.pipeline.images import ImageSet
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.images.edits import same_file
from facematch.tasks.images.orientation import ORIENTATIONS, UPRIGHT, Orientation, oriented

Identical = Literal["the very same file", "the same bytes"]

LOGIT_SCALE = 100.0  # what CLIP multiplies a cosine by before a softmax (Radford et al. 2021, section 2.5)


@dataclass(frozen=True, eq=False)
class ImageQuery:
    """An image to search for: its file, the SHA-256 of its bytes, and an embedding of each orientation."""

    file: PhotoFile
    sha256: str
    orientations: tuple[Orientation, ...]
    embeddings: Embeddings


@dataclass(frozen=True)
class Hit:
    """A photo that was found: its distance from the image in the orientation that makes them most alike.

    `identical` says that the photo is the image itself.
    """

    file: PhotoFile
    distance: float
    orientation: Orientation
    identical: Identical | None = None


@dataclass(frozen=True)
class Searched:
    """The nearest photos of each query; how many were compared, and `name (reason)` of what could not be."""

    nearest: tuple[tuple[Hit, ...], ...]
    photos: int
    unread: tuple[str, ...]


def embed_queries(stage: PhotoEmbedder, images: Sequence[Path], *, turned: bool) -> tuple[ImageQuery, ...]:
    """Embed images as they are, and where `turned` in all eight ways: mirrored and turned by quarters.

    The square crop is turned, which is the crop of the turned photo but for rounding. Raises FacematchError for
    an image that is missing, a folder, or no photo that can be read.
    """
    files = [PhotoFile(str(path), path) for path in images]
    for path in images:
        if path.is_dir():
            raise FacematchError(f"{path} is a folder, not an image.", "Name a photo; the folder belongs after --in.")
    queries = []
    with crop_cache(stage.cache, stage.cropper) as cache:
        outcomes = crop_photos(files, stage.cropper, cache, miss=stage.miss, limits=stage.limits)
        for file, outcome in zip(files, outcomes, strict=True):
            if not isinstance(outcome, Crop):
                raise FacematchError(f"{file.name} is no photo that can be read: {outcome.reason}.", "Name another.")
            queries.append(_query(stage, file, outcome, ORIENTATIONS if turned else (UPRIGHT,)))
    return tuple(queries)


def _query(stage: PhotoEmbedder, file: PhotoFile, crop: Crop, orientations: tuple[Orientation, ...]) -> ImageQuery:
    vectors = stage.embedder.embed(np.stack([oriented(crop.image, each) for each in orientations]))
    names = tuple(f"{each.quarters}{'m' if each.mirrored else ''}" for each in orientations)
    coded = stage.metric == "hamming"
    found = Embeddings(names, vectors, "euclidean" if coded else stage.metric, stage.fingerprint)
    return ImageQuery(file, crop.sha256, orientations, found.as_codes() if coded else found)


def nearest_images(query: ImageQuery, images: ImageSet, k: int) -> tuple[Hit, ...]:
    """Return the `k` nearest photos (fewer in a smaller folder) by (distance, name), the image itself among them.

    The distance of a photo is the least over the orientations of the query; of equal ones the plainest is given.
    """
    if not len(images.embeddings):
        return ()
    # The k nearest of all are among the k nearest of each orientation.
    ranking = distance_estimator(query.embeddings, images.embeddings, k)
    best: dict[str, tuple[float, Orientation]] = {}
    for row, orientation in enumerate(query.orientations):
        for name, distance in zip(ranking.names(row), ranking.distances[row].tolist(), strict=True):
            if name not in best or distance < best[name][0]:
                best[name] = distance, orientation
    order = sorted(best, key=lambda name: (best[name][0], name))[:k]
    return tuple(Hit(images.files[name], *best[name], _identical(query, images, name)) for name in order)


def search_sets(queries: Sequence[ImageQuery], sets: Iterable[ImageSet], k: int) -> Searched:
    """Return what `nearest_images` does for each query, from sets of photos that are let go one after the other."""
    best: list[tuple[Hit, ...]] = [() for _ in queries]
    photos, unread = 0, list[str]()
    for images in sets:
        for number, query in enumerate(queries):
            nearer = (*best[number], *nearest_images(query, images, k))
            best[number] = tuple(sorted(nearer, key=lambda hit: (hit.distance, hit.file.name))[:k])
        photos += len(images.files)
        unread += images.unread
    return Searched(tuple(best), photos, tuple(sorted(unread)))


def softmax_of_list(hits: Sequence[Hit]) -> tuple[float | None, ...]:
    """Return each hit's share of a softmax over the list: of 100 times the cosine similarities, adding up to 1.

    The image itself takes no share. A share compares a photo with the others of the list only: it is no probability
    that the photo is right, and changes with k. `hits` are those of a cosine ranking.
    """
    others = [hit.identical is None for hit in hits]
    logits = LOGIT_SCALE * (1 - np.array([hit.distance for hit in hits], dtype=np.float64))
    weights = np.where(others, np.exp(logits - max(logits[others], default=0.0)), 0.0)
    return tuple(
        float(weight / weights.sum()) if other else None for weight, other in zip(weights, others, strict=True)
    )


def _identical(query: ImageQuery, images: ImageSet, name: str) -> Identical | None:
    if images.sha256[name] != query.sha256:
        return None
    return "the very same file" if same_file(query.file, images.files[name]) else "the same bytes"
