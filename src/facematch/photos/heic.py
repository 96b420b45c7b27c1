"""HEIC photos, as phones take them: read by pillow-heif, an extra, which is imported when such a file is met."""

import math
import re
import struct
from importlib.util import find_spec
from typing import IO

from PIL import Image as PillowImage

from facematch.photos.reasons import NO_HEIC, RefusedError

HEAD = 1 << 18  # bytes of a file in which its boxes of sizes stand
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_OTHERS = (b"avif", b"avis")  # Pillow itself reads these


def is_heic(head: bytes) -> bool:
    """Return whether a file that begins with `head` is HEIC, by the brands that it names."""
    if head[4:8] != b"ftyp" or len(head) < 12:
        return False
    listed = head[8 : min(int.from_bytes(head[:4], "big"), 128)]
    brands = {listed[place : place + 4] for place in range(0, len(listed), 4)}
    return not brands.isdisjoint(_BRANDS) and brands.isdisjoint(_OTHERS)


def open_heic(opened: IO[bytes]) -> PillowImage.Image:
    """Return a HEIC file's picture, not decoded yet; raises RefusedError where pillow-heif is not installed."""
    if find_spec("pillow_heif") is None:
        raise RefusedError(NO_HEIC)
    from pillow_heif import HeifImageFile

    # Made here and not by `Image.open`: the formats that others of this process open stay theirs.
    picture: PillowImage.Image = HeifImageFile(opened)
    return picture


def largest_area(head: bytes) -> int:
    """Return the pixels of the largest picture whose size stands in a HEIC file's first bytes; 0 where none does."""
    sizes = [head[each.end() + 4 : each.end() + 12] for each in re.finditer(b"ispe", head)]
    return max((math.prod(struct.unpack(">II", each)) for each in sizes if len(each) == 8), default=0)
