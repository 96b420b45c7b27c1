"""What decoding a photo takes in memory, known from its header before anything is decoded."""

import struct
from typing import Any

import numpy as np
from PIL import Image as PillowImage

_KEPT, _OURS = 4, 3  # bytes of a pixel in Pillow's copy, and in ours, made when the decoder's memory is free again
_LINE = 32  # bytes of a row and of a column: pointers, and what OpenCV keeps of each to average them
# What decoders take beside, in bytes of a pixel, as measured on 24 megapixels of every kind that Pillow writes.
_DECODERS = {"WEBP": 15, "AVIF": 14, "PPM": 8, "GIF": 4}
_ICON = 13


def bytes_needed(picture: PillowImage.Image, length: int) -> int:
    """Return the bytes that an opened picture takes while it is decoded, those of its file (`length`) among them."""
    area = picture.width * picture.height
    lines = _LINE * (picture.width + picture.height)
    return length + lines + _KEPT * area + max(_OURS * area, _beside(picture, area))


def icon_needs(data: bytes) -> tuple[int, int]:
    """Return the pixels of an icon's largest frame, whatever its list has for it, and the bytes that decoding takes.

    An icon is decoded where others are only opened.
    """
    listed = min(int.from_bytes(data[4:6], "little"), (len(data) - 6) // 16)
    offsets = [struct.unpack_from("<I", data, 18 + 16 * place)[0] for place in range(listed)]
    area = max((_frame_area(data, offset) for offset in offsets), default=0)
    return area, len(data) + _ICON * area


def is_icon(data: bytes) -> bool:
    """Return whether a file begins as an icon does."""
    return data.startswith(b"\0\0\1\0")


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
