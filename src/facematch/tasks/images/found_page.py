"""What was found for images, to look through: each image with its photos beside it, as a page or a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.charts.contact_sheet import Tile, write_contact_sheet
from facematch.charts.jpeg import SmallPhoto, read_small
from facematch.charts.picture_page import GONE, SIDE, Album, Group, Line, Picture, picture_page
from facematch.core.files import write_bytes
from facematch.photos.photo import PhotoFile, PhotoLimits

SUFFIXES = (".html", ".png")

_COLUMNS = 11


@dataclass(frozen=True)
class Shown:
    """One photo to show, with its caption and a second line of detail."""

    file: PhotoFile
    caption: str
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """An image, shown first, and what was found for it."""

    image: Shown
    found: tuple[Shown, ...]


def write_found(path: Path, title: str, rows: Sequence[Row], limits: PhotoLimits) -> None:
    """Write an HTML page that is whole in itself, or a PNG picture, as the suffix of `path` says.

    Only thumbnails are in memory. A photo that cannot be read any more leaves its place empty. Raises
    FacematchError when the file cannot be written, and ValueError for another suffix.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is neither a page nor a picture")
    if path.suffix.lower() == ".html":
        write_bytes(path, found_page(title, rows, limits))
        return
    across = min(_COLUMNS, 1 + max((len(row.found) for row in rows), default=0))
    tiles: list[Tile] = []
    for row in rows:
        tiles += [Tile(None, "")] * (-len(tiles) % across)  # each image begins a line of its own
        tiles += [_tile(shown, limits) for shown in (row.image, *row.found)]
    write_contact_sheet(path, tiles, title=title, columns=across, tile_size=SIDE)


def found_page(title: str, rows: Sequence[Row], limits: PhotoLimits) -> bytes:
    """Return the HTML page: a heading for each image, the image with a frame, what was found behind it."""
    album = Album(limits=limits)
    groups = [
        Group(
            row.image.caption,
            (Line(tuple(_picture(shown, album, shown is row.image) for shown in (row.image, *row.found))),),
        )
        for row in rows
    ]
    return picture_page("search", title, [], groups, album, "files")


def _picture(shown: Shown, album: Album, asked: bool) -> Picture:
    number = album.number(shown.file)
    return Picture(number, (shown.caption, shown.detail, album.size(number)), asked)


def _tile(shown: Shown, limits: PhotoLimits) -> Tile:
    photo = read_small(shown.file, SIDE, limits)
    if not isinstance(photo, SmallPhoto):
        return Tile(None, shown.caption, GONE)
    return Tile(photo.image, shown.caption, shown.detail)
