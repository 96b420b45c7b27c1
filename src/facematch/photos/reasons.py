"""Why a file is no photo, in plain words."""

import re
import struct

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from facematch.core.text import brief

_CUT = re.compile(r"truncated|only got|not enough|unexpected end|\beof\b|premature|requires a buffer", re.IGNORECASE)
_DAMAGED = "damaged or unusual {} file ({:,} bytes)"
_CONVERT = "{} is not read: convert it to JPEG"
NO_HEIC = "HEIC needs pillow-heif: pip install 'facematch[heic]', or convert it to JPEG"
# What a file is that no reader took: where its signature is, the signature, the words.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", _DAMAGED, "JPEG"),
    (0, b"\x89PNG", _DAMAGED, "PNG"),
    (0, b"GIF8", _DAMAGED, "GIF"),
    (8, b"WEBP", _DAMAGED, "WebP"),
    (0, b"II*\0", _DAMAGED, "TIFF"),
    (0, b"MM\0*", _DAMAGED, "TIFF"),
    (0, b"BM", _DAMAGED, "BMP"),
    (8, b"avif", "damaged AVIF file, or AVIF is not read here: convert it to JPEG", ""),
    (8, b"hei", "damaged HEIC file, or another format in its container", ""),
    (8, b"hev", "damaged HEIC file, or another format in its container", ""),
    (8, b"mif1", "damaged HEIC file, or another format in its container", ""),
    (8, b"msf1", "damaged HEIC file, or another format in its container", ""),
    (0, b"\xff\x0a", _CONVERT, "JPEG XL"),
    (4, b"JXL ", _CONVERT, "JPEG XL"),
    (0, b"8BPS", _CONVERT, "Photoshop"),
    (4, b"ftyp", "a {}, not a photo", "video"),
    (0, b"RIFF", "a {}, not a photo", "video or sound"),
    (0, b"%PDF", "a {}, not a photo", "PDF document"),
    (0, b"%!PS", "a {}, not a photo", "PostScript document"),
    (0, b"PK\x03\x04", "a {}, not a photo", "ZIP archive"),
)
_SIDES = {b"GIF8": "<6xHH", b"\x89PNG": ">16xII", b"BM": "<18xii"}  # where width and height are
_LENGTHS = {b"RIFF": "<4xI", b"II*\0": "<4xI", b"MM\0*": ">4xI", b"BM": "<2xI"}  # a place the file must reach


_OPENCV_NO_MEMORY = -4  # cv2.Error.StsNoMem
NO_MEMORY = "too large for this machine's memory"


class RefusedError(Exception):
    """Carries a reason that is in plain words already."""


def reason_of(error: Exception, data: bytes, max_pixels: int) -> str:
    """Return why decoding `data` raised `error`; `max_pixels` was the limit."""
    text = " ".join(str(error).split())[:200]
    if isinstance(error, RefusedError):
        return text
    if isinstance(error, UnidentifiedImageError):
        return what_it_is(data)
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, PillowImage.DecompressionBombError | PillowImage.DecompressionBombWarning):
        pixels = re.search(r"\((\d+) pixels\)", text)
        return too_much(int(pixels[1]), max_pixels, "MP") if pixels else f"more pixels than the limit ({text})"
    if _CUT.search(text) or (data[8:12] == b"WEBP" and _ends_early(data)):
        return "file is cut short"
    return f"damaged ({text or type(error).__name__})"


def reason_of_work(error: Exception) -> str:
    """Return why something could not be made of a decoded photo, where a library raised `error`."""
    if isinstance(error, MemoryError) or getattr(error, "code", 0) == _OPENCV_NO_MEMORY:
        return NO_MEMORY
    return f"it was read, but nothing can be made of it ({brief(error, 120) or type(error).__name__})"


def too_much(found: int, most: int, unit: str) -> str:
    """Return that `found` is above `most`, in millions (`MP`, `MB`), with digits enough to tell them apart."""
    for digits in range(1, 7):
        left, right = f"{found / 1e6:,.{digits}f}", f"{most / 1e6:,.{digits}f}"
        if left != right and right.strip("0.,"):
            break
    return f"{left} {unit} is more than the limit of {right} {unit}"


def what_it_is(data: bytes) -> str:
    """Return what a file is that no reader recognised, from its first bytes."""
    for magic, layout in _SIDES.items():
        if data.startswith(magic) and len(data) >= struct.calcsize(layout):
            width, height = struct.unpack_from(layout, data)
            if not (width and height):
                return "zero height" if width else "zero width"
    for offset, magic, words, kind in _SIGNATURES:
        if data.startswith(magic, offset):
            cut = words is _DAMAGED and _ends_early(data)
            return "file is cut short" if cut else words.format(kind, len(data))
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "SVG is a drawing, not a photo"
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page, not a photo"
    if not data.strip(b"\0"):
        return f"not an image ({len(data):,} zeros)"
    text = data[:12].decode("latin-1")
    plain = text.isascii() and text.isprintable()
    return f"not an image (begins with {repr(text) if plain else data[:8].hex(' ')})"


def _ends_early(data: bytes) -> bool:
    return any(
        data.startswith(magic) and (len(data) < 8 or struct.unpack_from(layout, data)[0] > len(data))
        for magic, layout in _LENGTHS.items()
    )
