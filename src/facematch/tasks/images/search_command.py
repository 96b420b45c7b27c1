"""`facematch search`: the photos of a folder that are nearest to an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facematch.core.console import info, progress, result, show_json, warn_unread
from facematch.core.errors import FacematchError
from facematch.core.text import count_of, printable
from facematch.pipeline.images import image_sets, image_stage, load_image_settings, require_photos
from facematch.tasks.images.found_page import SUFFIXES, Captioned, Results, write_found
from facematch.tasks.images.search import (
    LOGIT_SCALE,
    Hit,
    ImageQuery,
    Searched,
    embed_queries,
    search_sets,
    softmax_of_list,
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
        write_found(page, f"Nearest photos by {chosen}", _rows(queries, found), stage.limits)
        info(f"to look at: {page}")


def shown_distance(distance: float, bits: int | None) -> str:
    """Return a distance as text; of codes as the number of different bits."""
    return f"{distance:.4f}" if bits is None else f"{distance:.0f} of {bits} bits"


def _bits(query: ImageQuery) -> int | None:
    return query.embeddings.dimensions if query.embeddings.packed else None


def _by_similarity(query: ImageQuery) -> bool:
    return query.embeddings.metric == "cosine"


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
        return [shown_distance(hit.distance, _bits(query)) for hit in hits]
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


def _rows(queries: Sequence[ImageQuery], found: Searched) -> list[Results]:
    return [
        Results(
            Captioned(query.file, query.file.name, "the image"),
            tuple(Captioned(hit.file, hit.file.name, _detail(query, hit)) for hit in hits),
        )
        for query, hits in zip(queries, found.nearest, strict=True)
    ]


def _detail(query: ImageQuery, hit: Hit) -> str:
    similarity = f"similarity {1 - hit.distance:.4f}" if _by_similarity(query) else ""
    near = similarity or shown_distance(hit.distance, _bits(query))
    return ", ".join(part for part in (near, hit.identical or str(hit.orientation)) if part)
