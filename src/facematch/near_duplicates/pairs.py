"""From descriptors to pairs: an exact search for what is alike, then two thumbnails are registered and compared."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.cores import single_threaded_opencv
from facematch.near_duplicates.descriptors import CUTS, SIDE, Floats, Grey, detail, turn

NEIGHBOURS = 20  # nearest of the other side that become candidates of a photo, in one search
LIKE = 0.7  # least correlation of two descriptors

# A pair that may show one photo: the indices of both; how the right one is made to look like the left one: whether
# it is mirrored, then by how many degrees it is turned clockwise; and the share to be cut from every side of the right
# one to show what the left one shows (below 0: from the left one).
CANDIDATE = np.dtype(
    [("left", "i8"), ("right", "i8"), ("mirrored", "?"), ("cut", "f4"), ("likeness", "f4"), ("turned", "i2")]
)

_QUERIES = 2048  # searched at once: between two, Ctrl-C is heard and progress is shown

Found = NDArray[np.void]
Progress = Callable[[int], None]
SAME = 0.93  # least correlation of the detail of two thumbnails that lie on each other
_BLOCKS, _AGREE, _NOISE = 8, 0.7, 2.0  # blocks across, least correlation of a block, grey levels that are noise
_ROUGHLY = 0.9  # least correlation of two blurred thumbnails that lie on each other
_SKEW, _OUTSIDE = 0.012, 0.015  # how far a map may be from upright, and how far a crop may reach outside
_LEAST_AREA = 0.5  # share of a photo that a crop shows
_STOP = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
_AT_ONCE = 1024
Matrix = NDArray[np.float64]


def candidates(
    left: Floats,
    right: Floats | None = None,
    on_progress: Progress = lambda percent: None,
    *,
    turned: bool = False,
) -> Found:
    """Return pairs with alike descriptors (`CANDIDATE`), most alike first: of each photo the 20 nearest, exactly.

    `left` is N×3×64 and `right` M×3×64, as `describe` makes them. Without `right` the pairs are those
    within `left`, each once. A plain photo is in no pair. Photos are compared as they are and mirrored, with
    `turned` by quarter turns too, which takes four times as long. `on_progress` gets the percentage done.
    """
    turns = (0, 90, 180, 270) if turned else (0,)
    if right is None:
        found = _nearest(left, left, turns, on_progress, within=True)
        back = found["left"] > found["right"]
        found = np.concatenate([found[~back], _swapped(found[back])])
    else:
        there = _nearest(left, right, turns, lambda percent: on_progress(percent // 2))
        found = _nearest(right, left, turns, lambda percent: on_progress(50 + percent // 2))
        found = np.concatenate([there, _swapped(found)])
    # The best cut for each orientation of a pair; a tie takes the smaller one.
    found = found[np.lexsort((np.abs(found["cut"]), -found["likeness"]))]
    key = (found["left"] * (1 + found["right"].max(initial=0)) + found["right"]) * 8
    _, first = np.unique(key + found["mirrored"] * 4 + found["turned"] // 90, return_index=True)
    return found[np.sort(first)]


def _nearest(
    queries: Floats, gallery: Floats, turns: Sequence[int], on_progress: Progress, *, within: bool = False
) -> Found:
    # Whole queries among the whole and the middles of gallery photos: as they are, mirrored and turned.
    import faiss

    rows_with_detail = np.flatnonzero(queries[:, 0].any(-1)) if len(gallery) else np.empty(0, np.int64)
    ways = list(product((False, True), turns, range(0, len(rows_with_detail), _QUERIES)))
    k = min(NEIGHBOURS + within, len(gallery))  # within one set a photo finds itself
    parts = []
    for window, cut in enumerate(CUTS):
        middles = np.ascontiguousarray(gallery[:, window])
        for mirrored, turned, start in ways:
            rows = rows_with_detail[start : start + _QUERIES]
            vectors = np.ascontiguousarray(turn(queries[rows, 0], mirrored=mirrored, turned=turned))
            likeness, found = faiss.knn(vectors, middles, k, metric=faiss.METRIC_INNER_PRODUCT)
            others = found != rows[:, None] if within else np.ones_like(found, bool)
            row, column = np.nonzero((likeness >= LIKE) & others & (others.cumsum(1) <= NEIGHBOURS))
            part = np.empty(len(row), CANDIDATE)
            part["left"], part["right"], part["likeness"] = rows[row], found[row, column], likeness[row, column]
            # What was done to the query is undone to the other photo.
            part["mirrored"], part["turned"], part["cut"] = mirrored, _undone(mirrored, turned), cut
            parts.append(part)
            on_progress(100 * len(parts) // (len(CUTS) * len(ways)))
    return np.concatenate([np.empty(0, CANDIDATE), *parts])


def _swapped(found: Found) -> Found:
    other = found.copy()
    other["left"], other["right"], other["cut"] = found["right"], found["left"], -found["cut"]
    other["turned"] = _undone(found["mirrored"], found["turned"])
    return other


def _undone(mirrored: NDArray[np.bool_] | bool, turned: NDArray[np.int16] | int) -> NDArray[np.int64]:
    # Degrees that undo "mirrored, then turned", in the same order: a reflection undoes itself.
    return np.where(mirrored, turned, -np.asarray(turned) % 360)


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
