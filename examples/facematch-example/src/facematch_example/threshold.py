"""A threshold: fitted on labelled people, kept as JSON, then asked for the limit of every place of a ranking."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.plugins import Basis, FacematchError, OpenSet, Ranking


@dataclass(frozen=True)
class ShareThreshold:
    """The distance within which nine in ten photos of the right person lie."""

    distance: float
    basis: Basis

    @classmethod
    def fit(cls, on: OpenSet) -> "ShareThreshold":
        """Return the threshold of labelled rankings. Raises FacematchError where no right photo is there."""
        right = on.pairs.distances[on.pairs.same]
        if not len(right):
            raise FacematchError("insufficient data: nobody has two photos.")
        basis = Basis(on.rankings[0].metric, len(right), len(set(on.judged.groups)))
        return cls(float(np.quantile(right, 0.9)), basis)

    def limits(self, ranking: Ranking) -> NDArray[np.float64]:
        """Return the limit of every place (Q×k)."""
        self.basis.require(ranking)
        return np.full(ranking.distances.shape, self.distance)
