"""`facematch search`: the photos of a folder that are nearest to an image."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facematch.console import loud, note, out, say, working
from facematch.errors import FacematchError
from facematch.identities.values import count_of, first_of, printable
from facematch.reports.found_page import SUFFIXES, Row, Shown, write_found
from facematch.reverse.search import Hit, ImageQuery, embed_queries, nearest_images
from facematch.reverse.systems import ImageSet, embed_images, image_stage, load_image_settings

Answers = Sequence[tuple[ImageQuery, Sequence[Hit]]]


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
        raise FacematchError(f"--out {page} is neither a .png nor an .html file.", "For example: --out found.html")
    settings = load_image_settings(config, overrides)
    chosen = system or settings.embedder.kind
    stage = image_stage(settings, chosen)
    queries = embed_queries(stage, images, turned=turned)
    with working("photos", 100) as progress:
        photos = embed_images(stage, folder, progress)
    note_unread(photos.unread)
    if k > len(photos.files):
        note(f"{folder} holds {count_of(len(photos.files), 'photo', 'photos')}, so there are no {k} to show")
    found = [(query, nearest_images(query, photos, k)) for query in queries]
    if as_json:
        out.print_json(json.dumps(_as_json(found, photos, folder, chosen)))
    else:
        _say(found, photos, folder, chosen)
    if page is not None:
        write_found(page, f"Nearest photos by {chosen}", _rows(found, photos), stage.limits)
        note(f"to look at: {page}")


def note_unread(unread: Sequence[str]) -> None:
    """Say which files of a folder could not be compared."""
    if unread:
        loud(f"{count_of(len(unread), 'file was', 'files were')} not read: {printable(first_of(unread))}")


def shown_distance(distance: float, bits: int | None) -> str:
    """Return a distance as text; of codes as the number of different bits."""
    return f"{distance:.4f}" if bits is None else f"{distance:.0f} of {bits} bits"


def _bits(photos: ImageSet) -> int | None:
    return photos.embeddings.dimensions if photos.embeddings.packed else None


def _say(found: Answers, photos: ImageSet, folder: Path, system: str) -> None:
    for query, hits in found:
        among = f"{len(hits)} nearest of {count_of(len(photos.files), 'photo', 'photos')} in {folder}"
        say(printable(f"{query.file.name}: the {among}, by {system} ({photos.embeddings.metric} distance)"), "bold")
        width = max(len(shown_distance(hit.distance, _bits(photos))) for hit in hits)
        for place, hit in enumerate(hits, start=1):
            distance = shown_distance(hit.distance, _bits(photos)).rjust(width)
            how = hit.identical or (f"the image {hit.turn}" if str(hit.turn) else "")
            say(printable(f"{place:4}  {distance}  {hit.file.name}{f'  ({how})' if how else ''}"))


def _as_json(found: Answers, photos: ImageSet, folder: Path, system: str) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "system": system,
        "metric": photos.embeddings.metric,
        "bits": _bits(photos),
        "photos": len(photos.files),
        "not_read": list(photos.unread),
        "images": [
            {
                "image": query.file.name,
                "sha256": query.sha256,
                "nearest": [
                    {
                        "rank": place,
                        "photo": hit.file.name,
                        "path": str(hit.file.path),
                        "distance": hit.distance,
                        "turned_clockwise": 90 * hit.turn.quarters,
                        "mirrored": hit.turn.mirrored,
                        "identical": hit.identical,
                    }
                    for place, hit in enumerate(hits, start=1)
                ],
            }
            for query, hits in found
        ],
    }


def _rows(found: Answers, photos: ImageSet) -> list[Row]:
    bits = _bits(photos)
    return [
        Row(
            Shown(query.file, query.file.name, "the image"),
            tuple(Shown(hit.file, hit.file.name, _detail(hit, bits)) for hit in hits),
        )
        for query, hits in found
    ]


def _detail(hit: Hit, bits: int | None) -> str:
    return ", ".join(part for part in (shown_distance(hit.distance, bits), hit.identical or str(hit.turn)) if part)
