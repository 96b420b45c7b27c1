"""From candidates to pairs: two thumbnails are registered and their detail is compared."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import single_threaded_opencv
from facematch.near_duplicates.descriptors import SIDE, Floats, Grey, detail

SAME = 0.93  # least correlation of the detail of two thumbnails that lie on each other

_BLOCKS, _AGREE, _NOISE = 8, 0.7, 2.0  # blocks across, least correlation of a block, grey levels that are noise
_ROUGHLY = 0.9  # least correlation of two blurred thumbnails that lie on each other
_SKEW, _OUTSIDE = 0.012, 0.015  # how far a map may be from upright, and how far a crop may reach outside
_LEAST_AREA = 0.5  # share of a photo that a crop shows
_STOP = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
_AT_ONCE = 1024

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class NearDuplicate:
    """Two photos that are one.

    `correlation` of their detail (at most 1); `area` of the right photo that the left one shows: below 1
    when the left one was cropped, above 1 when the right one was. The left one is the right one, `mirrored` or not, and
    then `turned` clockwise by 0, 90, 180 or 270 degrees. `inner` is true for a side whose border was left out.
    """

    left: int
    right: int
    correlation: float
    mirrored: bool
    area: float
    turned: int = 0
    inner: tuple[bool, bool] = (False, False)


def confirmed(
    found: NDArray[np.void],
    left: Callable[[int], Grey],
    right: Callable[[int], Grey],
    on_progress: Callable[[int], None] = lambda done: None,
) -> Iterator[NearDuplicate]:
    """Yield the candidates that are near-duplicates, each pair once, in the order given.

    `left` and `right` return the thumbnail of an index; they are called from threads, so the thumbnails of large sets
    need not be in memory. `on_progress` gets the number of candidates done.
    """
    seen: set[tuple[int, int]] = set()
    with single_threaded_opencv(), ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="confirm") as pool:
        for start in range(0, len(found), _AT_ONCE):
            block = found[start : start + _AT_ONCE]
            for pair in pool.map(lambda each: confirm(each, left(int(each["left"])), right(int(each["right"]))), block):
                if pair is not None and (pair.left, pair.right) not in seen:
                    seen.add((pair.left, pair.right))
                    yield pair
            on_progress(start + len(block))


def confirm(candidate: np.void, left: Grey, right: Grey) -> NearDuplicate | None:
    """Return a candidate (one element of `CANDIDATE`) as a near-duplicate, or None when it is none.

    The thumbnails are registered by an affine map that maximises their correlation (ECC: Evangelidis
    & Psarakis, PAMI 2008), which brightness and contrast do not change. They are one photo when
    - the map is that of a crop: upright, and one of the two lies within the other. People who are
      photographed twice in one studio move a little, which no crop does;
    - the detail correlates by 0.93 or more;
    - three quarters of 8×8 blocks correlate by 0.7 or more each, so that a frame, a caption or the black
      corners of a rotated photo do not outvote the faces. Blocks without detail agree.
    """
    other = np.rot90(right[:, ::-1] if candidate["mirrored"] else right, -(int(candidate["turned"]) // 90))
    pictures = left.astype(np.float32), np.ascontiguousarray(other, np.float32)
    cut = float(candidate["cut"])
    # What was cropped is registered to what it was cropped from, so that all of it has a counterpart. With a cut of 0
    # either may be that one: the thin line of a border that one of them kept is then left out.
    for backwards in (False, True) if cut == 0 else (cut < 0,):
        template, search = pictures[::-1] if backwards else pictures
        warp = _registered(template, search, abs(cut))
        if warp is None:
            return None
        correlation, agreement = _correlations(template, search, warp)
        if correlation >= SAME and agreement >= _AGREE:
            area = float(np.linalg.det(warp[:, :2]))
            return NearDuplicate(
                int(candidate["left"]),
                int(candidate["right"]),
                correlation,
                bool(candidate["mirrored"]),
                1 / area if backwards else area,
                int(candidate["turned"]),
            )
    return None


def _registered(template: Floats, search: Floats, cut: float) -> Matrix | None:
    # The affine map (2×3, of coordinates from 0 to 1) from the template to the picture searched, where it is a crop:
    # first at half the size, which settles most pairs.
    warp: Matrix = np.array([[1 - 2 * cut, 0, cut], [0, 1 - 2 * cut, cut]])
    for side, steps, slack in ((SIDE // 2, 15, 3), (SIDE, 30, 1)):
        one, other = (cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in (template, search))
        start, stop = _in_pixels(warp, side), (_STOP, steps, 1e-4)
        everywhere = np.ones((side, side), np.uint8)
        try:
            value, moved = cv2.findTransformECC(one, other, start, cv2.MOTION_AFFINE, stop, everywhere, 5)
        except cv2.error:  # it did not converge: nothing in common
            return None
        warp = _in_shares(moved, side)
        if not (value >= _ROUGHLY and _is_crop(warp, slack)):  # so written, NaN is none
            return None
    return warp


def _in_pixels(warp: Matrix, side: int) -> Floats:
    # OpenCV counts from the middle of the first pixel.
    linear, shift = warp[:, :2], warp[:, 2]
    return np.column_stack([linear, linear.sum(1) / 2 + side * shift - 0.5]).astype(np.float32)


def _in_shares(warp: Floats, side: int) -> Matrix:
    linear, shift = warp[:, :2].astype(np.float64), warp[:, 2].astype(np.float64)
    return np.column_stack([linear, (shift + 0.5 - linear.sum(1) / 2) / side])


def _is_crop(warp: Matrix, slack: float) -> bool:
    linear = warp[:, :2]
    upright = np.abs([linear[0, 1], linear[1, 0]]).max() <= slack * _SKEW
    if not (upright and _LEAST_AREA <= np.linalg.det(linear) <= 1 / _LEAST_AREA):
        return False
    corners = np.array([[0, 1, 0, 1], [0, 0, 1, 1]])
    there = linear @ corners + warp[:, 2:]
    back = np.linalg.inv(linear) @ (corners - warp[:, 2:])
    outside = [max(float(-each.min()), float(each.max() - 1)) for each in (there, back)]
    return min(outside) <= slack * _OUTSIDE


def _correlations(template: Floats, search: Floats, warp: Matrix) -> tuple[float, float]:
    # Of the detail of both where they overlap, and the lower quartile of those of the blocks.
    size, way = (SIDE, SIDE), _in_pixels(warp, SIDE)
    moved = cv2.warpAffine(search, way, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    mask = cv2.warpAffine(np.ones_like(template), way, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8))
    one, other = detail(template, mask), detail(moved, mask)
    strengths = np.sqrt([float((one**2).sum()), float((other**2).sum())])
    if not strengths.all():
        return -1.0, -1.0
    correlation = float((one * other).sum()) / float(strengths.prod())
    other *= strengths[0] / strengths[1]  # contrast
    covered = _in_blocks(mask)
    there = covered > covered.max() / 3
    noise = _NOISE**2 * covered
    both, first, second = ((_in_blocks(each) + noise)[there] for each in (one * other, one * one, other * other))
    return correlation, float(np.quantile(both / np.sqrt(first * second), 0.25))


def _in_blocks(picture: Floats) -> Floats:
    across = SIDE // _BLOCKS
    blocks: Floats = picture.reshape(_BLOCKS, across, _BLOCKS, across).sum((1, 3)).ravel()
    return blocks
