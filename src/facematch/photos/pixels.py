"""A file's bytes as upright RGB pixels, whatever the format, the depth and the colours, and the memory they need."""

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
from facematch.photos.heic import HEAD, is_heic, largest_area, open_heic
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
_KEPT, _OURS = 4, 3  # bytes of a pixel in Pillow's copy, and in ours, made when the decoder's memory is free again
_LINE = 32  # bytes of a row and of a column: pointers, and what OpenCV keeps of each to average them
# What decoders take beside, in bytes of a pixel, as measured on 24 megapixels of every kind that Pillow writes.
_DECODERS = {"WEBP": 15, "AVIF": 14, "PPM": 8, "GIF": 4}
_SAMPLES = {400: 1.0, 420: 1.5, 422: 2.0}  # of a pixel, in HEIC; else three
_ICON = 13
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
        with path.open("rb") as opened:
            head = opened.read(HEAD)
        if is_heic(head):  # which pillow-heif would read whole
            return length + _heic_needs(largest_area(head))
        with PillowImage.open(path, formats=only_opened) as picture:
            return bytes_needed(picture, length)
    except Exception:  # Pillow's readers raise whatever a hostile file provokes: `pixels` names the reason
        return length


def _as_stored(data: bytes, max_pixels: int, max_memory: int) -> tuple[Rgb, "_Turn | None"]:
    ceiling = PillowImage.MAX_IMAGE_PIXELS
    if ceiling is not None and ceiling * 2 < max_pixels:
        PillowImage.MAX_IMAGE_PIXELS = max_pixels  # one for the process; only raised, so threads do not quarrel
    if data.startswith(b"\0\0\1\0"):  # which Pillow decodes while it opens it
        _take(*icon_needs(data), "ICO", max_pixels, max_memory)
    opened = io.BytesIO(data)
    with open_heic(opened) if is_heic(data) else PillowImage.open(opened, formats=_formats()) as picture:
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


def bytes_needed(picture: PillowImage.Image, length: int) -> int:
    """Return the bytes that an opened picture takes while it is decoded, those of its file (`length`) among them."""
    area = picture.width * picture.height
    lines = _LINE * (picture.width + picture.height)
    return length + lines + _KEPT * area + max(_OURS * area, _beside(picture, area))


def _heic_needs(area: int) -> int:
    return 10 * area  # of a phone's photo, with a little more: what others take is known when they are opened


def icon_needs(data: bytes) -> tuple[int, int]:
    """Return the pixels of an icon's largest frame, whatever its list has for it, and the bytes that decoding takes.

    An icon is decoded where others are only opened.
    """
    listed = min(int.from_bytes(data[4:6], "little"), (len(data) - 6) // 16)
    offsets = [struct.unpack_from("<I", data, 18 + 16 * place)[0] for place in range(listed)]
    area = max((_frame_area(data, offset) for offset in offsets), default=0)
    return area, len(data) + _ICON * area


def _beside(picture: Any, area: int) -> int:
    # What its decoder takes: nothing, where that is little.
    if picture.format in ("JPEG", "MPO"):
        # Of several scans libjpeg keeps two bytes of each coefficient until the last of them.
        layers = np.array([[across, down] for _, across, down, _ in picture.layer])
        return 0 if _in_one_scan(picture) else int(2 * area * layers.prod(1).sum() / layers.max(0).prod())
    if picture.format == "JPEG2000":
        return 6 * area * len(picture.getbands())
    if picture.format == "TIFF":
        # A strip may be the whole picture, and a tile larger than it.
        bits = picture.tag_v2.get(258, (8,))
        tile = int(picture.tag_v2.get(322, 0) * picture.tag_v2.get(323, 0))
        return max(area, tile) * max(4, int(sum(bits)) // 8)
    if picture.format == "HEIF":
        samples = _SAMPLES.get(int(picture.info.get("chroma", 444)), 3.0) * (1 + (picture.info.get("bit_depth", 8) > 8))
        return int((samples + 2 * len(picture.getbands()) - 2) * area)  # transparency is a plane, too
    return _DECODERS.get(picture.format, 0) * area


def _in_one_scan(picture: Any) -> bool:
    # Pillow has read as far as the end of the first scan's header, which lists the components in it.
    bands, end = len(picture.layer), picture.fp.tell()
    header = struct.pack(">HHB", 0xFFDA, 6 + 2 * bands, bands)
    picture.fp.seek(max(0, end - 8 - 2 * bands))
    first = picture.fp.read(len(header))
    picture.fp.seek(end)
    return not picture.info.get("progressive") and first == header


def _frame_area(data: bytes, offset: int) -> int:
    if offset + 24 > len(data):
        return 0
    if data.startswith(b"\x89PNG", offset):
        width, height = struct.unpack_from(">16xII", data, offset)
        return int(width * height)
    width, height = struct.unpack_from("<4xii", data, offset)
    return int(abs(width * height) // 2)  # the mask is below the picture
