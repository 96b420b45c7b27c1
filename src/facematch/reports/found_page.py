"""What was found for images, to look through: each image with its photos beside it, as a page or a picture."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.files import write_bytes
from facematch.photos import PhotoFile, PhotoLimits
from facematch.reports.contact_sheet import Tile, write_contact_sheet
from facematch.reports.jpeg import SmallPhoto, data_url, read_small, small_jpeg

SUFFIXES = (".html", ".png")

_SIDE = 160  # pixels of a thumbnail
_COLUMNS = 11

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.4 system-ui, sans-serif; margin: 1rem auto; padding: 0 1rem; max-width: 80rem }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere }}
.found {{ display: flex; flex-wrap: wrap; gap: 1rem }}
figure {{ margin: 0; width: {side}px }}
figure:first-child img, figure:first-child div {{ outline: 3px solid currentColor }}
figure img, figure div {{ width: {side}px; height: {side}px; object-fit: contain; background: #8883 }}
figcaption {{ font-size: .75rem; overflow-wrap: anywhere }}
</style></head><body>
<h1>{title}</h1>
{rows}
</body></html>
"""


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
        write_bytes(path, found_page(title, rows, limits).encode())
        return
    across = min(_COLUMNS, 1 + max((len(row.found) for row in rows), default=0))
    tiles: list[Tile] = []
    for row in rows:
        tiles += [Tile(None, "")] * (-len(tiles) % across)  # each image begins a line of its own
        tiles += [_tile(shown, limits) for shown in (row.image, *row.found)]
    write_contact_sheet(path, tiles, title=title, columns=across, tile_size=_SIDE)


def found_page(title: str, rows: Sequence[Row], limits: PhotoLimits) -> str:
    """Return the HTML page: a heading for each image, the image with a frame, what was found behind it."""
    parts = []
    for row in rows:
        figures = "\n".join(_figure(shown, limits) for shown in (row.image, *row.found))
        parts.append(f'<h2>{html.escape(row.image.caption)}</h2>\n<div class="found">{figures}</div>')
    return _PAGE.format(title=html.escape(title), rows="\n".join(parts), side=_SIDE)


def _figure(shown: Shown, limits: PhotoLimits) -> str:
    photo = read_small(shown.file, _SIDE, limits)
    picture, size = "<div></div>", "cannot be read any more"
    if isinstance(photo, SmallPhoto):
        source = data_url(small_jpeg(photo.image, _SIDE))
        picture, size = f'<img alt="" src="{source}">', f"{photo.width}×{photo.height}"
    lines = [f"<b>{html.escape(shown.caption)}</b>", *([html.escape(shown.detail)] if shown.detail else []), size]
    return f"<figure>{picture}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"


def _tile(shown: Shown, limits: PhotoLimits) -> Tile:
    photo = read_small(shown.file, _SIDE, limits)
    if not isinstance(photo, SmallPhoto):
        return Tile(None, shown.caption, "cannot be read any more")
    return Tile(photo.image, shown.caption, shown.detail)
