"""A threshold with a promised rate of false accepts for unknown people: split conformal.

Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005; Angelopoulos & Bates, A Gentle
Introduction to Conformal Prediction, 2021.
"""

import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of
from facematch.evaluation.bootstrap import codes_of
from facematch.ranking.ranking import Ranking
from facematch.thresholds.values import Basis, Floats, same_limit


@dataclass(frozen=True)
class ConformalThreshold:
    """Photos strictly nearer than `distance` are accepted, the j-th smallest of n unknown people's (`place` is j).

    Promised: a photo of a person who is in neither the gallery nor the calibration people, but drawn as
    those were, has any gallery photo accepted with probability at most j/(n + 1) ≤ `alpha`.

    The probability is over the draw of the calibration people *and* of the new person. So it holds on
    average over many such fits: the rate for one given fit scatters about it (between continuous scores as
    a Beta(j, n + 1 − j) variable does). It is not promised for each group of people, for people of another
    population or photographed otherwise, for the share of several photos of one person, nor for another
    gallery; and nothing is promised about how many known people are found.

    `gallery` is a digest of the names of the gallery that the scores were taken in.
    """

    distance: float
    alpha: float
    place: int
    gallery: str
    basis: Basis

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or not 1 <= self.place <= self.basis.people:
            raise ValueError(f"the {self.place}-th of {self.basis.people} people promises no rate of {self.alpha}")

    @property
    def promised(self) -> float:
        """Return the rate that is not exceeded: j/(n + 1)."""
        return self.place / (self.basis.people + 1)

    def limits(self, ranking: Ranking) -> Floats:
        """Return the limit of every place (Q×k). Raises FacematchError for another gallery or metric."""
        self.basis.require(ranking)
        if gallery_digest(ranking.gallery) != self.gallery:
            raise FacematchError(
                "this threshold keeps its promise in the gallery it was calibrated in, and the ranking is of "
                f"another one, of {len(ranking.gallery)} photos.",
                "Rank the photos of the unknown people in the gallery in use and fit the threshold again.",
            )
        return same_limit(ranking, float(np.nextafter(self.distance, -np.inf)))


def fit_conformal(
    nearest: ArrayLike,
    people: Sequence[Hashable],
    alpha: float,
    metric: str,
    gallery: Sequence[str],
    *,
    seed: int = 0,
) -> ConformalThreshold:
    """Return the threshold that promises a rate of at most `alpha` (between 0 and 1).

    `nearest` holds for each photo of unknown people its distance to the nearest photo of the very gallery in
    use (`gallery` names it), `people` whom each shows; none of them may be in the gallery. One photo of each
    person is drawn by lot, whatever its distance: n people drawn alike, with one photo each, and a new
    person with one photo are exchangeable, which is all the promise needs. (Photos of one person are not
    exchangeable with a stranger's; a person's smallest distance would promise more than is wanted: that none
    of all its photos is accepted.)

    With j = ⌊alpha·(n + 1)⌋ and strict acceptance below the j-th smallest score a new person is accepted only
    when fewer than j scores are as small as its own; of n + 1 exchangeable scores at most j are so placed, tied
    or not.

    Raises FacematchError for too few people, an alpha that is no rate, and distances that are not finite.
    """
    scores = _one_each(np.asarray(nearest, dtype=np.float64), people, seed)
    place = _place(alpha, len(scores))
    distance = float(np.sort(scores)[place - 1])
    basis = Basis(metric, len(people), len(scores))
    return ConformalThreshold(distance, float(alpha), place, gallery_digest(gallery), basis)


def least_people(alpha: float) -> int:
    """Return how many unknown people a promise of `alpha` needs at least: the least n with alpha·(n + 1) ≥ 1."""
    return math.ceil(1 / _exact(alpha)) - 1


def gallery_digest(names: Sequence[str]) -> str:
    """Return what identifies a gallery: the SHA-256 of their names, in whatever order."""
    return sha256_of(json.dumps(sorted(names)).encode())


def _place(alpha: float, people: int) -> int:
    if not 0 < alpha < 1:
        raise FacematchError(f"a promised rate of false accepts lies between 0 and 1, not at {alpha}.")
    place = math.floor(_exact(alpha) * (people + 1))
    if place < 1:
        raise FacematchError(
            f"insufficient data: promising {100 * alpha:g} % needs at least {least_people(alpha)} unknown people; "
            f"there are {people}.",
            "Name more people who are not in the gallery, or promise less.",
        )
    return place


def _exact(alpha: float) -> Fraction:
    # As written: 0.29 · 100 is 29, not 28.999….
    return Fraction(str(alpha))


def _one_each(nearest: Floats, people: Sequence[Hashable], seed: int) -> Floats:
    # The distance of one photo of each person, by lot.
    if nearest.shape != (len(people),):
        raise ValueError(f"{len(people)} photos of unknown people have distances of shape {nearest.shape}")
    if not np.isfinite(nearest).all():
        raise FacematchError(
            "the distance of an unknown person's photo to the nearest gallery photo is not finite.",
            "Is the gallery empty? Rank the photos of unknown people in the gallery in use.",
        )
    lot = np.random.default_rng(seed).permutation(len(nearest))
    codes = codes_of(people)[lot]
    return nearest[lot[np.unique(codes, return_index=True)[1]]]
