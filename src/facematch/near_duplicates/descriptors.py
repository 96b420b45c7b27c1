"""From images to small descriptors: what is compared of a photo, and the plain frame or bars round it."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.photos.pixels import Rgb

_BORDER_SIDE = 256  # pixels: larger photos are looked at this small, where what compression left behind averages out
_NEAR, _MOST = 16, 0.97  # levels from the colour of a border, and the least share of a line that is so near
_FAR, _PHOTO = 40, 0.5  # levels from it, and the least share of the photo's first line that is farther
_BLOCK = 8  # pixels of JPEG's blocks: so far the photo leaves traces in its border
_THINNEST = 0.01  # share of a side: nothing is gained by cutting less
_LEAST = 0.5  # share of either side that is left
_FRAMES = 3  # one within the other
SIDE = 96  # pixels of a thumbnail's side
CUTS = (0.0, 0.03, 0.06)  # shares cut from every side before a photo is described, to find what was cropped
_FREQUENCIES, _COARSE = 8, 32
_PLAIN = 2.0  # grey levels: photos with weaker detail are not compared
_BLUR = 3.0  # pixels: detail is what a Gaussian of this width takes away
Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]


def without_border(image: Rgb) -> Rgb | None:
    """Return what a plain frame or plain bars surround, as a view of the photo (RGB `uint8` H×W×3), or None.

    A line at an edge belongs to a border when 97 % of it has one brightness, within 16 levels. The border must end
    at once, with a line of which half is more than 40 levels from it in brightness or in a colour: so a thing on a
    white ground, a head before a studio's wall or a clear sky are not cut (two photos of one person, each cut to the
    head, are more alike than the photos were). Half of the width and of the height must be left.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _BORDER_SIDE / max(height, width))
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


def thumbnail(image: Rgb) -> Grey:
    """Return a photo (RGB `uint8` H×W×3) as a grey thumbnail (`uint8` 96×96); its proportions are not kept."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    # INTER_AREA averages where it shrinks, and repeats pixels where it enlarges.
    how = cv2.INTER_AREA if min(grey.shape) >= SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=how), dtype=np.uint8)


def is_plain(small: Grey) -> bool:
    """Return whether a thumbnail has too little detail to be compared: one colour, or a smooth gradient."""
    picture = small.astype(np.float32)
    return float(detail(picture, np.ones_like(picture)).std()) < _PLAIN


def describe(small: Grey) -> Floats:
    """Return a thumbnail's descriptors, `float32` 3×64: unit vectors, or zeros when it is plain.

    One for the whole and two for its middle. Each holds the 8×8 lowest frequencies of the DCT but the mean,
    weighted by their distance from zero: the inner product of two is the correlation of the gradients of
    two blurred pictures, whatever their brightness and contrast.
    """
    vectors = np.zeros((len(CUTS), _FREQUENCIES**2), np.float32)
    if is_plain(small):
        return vectors
    for vector, cut in zip(vectors, CUTS, strict=True):
        edge = round(cut * SIDE)
        middle = small[edge : SIDE - edge, edge : SIDE - edge].astype(np.float32)
        coarse = cv2.resize(middle, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
        weighted = (cv2.dct(coarse)[:_FREQUENCIES, :_FREQUENCIES] * _WEIGHTS).ravel()
        vector[:] = weighted / max(float(np.linalg.norm(weighted)), 1.0)  # rounding is not made a direction
    return vectors


_STEPS = np.arange(_FREQUENCIES, dtype=np.float32)
_WEIGHTS = np.hypot(_STEPS[:, None], _STEPS[None, :])
# A mirrored picture has the same frequencies; those that are odd from left to right change their sign.
_MIRROR = np.where(_STEPS % 2, -1, 1).astype(np.float32)


def turn(vectors: Floats, *, mirrored: bool, turned: int) -> Floats:
    """Return descriptors (…×64) as those of the photos mirrored first and then turned clockwise by 0, 90, 180, 270."""
    spectra = vectors.reshape(*vectors.shape[:-1], _FREQUENCIES, _FREQUENCIES)
    if mirrored:
        spectra = spectra * _MIRROR
    for _ in range(turned // 90):  # a picture that is transposed and mirrored is turned clockwise
        spectra = spectra.swapaxes(-1, -2) * _MIRROR
    return spectra.reshape(vectors.shape)


def detail(picture: Floats, mask: Floats) -> Floats:
    """Return an H×W picture less its blurred self, both taken within the mask (1 inside, 0 outside) only; 0 outside."""
    weight = np.maximum(cv2.GaussianBlur(mask, (0, 0), _BLUR), 1e-3)
    blurred = cv2.GaussianBlur(picture * mask, (0, 0), _BLUR) / weight
    rest: Floats = (picture - blurred) * mask
    return rest
