"""Contact sheets: many small pictures with captions on one PNG, to look through at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facematch.files import replacing

_GAP = 6
_CAPTION = 15  # height of a line of caption in pixels
_TITLE = 34
_BACKGROUND, _INK, _FAINT, _EMPTY = "#ffffff", "#222222", "#777777", "#dddddd"


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture (RGB `uint8` H×W×3, or None for a file without pixels), its caption and a second line."""

    image: NDArray[np.uint8] | None
    caption: str
    detail: str = ""


def write_contact_sheet(
    path: Path, tiles: Sequence[Tile], *, title: str, columns: int = 10, tile_size: int = 112, limit: int = 200
) -> None:
    """Write a PNG grid of tiles; of more than `limit` an even choice is shown and the title says so."""
    shown = list(tiles)
    text = f"{title}: {len(tiles):,}"
    if len(tiles) > limit:
        shown = [tiles[i] for i in np.linspace(0, len(tiles) - 1, limit).round().astype(int)]
        text = f"{title}: {limit:,} of {len(tiles):,}"
    if not shown:
        text = f"{title}: none"
    details = any(tile.detail for tile in shown)
    cell = (tile_size + _GAP, tile_size + _GAP + _CAPTION * (2 if details else 1))
    across = max(4, min(columns, len(shown)))
    rows = -(-len(shown) // across)
    sheet = PillowImage.new("RGB", (across * cell[0] + _GAP, rows * cell[1] + _TITLE + _GAP), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 9), fitted(text, sheet.width - 2 * _GAP, 15), _INK, font=_font(15))
    for number, tile in enumerate(shown):
        x, y = _GAP + number % across * cell[0], _TITLE + number // across * cell[1]
        _paste(sheet, tile, x, y, tile_size)
        draw.text((x, y + tile_size), fitted(tile.caption, tile_size, 11), _INK, font=_font(11))
        draw.text((x, y + tile_size + _CAPTION - 2), fitted(tile.detail, tile_size, 10), _FAINT, font=_font(10))
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def fitted(text: str, width: int, size: int) -> str:
    """Return `text` as it can be drawn, shortened in the middle to `width` pixels at a font size."""
    text = "".join(char if char.isprintable() else "?" for char in text)
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    kept = len(text)
    while kept > 2:
        kept -= 1
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if font.getlength(short) <= width:
            return short
    return "…"


def _paste(sheet: PillowImage.Image, tile: Tile, x: int, y: int, size: int) -> None:
    if tile.image is None:
        ImageDraw.Draw(sheet).rectangle((x, y, x + size - 1, y + size - 1), fill=_EMPTY)
        return
    picture = PillowImage.fromarray(tile.image)
    picture.thumbnail((size, size))
    sheet.paste(picture, (x + (size - picture.width) // 2, y + (size - picture.height) // 2))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
