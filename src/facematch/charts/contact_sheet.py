"""Contact sheets: many small pictures with captions on one PNG, to look through at once."""

import textwrap
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facematch.core.files import replacing
from facematch.core.text import printable

TILE = 112  # pixels of a tile's side
_GAP = 6
_DETAILS = 3  # lines of detail under a tile, at most
_LINE = 15  # height of a line of text under a tile, in pixels
_TITLE = 34
_NARROWEST = 480  # room for a title over few tiles
_PAPER, _TILE, _INK, _FAINT = "#ffffff", "#e4e4e4", "#222222", "#6a6a6a"


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with a caption and lines of detail below it.

    A sheet has hundreds of them: make pictures as small as they are shown. `image` is RGB `uint8` H×W×3, or None for a
    file without pixels: a grey tile with its detail on it.
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
    path: Path, tiles: Sequence[Tile], *, title: str, columns: int = 10, tile_size: int = TILE
) -> None:
    """Write a PNG grid of tiles under a title.

    Pictures are fitted into squares of `tile_size` pixels, long captions shortened in the middle, details wrapped.
    Raises FacematchError when the file cannot be written.
    """
    across = max(1, min(columns, len(tiles)))
    details = max((len(_wrapped(tile.detail, tile_size)) for tile in tiles if tile.image is not None), default=0)
    under = _LINE * (1 + min(details, _DETAILS))
    step, rows = tile_size + _GAP, -(-len(tiles) // across)
    size = (max(across * step + _GAP, _NARROWEST), _TITLE + rows * (step + under) + _GAP)
    sheet = PillowImage.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 9), _fitted(title, size[0] - 2 * _GAP, _font(15)), _INK, font=_font(15))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, across)
        _draw_tile(sheet, draw, tile, _GAP + column * step, _TITLE + row * (step + under), tile_size)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def counted(what: str, shown: int, of: int) -> str:
    """Return a title that says how many there are, and how many of them are shown where that is not all."""
    return f"{what}: {'none' if not of else f'{of:,}' if shown == of else f'{shown:,} of {of:,}'}"


def titled(picture: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    """Return an H×W×3 `uint8` picture below a title, which is wrapped to its width."""
    font, (first, *rest) = _font(13), _drawable(title).split()
    lines = [first]
    for word in rest:
        longer = f"{lines[-1]} {word}"
        lines = [*lines[:-1], longer] if font.getlength(longer) <= picture.shape[1] - 2 * _GAP else [*lines, word]
    band = PillowImage.new("RGB", (picture.shape[1], _LINE * len(lines) + 2 * _GAP), _PAPER)
    for number, line in enumerate(lines):
        ImageDraw.Draw(band).text((_GAP, _GAP + number * _LINE), line, _INK, font=font)
    return np.vstack([np.asarray(band, dtype=np.uint8), picture])


def _draw_tile(sheet: PillowImage.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int, size: int) -> None:
    draw.rectangle((left, top, left + size - 1, top + size - 1), fill=_TILE)
    lines = _wrapped(tile.detail, size)
    if tile.image is None:
        for number, line in enumerate(lines[: (size - 8) // _LINE]):
            draw.text((left + 4, top + 4 + number * _LINE), _fitted(line, size - 8, _font(10)), _INK, font=_font(10))
    else:
        picture = PillowImage.fromarray(tile.image)
        scale = size / max(picture.size)
        picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
        sheet.paste(picture, (left + (size - picture.width) // 2, top + (size - picture.height) // 2))
        for number, line in enumerate(lines[:_DETAILS], start=1):
            draw.text((left, top + size + number * _LINE), _fitted(line, size, _font(10)), _FAINT, font=_font(10))
    draw.text((left, top + size), _fitted(tile.caption, size, _font(11)), _INK, font=_font(11))


def _wrapped(text: str, size: int) -> list[str]:
    return textwrap.wrap(_drawable(text), max(8, size // 6))


def _fitted(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = _drawable(text)
    if font.getlength(text) <= width:
        return text
    fits = bisect_right(range(1, len(text)), float(width), key=lambda kept: font.getlength(_cut(text, kept)))
    return _cut(text, fits)


def _cut(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


def _drawable(text: str) -> str:
    return printable(text[:1000])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
