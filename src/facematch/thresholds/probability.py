"""Several systems' distances as probabilities of the same person, which can be averaged.

Each system's distances become P(same) by a fit to validation people, as the scores of several matchers do in
Čermák, Picek, Adam, Neumann & Matas, WildFusion: Individual Animal Identification with Calibrated Similarity Fusion,
2024, arXiv 2408.12934. Their isotonic fit is level in places, where photos would stand by name; the little of a sigmoid
that is mixed in here keeps them apart.
"""

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.errors import FacematchError
from facematch.evaluation.task import Division, RetrievalTask, halves
from facematch.ranking.ranking import Ranking
from facematch.thresholds.calibration import Isotonic, Platt, fit_isotonic, fit_platt, with_prior
from facematch.thresholds.values import Bools, Floats

_SIGMOID = 0.01  # its part of the mixture
_PAIRS = 200_000  # same ones, and different ones, that a fit looks at


@dataclass(frozen=True)
class Probability:
    """P(same) of one system: 0.99 isotonic + 0.01 sigmoid, both at one prior, so that it falls wherever distances rise.

    It rests on `pairs` of a query and a gallery photo, of queries that show `people`.
    """

    isotonic: Isotonic
    sigmoid: Platt
    pairs: int
    people: int

    def of(self, distances: ArrayLike) -> Floats:
        """Return P(same) of distances of any shape; NaN, not ranked, has probability 0."""
        x = np.asarray(distances, dtype=np.float64)
        mixed = (1 - _SIGMOID) * self.isotonic.probability(x) + _SIGMOID * self.sigmoid.probability(x)
        return np.where(np.isnan(x), 0.0, mixed)


def fit_probabilities(
    task: RetrievalTask,
    systems: Sequence[Sequence[Ranking]],
    names: Sequence[str],
    people: AbstractSet[str] | None = None,
) -> tuple[Probability, ...]:
    """Return P(same) for each of M systems, all at the share of same pairs among the pairs of all of them.

    `systems` holds each one's whole rankings of the task's divisions, `names` what an error calls them. With `people`
    the fits see these alone: queries that show them, and no photo of the other people who ask. Of more than 200 000
    same or different pairs, every n-th by distance is looked at.

    Raises FacematchError for a system whose distances tell nothing, and for fewer than 10 people, same or different
    pairs.
    """
    asking = len(set(task.identities) if people is None else people & set(task.identities))
    found, fits = [_pairs(task, rankings, people) for rankings in systems], []
    for (distances, same), name, rankings in zip(found, names, systems, strict=True):
        right, wrong = _thinned(distances[same]), _thinned(distances[~same])
        x, y = np.concatenate([right, wrong]), np.repeat([True, False], [len(right), len(wrong)])
        try:
            metric = rankings[0].metric if rankings else ""
            fits.append((fit_isotonic(x, y, asking, metric), fit_platt(x, y, asking, metric)))
        except FacematchError as error:
            raise FacematchError(
                f"the distances of {name} cannot be made probabilities: {error.message}",
                f"{error.hint} Or fuse by another method: z-score needs nobody to validate on.",
            ) from error
    prior = sum(int(same.sum()) for _, same in found) / sum(len(same) for _, same in found)
    return tuple(
        Probability(with_prior(isotonic, prior), with_prior(sigmoid, prior), len(same), asking)
        for (isotonic, sigmoid), (_, same) in zip(fits, found, strict=True)
    )


def halves_of(task: RetrievalTask) -> tuple[frozenset[str], frozenset[str]]:
    """Return the people who ask in two halves, by lot: what is fitted on one is judged on the other."""
    first = halves(task.identities).tolist()
    sides = [{who for who, here in zip(task.identities, first, strict=True) if here is side} for side in (True, False)]
    return frozenset(sides[0]), frozenset(sides[1])


def _pairs(task: RetrievalTask, rankings: Sequence[Ranking], people: AbstractSet[str] | None) -> tuple[Floats, Bools]:
    # The distance of every pair that was ranked, and whether it is same.
    parts = [
        pair
        for ranking, division in zip(rankings, task.divisions, strict=True)
        for pair in _pairs_of(ranking, division, people)
    ]
    if not parts:
        return np.zeros(0), np.zeros(0, dtype=np.bool_)
    return np.concatenate([each for each, _ in parts]), np.concatenate([each for _, each in parts])


def _pairs_of(ranking: Ranking, division: Division, people: AbstractSet[str] | None) -> Iterator[tuple[Floats, Bools]]:
    number = {name: place for place, name in enumerate(ranking.gallery)}
    row_of = {name: row for row, name in enumerate(ranking.queries)}
    outside = [
        wanted for wanted, who in zip(division.relevant, division.identities, strict=True)
        if people is not None and who not in people
    ]  # fmt: skip
    apart = [number[name] for name in frozenset().union(*set(outside)) if name in number]
    ignored = division.ignored or (frozenset(),) * len(division.queries)
    for query, who, wanted, out in zip(division.queries, division.identities, division.relevant, ignored, strict=True):
        if query not in row_of or (people is not None and who not in people):
            continue
        same, there = np.zeros(len(number), dtype=np.bool_), np.ones(len(number), dtype=np.bool_)
        same[[number[name] for name in wanted if name in number]] = True
        there[apart] = there[[number[name] for name in out if name in number]] = False
        places = ranking.indices[row_of[query]]
        kept = places >= 0
        kept[kept] = there[places[kept]]
        yield ranking.distances[row_of[query]][kept].astype(np.float64), same[places[kept]]


def _thinned(distances: Floats) -> Floats:
    return np.sort(distances)[:: max(1, math.ceil(len(distances) / _PAIRS))]
