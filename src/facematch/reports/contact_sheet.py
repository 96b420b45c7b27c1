"""Contact sheets: many small pictures with captions on one PNG, to look through at once."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facematch.evenly import evenly
from facematch.files import replacing

_GAP = 6
_LINE = 15  # height of a line of text under a tile, in pixels
_TITLE = 34
_NARROWEST = 480  # room for a title over few tiles
_PAPER, _TILE, _INK, _FAINT = "#ffffff", "#e4e4e4", "#222222", "#6a6a6a"


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with a caption and a second line of detail.

    `image` is RGB `uint8` H×W×3, or None for a file without pixels: a grey tile with its detail on it.
    """

    image: NDArray[np.uint8] | None
    caption: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.image is None:
            return
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"a tile is uint8 H×W×3 or None; {self.caption} is {self.image.dtype} {shape}")


def write_contact_sheet(
    path: Path, tiles: Sequence[Tile], *, title: str, columns: int = 10, tile_size: int = 112, limit: int = 200
) -> None:
    """Write a PNG grid of tiles under a title that says how many there are.

    Pictures are fitted into squares of `tile_size` pixels, long captions shortened in the middle. Of
    more than `limit` tiles an evenly spread choice is drawn and the title says so. Raises FacematchError
    when the file cannot be written.
    """
    shown = evenly(tiles, limit)
    counted = f"{len(shown):,} of {len(tiles):,}" if len(shown) < len(tiles) else f"{len(tiles):,}"
    text = f"{title}: {counted if tiles else 'none'}"
    across = max(1, min(columns, len(shown)))
    under = _LINE * (2 if any(tile.detail for tile in shown if tile.image is not None) else 1)
    step, rows = tile_size + _GAP, -(-len(shown) // across)
    size = (max(across * step + _GAP, _NARROWEST), _TITLE + rows * (step + under) + _GAP)
    sheet = PillowImage.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 9), _fitted(text, size[0] - 2 * _GAP, _font(15)), _INK, font=_font(15))
    for number, tile in enumerate(shown):
        row, column = divmod(number, across)
        _draw_tile(sheet, draw, tile, _GAP + column * step, _TITLE + row * (step + under), tile_size)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _draw_tile(sheet: PillowImage.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int, size: int) -> None:
    draw.rectangle((left, top, left + size - 1, top + size - 1), fill=_TILE)
    if tile.image is None:
        lines = textwrap.wrap(_drawable(tile.detail), max(8, size // 6))[: (size - 8) // _LINE]
        for number, line in enumerate(lines):
            shown = _fitted(line, size - 8, _font(10))
            draw.text((left + 4, top + 4 + number * _LINE), shown, _INK, font=_font(10))
    else:
        picture = _small(tile.image, size)
        sheet.paste(picture, (left + (size - picture.width) // 2, top + (size - picture.height) // 2))
        detail = _fitted(tile.detail, size, _font(10))
        draw.text((left, top + size + _LINE), detail, _FAINT, font=_font(10))
    draw.text((left, top + size), _fitted(tile.caption, size, _font(11)), _INK, font=_font(11))


def _small(image: NDArray[np.uint8], size: int) -> PillowImage.Image:
    every = max(1, min(image.shape[:2]) // (4 * size))  # a large photo is thinned out before it is resized
    picture = PillowImage.fromarray(np.ascontiguousarray(image[::every, ::every]))
    scale = size / max(picture.size)
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))


def _fitted(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = _drawable(text)
    if font.getlength(text) <= width:
        return text
    fits, too_long = 0, len(text)  # letters kept, by bisection
    while too_long - fits > 1:
        kept = (fits + too_long) // 2
        fits, too_long = (kept, too_long) if font.getlength(_cut(text, kept)) <= width else (fits, kept)
    return _cut(text, fits)


def _cut(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


def _drawable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:1000])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
