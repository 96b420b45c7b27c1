"""A file's bytes as upright RGB pixels, whatever the format, the depth and the colours."""

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageCms
from PIL import Image as PillowImage

from facematch.core.cores import take_memory
from facematch.photos.memory import bytes_needed, icon_needs, is_icon
from facematch.photos.reasons import RefusedError, too_much

Rgb = NDArray[np.uint8]
_Turn = Callable[[Rgb], Any]

# Readers that are safe on files from strangers, never EPS and the like, which run programs. JPEG reads
# MPO too; TGA has no signature, so it comes last.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "JPEG2000", "AVIF", "TGA")
_TURNS: dict[object, _Turn] = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.flip(image, -1),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_EXIF_ERRORS = (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, OSError, struct.error)
_STRIP = 1 << 18  # pixels that are converted at once: of a large photo no second copy is ever whole


@cache
def _formats() -> tuple[str, ...]:
    PillowImage.init()
    return tuple(name for name in _FORMATS if name in PillowImage.OPEN)


def pixels(data: bytes, max_pixels: int, max_memory: int) -> Rgb:
    """Return upright RGB `uint8` H×W×3; waits until there is room in memory for it.

    Raises what a hostile file provokes, and RefusedError for too many pixels or bytes.
    """
    image, turn = _as_stored(data, max_pixels, max_memory)
    if turn is not None:  # now that Pillow's own copy is gone
        image = np.asarray(turn(image), np.uint8)
    image.setflags(write=False)
    return image


def memory_of(path: Path, length: int) -> int:
    """Return the bytes that a file of `length` bytes will take while it is decoded; its own where that is not known."""
    only_opened = tuple(name for name in _formats() if name != "ICO")
    try:
        with PillowImage.open(path, formats=only_opened) as picture:
            return bytes_needed(picture, length)
    except Exception:  # Pillow's readers raise whatever a hostile file provokes: `pixels` names the reason
        return length


def _as_stored(data: bytes, max_pixels: int, max_memory: int) -> tuple[Rgb, "_Turn | None"]:
    ceiling = PillowImage.MAX_IMAGE_PIXELS
    if ceiling is not None and ceiling * 2 < max_pixels:
        PillowImage.MAX_IMAGE_PIXELS = max_pixels  # one for the process; only raised, so threads do not quarrel
    if is_icon(data):  # which Pillow decodes while it opens it
        _take(*icon_needs(data), "ICO", max_pixels, max_memory)
    with PillowImage.open(io.BytesIO(data), formats=_formats()) as picture:
        area = picture.width * picture.height
        _take(area, bytes_needed(picture, len(data)), str(picture.format), max_pixels, max_memory)
        picture.load()
        return _rgb(picture), _turn(picture)


def _take(area: int, needed: int, form: str, max_pixels: int, max_memory: int) -> None:
    if area > max_pixels:
        raise RefusedError(too_much(area, max_pixels, "MP"))
    if needed > max_memory:
        raise RefusedError(
            f"{area / 1e6:.1f} MP of {form} take much memory: {too_much(needed, max_memory, 'MB')} (photos.max_memory)"
        )
    take_memory(needed, max_memory)


def _turn(picture: PillowImage.Image) -> "_Turn | None":
    try:
        return _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except _EXIF_ERRORS:
        return None


def _rgb(picture: PillowImage.Image) -> Rgb:
    width, height = picture.size
    deep = picture.mode.startswith("I;16") or picture.mode in ("I", "F")
    to_rgb = _levels(np.asarray(rows) for _, rows in _strips(picture)) if deep else _colours
    if width * height <= _STRIP:
        return to_rgb(picture)
    image = np.empty((height, width, 3), np.uint8)
    for top, rows in _strips(picture):
        image[top : top + rows.height] = to_rgb(rows)
    return image


def _strips(picture: PillowImage.Image) -> Iterator[tuple[int, PillowImage.Image]]:
    width, height = picture.size
    high = max(1, _STRIP // width)
    for top in range(0, height, high):
        yield top, picture.crop((0, top, width, min(height, top + high))) if high < height else picture


def _colours(picture: PillowImage.Image) -> Rgb:
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB") or picture
    elif picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = PillowImage.new("RGB", picture.size, "white")
        picture.paste(layer, mask=layer)
    elif picture.mode != "RGB":
        picture = picture.convert("RGB")
    return np.asarray(picture, dtype=np.uint8)


def _levels(parts: Iterable[NDArray[Any]]) -> Callable[[PillowImage.Image], Rgb]:
    # White is the smallest full scale that holds the brightest pixel: 8, 12 (which cameras store in 16)
    # or 16 bits; for floating point 1 or 255. What fits none is stretched from its least to its greatest.
    extremes = [(part.min(), part.max()) for part in map(_finite, parts)]
    low, high = min(least for least, _ in extremes), max(most for _, most in extremes)
    if low.dtype.kind != "f" and low >= 0 and high < 1 << 16:
        shift = 0 if high < 1 << 8 else 4 if high < 1 << 12 else 8
        return lambda picture: _grey(np.asarray(picture) >> shift)
    black, white = (0.0, 1.0 if high <= 1 else 255.0) if low >= 0 and high <= 255 else (float(low), float(high))

    def stretched(picture: PillowImage.Image) -> Rgb:
        return _grey(np.round((_finite(np.asarray(picture)).astype(np.float64) - black) * 255 / (white - black or 1)))

    return stretched


def _finite(grey: NDArray[Any]) -> NDArray[Any]:
    if grey.dtype.kind != "f":
        return grey
    with np.errstate(invalid="ignore"):  # NaN of any kind
        return np.nan_to_num(grey.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _grey(levels: NDArray[Any]) -> Rgb:
    return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=2)
