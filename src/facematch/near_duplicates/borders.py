"""Frames and bars round a photo, found by their one colour."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.photos.pixels import Rgb

_SIDE = 256  # pixels: larger photos are looked at this small, where what compression left behind averages out
_NEAR, _MOST = 16, 0.97  # levels from the colour of a border, and the least share of a line that is so near
_FAR, _PHOTO = 40, 0.5  # levels from it, and the least share of the photo's first line that is farther
_BLOCK = 8  # pixels of JPEG's blocks: so far the photo leaves traces in its border
_THINNEST = 0.01  # share of a side: nothing is gained by cutting less
_LEAST = 0.5  # share of either side that is left
_FRAMES = 3  # one within the other


def without_border(image: Rgb) -> Rgb | None:
    """Return what a plain frame or plain bars surround, as a view of the photo (RGB `uint8` H×W×3), or None.

    A line at an edge belongs to a border when 97 % of it has one brightness, within 16 levels. The border must end
    at once, with a line of which half is more than 40 levels from it in brightness or in a colour: so a thing on a
    white ground, a head before a studio's wall or a clear sky are not cut (two photos of one person, each cut to the
    head, are more alike than the photos were). Half of the width and of the height must be left.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rgb = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.merge([cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), *cv2.split(rgb)])
    mixed = 1 + math.ceil(_BLOCK * scale)
    left, top, right, bottom = 0, 0, *size
    for _ in range(_FRAMES):
        before = left, top, right, bottom
        first, last = _lines(small[top:bottom, left:right], mixed)
        top, bottom = top + first, bottom - last
        first, last = _lines(small[top:bottom, left:right].swapaxes(0, 1), mixed)
        left, right = left + first, right - last
        if (left, top, right, bottom) == before:
            break
    kept = (right - left) / size[0], (bottom - top) / size[1]
    if min(kept) < _LEAST or max(1 - each for each in kept) < _THINNEST:
        return None
    columns, rows = (
        slice(round(low * full / shrunk), round(high * full / shrunk))
        for low, high, full, shrunk in ((left, right, width, size[0]), (top, bottom, height, size[1]))
    )
    return image[rows, columns]


def _lines(picture: NDArray[np.uint8], mixed: int) -> tuple[int, int]:
    # How many of the first and of the last rows are border; `picture` is brightness, red, green and blue.
    return (_first(picture, mixed), _first(picture[::-1], mixed)) if picture.size else (0, 0)


def _first(picture: NDArray[np.uint8], mixed: int) -> int:
    # In a border brightness alone is looked at: the colours of a JPEG reach farther into it.
    edge = np.median(picture[0], axis=0).astype(np.float32)
    if (np.abs(picture[0, :, 0] - edge[0]) <= _NEAR).mean() < _MOST:  # most photos: they have no border
        return 0
    plain = (np.abs(picture[..., 0] - edge[0]) <= _NEAR).mean(1) >= _MOST
    count = len(plain) if plain.all() else int(plain.argmin())
    far = (np.abs(picture[count : count + mixed] - edge).max(-1) > _FAR).mean(1)
    photo = np.flatnonzero(far >= _PHOTO)
    return count + int(photo[0]) if len(photo) else 0
