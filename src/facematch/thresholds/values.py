"""The values of this room: what a threshold rests on, and the answer it gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.ranking.ranking import Ranking

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Basis:
    """What a threshold rests on: the metric of its distances, and how many queries or pairs of how many people."""

    metric: str
    count: int
    people: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.people < 1:
            raise ValueError(f"a threshold rests on somebody, not on {self.count} of {self.people} people")

    def require(self, ranking: Ranking) -> None:
        """Raise FacematchError when the distances of `ranking` are not those the threshold was fitted on."""
        if ranking.metric != self.metric:
            raise FacematchError(
                f"this threshold was fitted on {self.metric} distances, but the ranking is by {ranking.metric}.",
                f"Fit thresholds again on {ranking.metric} rankings, or rank by {self.metric}.",
            )


def accept(ranking: Ranking, limits: Floats) -> dict[str, tuple[str, ...]]:
    """Return for each query the photos of a ranking that are no farther than their limit, best first; none: nobody.

    `limits` is Q×k: the largest distance at which the photo at each place is accepted. Photos beyond place
    k are never accepted, so the ranking should be whole where all photos of a person are wanted.
    Raises ValueError for limits of another shape or that hold NaN.
    """
    mask = accepted_mask(ranking.distances, limits)
    rows = zip(ranking.queries, ranking.indices, mask, strict=True)
    return {query: tuple(ranking.gallery[i] for i in row[taken].tolist()) for query, row, taken in rows}


def accepted_mask(distances: NDArray[np.float32], limits: Floats) -> Bools:
    """Return which places of a ranking, judged or not, are accepted (Q×k): distance ≤ limit.

    Empty places, at infinity, are not, whatever the limit. Raises ValueError as `accept`.
    """
    if distances.shape != limits.shape:
        raise ValueError(f"places of shape {distances.shape} need as many limits; found {limits.shape}")
    if np.isnan(limits).any():
        raise ValueError("a limit is NaN")
    return np.isfinite(distances) & (distances <= limits)


def same_limit(ranking: Ranking, distance: float) -> Floats:
    """Return one limit for every place (Q×k)."""
    return np.full(ranking.distances.shape, distance, dtype=np.float64)
