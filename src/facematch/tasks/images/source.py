"""`facematch source`: the photos of a folder that show the same picture as an image, the largest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from facematch.core.cache import Cache, cache_folder
from facematch.core.console import info, progress, result, show_json, warn_unread
from facematch.core.errors import USAGE, FacematchError
from facematch.core.text import count_of, printable
from facematch.near_duplicates.contents import Content, content_cache, read_contents
from facematch.near_duplicates.match import Match, Progress, match
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from facematch.pipeline.build import photo_limits
from facematch.pipeline.images import load_image_settings, require_photos
from facematch.tasks.images.edits import describe_edits, largest_first, same_file

Kind = Literal["the very same file", "the same bytes", "the same pixels", "near-duplicate"]
_ALMOST_CERTAIN = 0.97


@dataclass(frozen=True)
class Copy:
    """A photo that shows the same picture as an image.

    `changes` says, for a near-duplicate, what was done to the photo to become the image, as far as it was seen.
    `correlation` of their detail is at most 1.
    """

    kind: Kind
    photo: Content
    changes: tuple[str, ...] = ()
    correlation: float | None = None


@dataclass(frozen=True)
class Source:
    """The copies of an image, the one with the most pixels first, then by bytes and name.

    `photos` is how many were compared, `unread` says `name (reason)` for the rest of the folder.
    """

    image: Content
    copies: tuple[Copy, ...]
    photos: int
    unread: tuple[str, ...]


def find_source(image: Path, folder: Path, cache: Cache, limits: PhotoLimits, progress: Progress) -> Source:
    """Compare an image with every photo below a folder: by bytes, by decoded pixels, and as near-duplicates.

    Near-duplicates are confirmed by registration (`facematch.near_duplicates`), also mirrored, turned by quarters,
    and with a plain border on either side; an image without detail has none. What was read before comes from the
    cache; of the photos only descriptors are in memory. Raises FacematchError for an image that cannot be read and a
    folder without a photo.
    """
    if image.is_dir():
        raise FacematchError(f"{image} is a folder, not an image.", "Name a photo; the folder belongs after --in.")
    query, refused = read_contents([PhotoFile(str(image), image)], cache, limits)
    if refused:
        raise FacematchError(f"{image} is no photo that can be read: {refused[0].reason}.", "Name another.")
    found = find_photos(folder)
    with progress("photos", len(found.files)) as step:
        photos, bad = read_contents(found.files, cache, limits, step)
    unread = [str(each) for each in sorted([*found.unreadable, *bad], key=lambda each: each.name)]
    require_photos(folder, len(photos), unread)
    matches = match(query, photos, cache, limits, progress, edited=True)
    copies = [_copy(query[0], photo, each) for each in matches for photo in each.right]
    return Source(
        query[0], tuple(sorted(copies, key=lambda copy: largest_first(copy.photo))), len(photos), tuple(unread)
    )


def _copy(image: Content, photo: Content, found: Match) -> Copy:
    if found.near is not None:
        return Copy("near-duplicate", photo, describe_edits(image, photo, found.near), found.near.correlation)
    if photo.sha256 != image.sha256:
        return Copy("the same pixels", photo)
    return Copy("the very same file" if same_file(photo.file, image.file) else "the same bytes", photo)


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
    if all(copy.kind == "the very same file" for copy in found.copies):
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
    rows = [(f"{copy.photo.width}×{copy.photo.height}", f"{copy.photo.bytes:,} bytes") for copy in found.copies]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for copy, row in zip(found.copies, rows, strict=True):
        size, weight = (part.rjust(width) for part, width in zip(row, widths, strict=True))
        result(printable(f"  {size}  {weight}  {copy.photo.file.name}  {how(copy)}"))
    best, own = found.copies[0].photo, found.image
    times = best.width * best.height / (own.width * own.height)
    than = "as many pixels as the image" if times == 1 else f"{times:.2g} times the image's pixels"
    result(printable(f"the best copy: {best.file.name}, {_size(best)}, {than}"), "bold")


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
