"""How much is accepted at each threshold, with people weighted: what verification and open-set intervals read.

Distances are sorted once. For each draw of people only the weights change, so a curve costs two cumulative
sums. Only its corners are kept: where wanted distances follow each other it goes straight up, where unwanted
ones do straight to the right, whatever the weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facematch.evaluation.bootstrap import Floats, Ints

_CELLS = 500_000  # numbers held at once: few enough for a processor's cache


@dataclass(frozen=True, eq=False)
class Steps:
    """S wanted and D unwanted distances in order, and the K corners of the curve of what is accepted.

    `wanted` (S) and `unwanted` (D) sort them; `wanted_accepted` and `unwanted_accepted` (K) count how many
    of each are accepted at a corner, from none to all.
    """

    wanted: Ints
    unwanted: Ints
    wanted_accepted: Ints
    unwanted_accepted: Ints


def sort_steps(wanted: Floats, unwanted: Floats) -> Steps:
    """Sort S wanted and D unwanted distances. Equal ones are accepted together."""
    thresholds, place = np.unique(np.concatenate([wanted, unwanted]), return_inverse=True)
    counts = [
        np.bincount(side, minlength=len(thresholds)).astype(np.int64)
        for side in (place[: len(wanted)], place[len(wanted) :])
    ]
    kind = 2 * (counts[0] > 0) + (counts[1] > 0)  # 1: to the right, 2: up, 3: both at once
    corner = np.ones(len(thresholds) + 1, dtype=np.bool_)
    corner[1:-1] = (kind[1:] != kind[:-1]) | (kind[1:] == 3)
    up, right = (np.concatenate([[0], np.cumsum(each)])[corner] for each in counts)
    first, second = (np.argsort(side, kind="stable").astype(np.int64) for side in (wanted, unwanted))
    return Steps(first, second, up, right)


def accepted(steps: Steps, wanted: Floats, unwanted: Floats) -> tuple[Floats, Floats]:
    """Return the weight of unwanted and of wanted distances accepted at each corner, for R draws.

    `wanted` (R×S) and `unwanted` (R×D) are weights *in order of distance*. Both results are R×K, rising
    from 0 to the whole weight.
    """
    x, y = _cumulative(unwanted), _cumulative(wanted)
    return np.take(x, steps.unwanted_accepted, axis=1), np.take(y, steps.wanted_accepted, axis=1)


def area(x: Floats, y: Floats) -> Floats:
    """Return the area under each of R curves (R×K rising `x` and `y`), points joined by straight lines.

    NaN where a curve is not defined.
    """
    return np.asarray(np.trapezoid(y, x, axis=1)) if x.shape[1] > 1 else np.full(len(x), np.nan)


def crossing(x: Floats, y: Floats) -> Floats:
    """Return x where x = 1 − y on each of R curves from (0, 0) to (1, 1), points joined by straight lines.

    NaN where a curve is not defined.
    """
    if x.shape[1] < 2:
        return np.full(len(x), np.nan)
    gap = x + y - 1
    at = np.maximum(np.count_nonzero(gap < 0, axis=1), 1)[:, None]
    (low, high), (x_low, x_high) = ([np.take_along_axis(each, at - back, 1) for back in (1, 0)] for each in (gap, x))
    found: Floats = (x_low - low * (x_high - x_low) / (high - low))[:, 0]
    return found


def highest_within(x: Floats, y: Floats, limit: float) -> Floats:
    """Return y at the last point of each of R curves whose x does not exceed `limit`; NaN where x is not defined."""
    last = np.maximum(np.count_nonzero(x <= limit, axis=1), 1)[:, None] - 1
    found: Floats = np.where(np.isnan(x[:, 0]), np.nan, np.take_along_axis(y, last, 1)[:, 0])
    return found


def share(weights: Floats, total: Floats) -> Floats:
    """Return R×K accepted weights as shares of R totals; NaN where there is nothing to accept."""
    there = total[:, None] > 0
    found: Floats = np.divide(weights, total[:, None], out=np.full(weights.shape, np.nan), where=there)
    return found


def in_blocks(compute: Callable[[Floats], Floats], width: int) -> Callable[[Floats], Floats]:
    """Return `compute`, which gets its R rows of weights in blocks, so that memory stays bounded.

    `width` is how many numbers a row becomes on the way.
    """
    rows = max(1, _CELLS // max(1, width))
    return lambda weights: np.concatenate([compute(weights[at : at + rows]) for at in range(0, len(weights), rows)])


def least_count(rate: float) -> int:
    """Return how many trials a rate (above 0, at most 1) needs so that one false accept does not exceed it."""
    nearest = max(1, round(1 / rate))
    return nearest if 1 / nearest <= rate else nearest + 1


def require_rate(rate: float, what: str) -> None:
    """Raise ValueError for a rate that is not above 0 and below 1."""
    if not 0 < rate < 1:
        raise ValueError(f"{what} is a share above 0 and below 1; found {rate}")


def _cumulative(weights: Floats) -> Floats:
    # R×(N+1): the sum of the first 0, 1, … N weights.
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
