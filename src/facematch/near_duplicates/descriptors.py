"""From images to small descriptors: what is compared of a photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.photos.pixels import Rgb

SIDE = 96  # pixels of a thumbnail's side
CUTS = (0.0, 0.03, 0.06)  # shares cut from every side before a photo is described, to find what was cropped

_FREQUENCIES, _COARSE = 8, 32
_PLAIN = 2.0  # grey levels: photos with weaker detail are not compared
_BLUR = 3.0  # pixels: detail is what a Gaussian of this width takes away

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]


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
