"""A file's bytes as upright RGB pixels, whatever the format, the depth and the colours."""

import io
import logging
import struct
import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageCms
from PIL import Image as PillowImage

from facematch.photo_reasons import RefusedError, too_much

Rgb = NDArray[np.uint8]

# Readers that are safe on files from strangers, never EPS and the like, which run programs. JPEG reads
# MPO too; TGA has no signature, so it comes last.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "JPEG2000", "AVIF", "TGA")
_TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
_EXIF_ERRORS = (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, OSError, struct.error)

# Once, for all threads: what Pillow warns of is either harmless or becomes a reason here.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def _formats() -> tuple[str, ...]:
    PillowImage.init()
    return tuple(name for name in _FORMATS if name in PillowImage.OPEN)


def pixels(data: bytes, max_pixels: int) -> Rgb:
    """Return upright RGB `uint8` H×W×3. Raises what a hostile file provokes, and RefusedError for too many pixels."""
    ceiling = PillowImage.MAX_IMAGE_PIXELS
    if ceiling is not None and ceiling * 2 < max_pixels:
        PillowImage.MAX_IMAGE_PIXELS = max_pixels  # one for the process; only raised, so threads do not quarrel
    with PillowImage.open(io.BytesIO(data), formats=_formats()) as picture:
        width, height = picture.size
        if width * height > max_pixels:
            raise RefusedError(too_much(width * height, max_pixels, "MP"))
        picture.load()
        return _rgb(_upright(picture))


def _upright(picture: PillowImage.Image) -> PillowImage.Image:
    try:
        turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except _EXIF_ERRORS:
        return picture
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture: PillowImage.Image) -> Rgb:
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        image = np.repeat(_eight_bits(np.asarray(picture))[..., None], 3, axis=2)
        image.setflags(write=False)
        return image
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


def _eight_bits(grey: NDArray[Any]) -> NDArray[np.uint8]:
    # White is the smallest full scale that holds the brightest pixel: 8, 12 (which cameras store in 16)
    # or 16 bits; for floating point 1 or 255. What fits none is stretched from its least to its greatest.
    if grey.dtype.kind == "f":
        grey = np.nan_to_num(grey.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = grey.min(), grey.max()
    if grey.dtype.kind != "f" and low >= 0 and high < 1 << 16:
        shift = 0 if high < 1 << 8 else 4 if high < 1 << 12 else 8
        return (grey >> shift).astype(np.uint8)
    black, white = (0.0, 1.0 if high <= 1 else 255.0) if low >= 0 and high <= 255 else (float(low), float(high))
    scaled = (grey.astype(np.float64) - black) * 255 / (white - black or 1)
    return np.round(scaled).astype(np.uint8)
