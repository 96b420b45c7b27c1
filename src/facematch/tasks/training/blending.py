"""Faces that nobody has: two people's, blended where their five points meet.

A teacher can embed any face, so a network that learns from one need not stop at the photos there are
("function matching", Beyer et al. 2022; blending follows mixup, Zhang et al. 2018, and CutMix, Yun et al. 2019, on
aligned faces).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from facematch.faces.cropper import align, similarity_transform, square_around
from facematch.faces.templates import FIVE_POINTS
from facematch.faces.values import Box, Image
from facematch.photos.encoded import jpeg_bytes, rgb_pixels

AROUND = 36  # pixels that a frame shows on each side of the aligned 112: enough for a Haar box and its margin
SIDE = 112 + 2 * AROUND
POINTS = FIVE_POINTS + AROUND  # where every frame has the eyes, the nose and the corners of the mouth
_KINDS = (0.35, 0.15, 0.25, 0.25)  # how often: inner faces mixed, all mixed, half a face, another's inner face
_MIXED = (0.3, 0.7)  # the other one's share where both are mixed
_COLOURS = 0.8  # how often the other one takes the colours of the first

# Places in a frame from the middle of the face, where eyes to mouth is 1: how far down, and how much inner face.
_CENTRE, _LENGTH = POINTS.mean(0), POINTS[3:, 1].mean() - POINTS[:2, 1].mean()
_DOWN, _ACROSS = ((np.mgrid[:SIDE, :SIDE] - _CENTRE[::-1, None, None]) / _LENGTH).astype(np.float32)
_INNER = 1 / (1 + np.exp(14 * (np.hypot(_ACROSS / 1.05, _DOWN / 1.25) - 1)))
_ABOUT = tuple(slice(int(middle - 1.1 * _LENGTH), int(middle + 1.1 * _LENGTH)) for middle in _CENTRE[::-1])

Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """A face aligned by its five points, with what is around it, as a JPEG of SIDE×SIDE; and where its crop lies.

    `crop` (2×3) takes a point of the frame to its place in the photo's crop, a square of side 1.
    """

    picture: bytes
    crop: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blends:
    """New faces, `share` of every batch; `embed` is the teacher, for B pictures of frames (B×SIDE×SIDE×3)."""

    frames: Sequence[FaceFrame]
    share: float
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def face_frame(image: Image, points: Sequence[tuple[float, float]], box: Box, margin: float) -> FaceFrame:
    """Return the frame of a face in an H×W×3 RGB photo by its five points, the box that is cropped and its margin."""
    left, top, side = square_around(box, margin)
    to_photo = similarity_transform(POINTS, np.array(points))
    to_photo[:, 2] += 0.5 - np.array([left, top])  # a pixel's centre is half a pixel from its edge
    return _frame(image, points, to_photo / side)


def aligned_frame(image: Image, points: Sequence[tuple[float, float]], template: NDArray[np.float64]) -> FaceFrame:
    """Return the frame of a face whose crop is aligned, too: `template` (5×2) has its five points in 112×112 pixels."""
    to_crop = similarity_transform(POINTS, template)
    to_crop[:, 2] += 0.5  # a pixel's centre is half a pixel from its edge
    return _frame(image, points, to_crop / 112)


def _frame(image: Image, points: Sequence[tuple[float, float]], crop: NDArray[np.float64]) -> FaceFrame:
    return FaceFrame(jpeg_bytes(align(image, points, SIDE, POINTS), quality=95), crop)


def blended_face(frames: Sequence[FaceFrame], size: int, seed: int) -> tuple[Image, Image]:
    """Return a face of two different frames as the first one's crop (size×size×3) and as a frame's picture.

    `seed` draws the frames and how they are blended.
    """
    rng = default_rng(seed)
    first, second = (frames[place] for place in rng.choice(len(frames), 2, replace=False).tolist())
    image = blend(picture_of(first), picture_of(second), rng)
    return crop_of(image, first, size), image


def aligned(pictures: NDArray[np.uint8], size: int, template: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the faces of frames' pictures (B×SIDE×SIDE×3), their points where `template` (5×2) has them, B×S×S×3."""
    points = [(float(x), float(y)) for x, y in POINTS]
    return np.stack([align(picture, points, size, template) for picture in pictures])


def picture_of(frame: FaceFrame) -> Image:
    """Return the frame's picture, SIDE×SIDE×3 RGB."""
    picture = rgb_pixels(frame.picture)
    assert picture is not None
    return picture


def crop_of(image: Image, frame: FaceFrame, size: int) -> Image:
    """Return the crop, size×size×3, that the photo of `frame` would have if it looked like `image`."""
    wide = max(size, 112)  # a warp skips pixels where it shrinks
    matrix = frame.crop * wide
    matrix[:, 2] -= 0.5
    crop = cv2.warpAffine(image, matrix, (wide, wide), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop if size == wide else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def blend(first: Image, second: Image, rng: Generator) -> Image:
    """Return a face made of both pictures of frames, on the background of the first, most often."""
    if rng.random() < 0.5:
        second = second[:, ::-1]
    one, other = first.astype(np.float32), second.astype(np.float32)
    if rng.random() < _COLOURS:
        other = _coloured(other, one)
    mask = _mask(int(rng.choice(4, p=_KINDS)), rng)
    return np.clip(one + mask[..., None] * (other - one), 0, 255).astype(np.uint8)


def _mask(kind: int, rng: Generator) -> Plane:
    # The second face's share at every pixel.
    if kind == 1:
        return np.full((SIDE, SIDE), rng.uniform(*_MIXED), np.float32)
    if kind == 2:
        upper = 1 / (1 + np.exp((_DOWN - rng.uniform(-0.35, 0.35)) / 0.06))
        return np.asarray(_INNER * (upper if rng.random() < 0.5 else 1 - upper), np.float32)
    return np.asarray(_INNER * (rng.uniform(*_MIXED) if kind == 0 else rng.uniform(0.8, 1)), np.float32)


def _coloured(face: Plane, like: Plane) -> Plane:
    # With the mean and deviation of each colour that the other picture has about the nose.
    own, wanted = face[_ABOUT], like[_ABOUT]
    stretch = np.clip((wanted.std((0, 1)) + 1) / (own.std((0, 1)) + 1), 0.6, 1.6)
    return np.asarray((face - own.mean((0, 1))) * stretch + wanted.mean((0, 1)), np.float32)
