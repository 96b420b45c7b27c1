"""Figures of a Hamming ball: what lies within radius r of a query. No order decides them, so ties do not matter.

A photo at distance r itself lies within radius r. (FAISS's binary range search is strict: it is called with
r + 1.) Queries without a right photo in the gallery define none of these figures: they are NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facematch.evaluation.bootstrap import Floats, Ints
from facematch.evaluation.tie_groups import TieGroups


def precision_within(tied: TieGroups, radius: float) -> Floats:
    """Return the share of right photos within the radius of each query (Q); an empty ball counts as 0.

    The usual figure of hash look-up, at radius 2: a look-up that finds nothing has failed, so it counts as
    precision 0 and does not leave the mean (P@H=2 of Cao et al., HashNet, ICCV 2017). `empty_ball` says
    how much of a low figure comes from that.
    """
    inside, right = _inside(tied, radius)
    return tied.over_answerable(right / np.maximum(inside, 1))


def empty_ball(tied: TieGroups, radius: float) -> Floats:
    """Return whether no photo at all lies within the radius of each query, 1 or 0 (Q)."""
    return tied.over_answerable(_inside(tied, radius)[0] == 0)


@dataclass(frozen=True, eq=False)
class RadiusCurve:
    """Precision and recall at each of R radii, and the share of queries with any photo within it (all R).

    `precision` is NaN where no query has a photo within the radius; without a query all three are NaN.
    """

    radii: Floats
    precision: Floats
    recall: Floats
    answered: Floats


def radius_curve(tied: TieGroups, radii: Sequence[float]) -> RadiusCurve:
    """Return the precision–recall curve by Hamming radius, one point for each: `range(D + 1)` for D bits.

    Recall is averaged over all queries with a right photo and precision over those of them whose ball is not empty: an
    empty ball has no precision, and as 0 it would pull the left end of the curve to the floor. At small radii this
    flatters, so read it with `answered`.
    """
    known = tied.answerable
    counts = np.array([_inside(tied, radius) for radius in radii], dtype=np.float64)
    counts = counts.reshape(len(radii), 2, len(tied))[..., known]
    inside, right = counts[:, 0], counts[:, 1]
    relevant = tied.relevant[known]
    answered = (inside > 0).sum(axis=1)
    every = np.full(len(radii), len(relevant))
    precision = _ratio((right / np.maximum(inside, 1)).sum(axis=1), answered)
    recall = _ratio((right / relevant).sum(axis=1), every)
    return RadiusCurve(np.asarray(radii, dtype=np.float64), precision, recall, _ratio(answered, every))


def _inside(tied: TieGroups, radius: float) -> tuple[Ints, Ints]:
    # How many photos, and how many right ones, lie within the radius of each query.
    near = tied.distances <= radius
    return np.where(near, tied.sizes, 0).sum(axis=1), np.where(near, tied.right, 0).sum(axis=1)


def _ratio(above: Floats | Ints, below: Floats | Ints) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
