"""What was found for images, to look through: each image with its photos beside it, as a page or a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.charts.contact_sheet import Tile, write_contact_sheet
from facematch.charts.jpeg import SmallPhoto, read_small
from facematch.charts.picture_page import SIDE, Group, Picture, Row, Thumbnails, picture_page
from facematch.core.files import write_bytes
from facematch.photos.photo import PhotoFile, PhotoLimits

SUFFIXES = (".html", ".png")

_COLUMNS = 11


@dataclass(frozen=True)
class Captioned:
    """A photo with its caption and a second line of detail."""

    file: PhotoFile
    caption: str
    detail: str = ""


@dataclass(frozen=True)
class Results:
    """The photos that were found for an image, best first."""

    image: Captioned
    found: tuple[Captioned, ...]


def write_found(path: Path, title: str, results: Sequence[Results], limits: PhotoLimits) -> None:
    """Write an HTML page that is whole in itself, or a PNG picture, as the suffix of `path` says.

    Only thumbnails are in memory. A photo that cannot be read any more leaves its place empty. Raises
    FacematchError when the file cannot be written, and ValueError for another suffix.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is neither a page nor a picture")
    if path.suffix.lower() == ".html":
        write_bytes(path, found_page(title, results, limits))
        return
    across = min(_COLUMNS, 1 + max((len(each.found) for each in results), default=0))
    tiles: list[Tile] = []
    for each in results:
        tiles += [Tile(None, "")] * (-len(tiles) % across)  # each image begins a line of its own
        tiles += [_tile(photo, limits) for photo in (each.image, *each.found)]
    write_contact_sheet(path, tiles, title=title, columns=across, tile_size=SIDE)


def found_page(title: str, results: Sequence[Results], limits: PhotoLimits) -> bytes:
    """Return the HTML page: a heading for each image, the image with a frame, what was found behind it."""
    thumbnails = Thumbnails(limits=limits)

    def picture(photo: Captioned, query: bool) -> Picture:
        lines = (photo.caption, photo.detail, thumbnails.size(photo.file))
        return Picture(thumbnails.source(photo.file), lines, marked=query)

    groups = [
        Group(each.image.caption, (Row((picture(each.image, True), *(picture(photo, False) for photo in each.found))),))
        for each in results
    ]
    return picture_page("search", title, [], groups, thumbnails, "files")


def _tile(photo: Captioned, limits: PhotoLimits) -> Tile:
    small = read_small(photo.file, SIDE, limits)
    if not isinstance(small, SmallPhoto):
        return Tile(None, photo.caption, "cannot be read any more")
    return Tile(small.image, photo.caption, photo.detail)
