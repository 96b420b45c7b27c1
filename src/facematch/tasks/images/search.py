"""`facematch search`: the photos of a folder that are nearest to an image, however it is turned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facematch.core.console import info, progress, result, show_json, warn_unread
from facematch.core.errors import FacematchError
from facematch.core.text import count_of, printable
from facematch.embedders.embed import PhotoEmbedder
from facematch.faces.stream import crop_cache, crop_photos
from facematch.faces.values import Crop
from facematch.photos.photo import PhotoFile
from facematch.pipeline.images import ImageSet, image_sets, image_stage, load_image_settings, require_photos
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.images.edits import ORIENTATIONS, UPRIGHT, Orientation, oriented, same_file
from facematch.tasks.images.found_page import SUFFIXES, Captioned, Results, write_found

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
    orientations, queries = ORIENTATIONS if turned else (UPRIGHT,), []
    with crop_cache(stage.cache, stage.cropper) as cache:
        outcomes = crop_photos(files, stage.cropper, cache, miss=stage.miss, limits=stage.limits)
        for file, outcome in zip(files, outcomes, strict=True):
            if not isinstance(outcome, Crop):
                raise FacematchError(f"{file.name} is no photo that can be read: {outcome.reason}.", "Name another.")
            vectors = stage.embedder.embed(np.stack([oriented(outcome.image, each) for each in orientations]))
            names = tuple(f"{each.quarters}{'m' if each.mirrored else ''}" for each in orientations)
            coded = stage.metric == "hamming"
            found = Embeddings(names, vectors, "euclidean" if coded else stage.metric, stage.fingerprint)
            queries.append(ImageQuery(file, outcome.sha256, orientations, found.as_codes() if coded else found))
    return tuple(queries)


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

    def identical(name: str) -> Identical | None:
        if images.sha256[name] != query.sha256:
            return None
        return "the very same file" if same_file(query.file, images.files[name]) else "the same bytes"

    return tuple(Hit(images.files[name], *best[name], identical(name)) for name in order)


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


def search_command(
    images: Sequence[Path],
    folder: Path,
    k: int,
    system: str | None,
    config: Path | None,
    overrides: Sequence[str],
    *,
    turned: bool,
    as_json: bool,
    page: Path | None,
) -> None:
    """Print the `k` photos of a folder nearest to each image; `page` is a PNG or HTML file to look through."""
    if page is not None and page.suffix.lower() not in SUFFIXES:
        raise FacematchError(f"--out {page} is neither a .png nor an .html file.", "Give --out results/found.html")
    settings = load_image_settings(config, overrides, system)
    chosen = system or settings.embedder.kind
    stage = image_stage(settings, chosen)
    queries = embed_queries(stage, images, turned=turned)
    with progress("photos", 100) as step:
        found = search_sets(queries, image_sets(stage, folder, step), k)
    require_photos(folder, found.photos, found.unread)
    warn_unread(found.unread)
    if k > found.photos:
        info(f"{folder} holds {count_of(found.photos, 'photo', 'photos')}, so there are no {k} to show")
    if as_json:
        show_json(_as_json(queries, found, folder, chosen))
    else:
        _print(queries, found, folder, chosen)
    if page is not None:
        rows = [
            Results(
                Captioned(query.file, query.file.name, "the image"),
                tuple(Captioned(hit.file, hit.file.name, _detail(query, hit)) for hit in hits),
            )
            for query, hits in zip(queries, found.nearest, strict=True)
        ]
        write_found(page, f"Nearest photos by {chosen}", rows, stage.limits)
        info(f"to look at: {page}")


def _bits(query: ImageQuery) -> int | None:
    return query.embeddings.dimensions if query.embeddings.packed else None


def _by_similarity(query: ImageQuery) -> bool:
    return query.embeddings.metric == "cosine"


def _distance(query: ImageQuery, hit: Hit) -> str:
    # Of codes the number of different bits.
    bits = _bits(query)
    return f"{hit.distance:.4f}" if bits is None else f"{hit.distance:.0f} of {bits} bits"


def _print(queries: Sequence[ImageQuery], found: Searched, folder: Path, system: str) -> None:
    for query, hits in zip(queries, found.nearest, strict=True):
        measure = f"{query.embeddings.metric} distance"
        if _by_similarity(query):
            measure = f"cosine similarity; softmax of {LOGIT_SCALE:.0f} × the similarities of this list"
        among = f"{len(hits)} nearest of {count_of(found.photos, 'photo', 'photos')} in {folder}"
        result(printable(f"{query.file.name}: the {among}, by {system} ({measure})"), "bold")
        columns = _columns(query, hits)
        width = max(map(len, columns))
        for place, (hit, column) in enumerate(zip(hits, columns, strict=True), start=1):
            how = hit.identical or (f"the image {hit.orientation}" if str(hit.orientation) else "")
            result(printable(f"{place:4}  {column.rjust(width)}  {hit.file.name}{f'  ({how})' if how else ''}"))


def _columns(query: ImageQuery, hits: Sequence[Hit]) -> list[str]:
    # How near each hit is, as printed: similarity and softmax, or distance.
    if not _by_similarity(query):
        return [_distance(query, hit) for hit in hits]
    shares = ["–" if share is None else f"{share:.3f}" for share in softmax_of_list(hits)]
    return [f"{1 - hit.distance:7.4f}  {share:>5}" for hit, share in zip(hits, shares, strict=True)]


def _as_json(queries: Sequence[ImageQuery], found: Searched, folder: Path, system: str) -> dict[str, Any]:
    scaled = {"softmax_scale": LOGIT_SCALE} if _by_similarity(queries[0]) else {}
    return {
        "folder": str(folder),
        "system": system,
        "metric": queries[0].embeddings.metric,
        "bits": _bits(queries[0]),
        **scaled,
        "photos": found.photos,
        "not_read": list(found.unread),
        "images": [
            {"image": query.file.name, "sha256": query.sha256, "nearest": _hits_as_json(query, hits)}
            for query, hits in zip(queries, found.nearest, strict=True)
        ],
    }


def _hits_as_json(query: ImageQuery, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    shares = softmax_of_list(hits) if _by_similarity(query) else ()
    return [
        {
            "rank": place,
            "photo": hit.file.name,
            "path": str(hit.file.path),
            "distance": hit.distance,
            "turned_clockwise": 90 * hit.orientation.quarters,
            "mirrored": hit.orientation.mirrored,
            "identical": hit.identical,
            **({"similarity": 1 - hit.distance, "softmax_of_list": shares[place - 1]} if shares else {}),
        }
        for place, hit in enumerate(hits, start=1)
    ]


def _detail(query: ImageQuery, hit: Hit) -> str:
    near = f"similarity {1 - hit.distance:.4f}" if _by_similarity(query) else _distance(query, hit)
    return ", ".join(part for part in (near, hit.identical or str(hit.orientation)) if part)
