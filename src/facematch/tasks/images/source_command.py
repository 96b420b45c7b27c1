"""`facematch source`: where an image comes from, and its best copy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facematch.core.cache import cache_folder
from facematch.core.console import info, progress, result, show_json, warn_unread
from facematch.core.errors import USAGE, FacematchError
from facematch.core.text import count_of, printable
from facematch.near_duplicates.contents import Content, content_cache
from facematch.pipeline.build import photo_limits
from facematch.pipeline.images import load_image_settings
from facematch.tasks.images.source import Copy, Source, find_source

_ALMOST_CERTAIN = 0.97


def source_command(image: Path, folder: Path, config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print the photos of a folder that show the same picture as an image, the largest first.

    Leaves with exit code 1 when there is none but the image's own file, 2 on bad input.
    """
    try:
        settings = load_image_settings(config, overrides)
        with content_cache(cache_folder(settings.paths.cache)) as cache:
            found = find_source(image, folder, cache, photo_limits(settings.photos), progress)
    except FacematchError as error:
        raise FacematchError(error.message, error.hint, USAGE) from None
    warn_unread(found.unread)
    if found.image.plain:
        info(f"{printable(str(image))} has too little detail for near-duplicates: only bytes and pixels were compared")
    if as_json:
        show_json(_as_json(found, folder))
    elif found.copies:
        _print(found, folder)
    if not found.others:
        raise FacematchError(
            f"none of {count_of(found.photos, 'photo', 'photos')} in {folder} shows {image}"
            f"{', but its own file' if found.copies else ''}.",
            f"What is merely alike is found by: facematch search {image} --in {folder}",
        )


def how(copy: Copy) -> str:
    """Return how a photo and the image are related: what was done to the photo to make the image, how sure it is."""
    if copy.correlation is None:
        return copy.kind
    sure = "almost certain" if copy.correlation >= _ALMOST_CERTAIN else "likely"
    changes = ", ".join(copy.changes) or "saved again or slightly edited"
    return f"→ {changes} ({sure}: correlation {copy.correlation:.3f})"


def _print(found: Source, folder: Path) -> None:
    result(printable(f"{found.image.file.name}: {_size(found.image)}"), "bold")
    among = f"{len(found.copies)} of {count_of(found.photos, 'photo', 'photos')} in {folder}"
    result(printable(f"shown by {among}, the largest first; → says what was done to a photo to make the image"))
    widths = [max(len(part) for part in column) for column in zip(*map(_parts, found.copies), strict=True)]
    for copy in found.copies:
        size, weight = (part.rjust(width) for part, width in zip(_parts(copy), widths, strict=True))
        result(printable(f"  {size}  {weight}  {copy.photo.file.name}  {how(copy)}"))
    best, own = found.copies[0].photo, found.image
    times = best.width * best.height / (own.width * own.height)
    than = "as many pixels as the image" if times == 1 else f"{times:.2g} times the image's pixels"
    result(printable(f"the best copy: {best.file.name}, {_size(best)}, {than}"), "bold")


def _parts(copy: Copy) -> tuple[str, str]:
    return f"{copy.photo.width}×{copy.photo.height}", f"{copy.photo.bytes:,} bytes"


def _size(photo: Content) -> str:
    return f"{photo.width}×{photo.height} pixels, {photo.bytes:,} bytes"


def _as_json(found: Source, folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "photos": found.photos,
        "not_read": list(found.unread),
        "image": _facts(found.image),
        "without_detail": found.image.plain,
        "copies": [
            {
                **_facts(copy.photo),
                "kind": copy.kind,
                "changes": list(copy.changes),
                "correlation": copy.correlation,
                "best": place == 0,
            }
            for place, copy in enumerate(found.copies)
        ],
    }


def _facts(photo: Content) -> dict[str, Any]:
    return {
        "photo": photo.file.name,
        "path": str(photo.file.path),
        "width": photo.width,
        "height": photo.height,
        "bytes": photo.bytes,
        "grey": photo.grey,
    }
