"""Verification (1:1): do two photos show the same identity? A pair is accepted when distance ≤ threshold.

So pairs at equal distance are always decided together: no figure depends on the order of ties.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, Ints, codes_of, statistic_figure
from facematch.evaluation.step_curve import (
    accepted,
    area,
    crossing,
    highest_within,
    in_blocks,
    least_count,
    require_rate,
    share,
    sort_steps,
)
from facematch.ranking.ranking import Ranking

FARS = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of photos: their distance, whether both show the same identity, and whom each shows.

    `distances` (N `float64`, finite), `same` (N `bool`), `first` and `second` (N `int64`, the number of
    an identity; equal for same pairs and for no other).

    Raises ValueError when the four do not belong together.
    """

    distances: Floats
    same: NDArray[np.bool_]
    first: Ints
    second: Ints

    def __post_init__(self) -> None:
        shapes = {each.shape for each in (self.distances, self.same, self.first, self.second)}
        if len(shapes) != 1 or self.distances.ndim != 1:
            raise ValueError(f"N pairs need N distances, answers and identities twice; found shapes {sorted(shapes)}")
        kinds = "".join(each.dtype.kind for each in (self.distances, self.same, self.first, self.second))
        if kinds != "fbii":
            raise ValueError(f"pairs hold float distances, bool answers and int identities; found kinds {kinds!r}")
        if not np.isfinite(self.distances).all():
            raise ValueError("a pair's distance is finite")
        wrong = np.flatnonzero((self.first == self.second) != self.same)
        if len(wrong):
            at = int(wrong[0])
            raise ValueError(f"pair {at} is of identities {self.first[at]} and {self.second[at]}, same={self.same[at]}")

    def __len__(self) -> int:
        return len(self.distances)

    @property
    def people(self) -> int:
        """Return the number of identities."""
        return len(np.unique(np.concatenate([self.first, self.second])))


@dataclass(frozen=True, eq=False)
class Roc:
    """The exact ROC: shares accepted at every distinct distance as threshold, from (0, 0) on.

    `thresholds` begins with −infinity; `far` is the share of different pairs accepted (false accept rate),
    `tar` of same pairs (true accept rate); NaN where there are no such pairs.
    """

    thresholds: Floats
    far: Floats
    tar: Floats


def pairs_of_ranking(ranking: Ranking, query_people: Sequence[Hashable], gallery_people: Sequence[Hashable]) -> Pairs:
    """Return every query with every gallery photo as pairs; the ranking must be whole.

    A photo makes no pair with itself (names tell photos apart), and two photos that are both query and
    gallery make one pair, not two, so that pairs count what was compared.

    Raises FacematchError when rows end before the gallery, ValueError for people of another number.
    """
    if len(query_people) != len(ranking.queries) or len(gallery_people) != len(ranking.gallery):
        raise ValueError("every query and every gallery photo of a ranking needs its identity")
    number_of = {name: number for number, name in enumerate(ranking.gallery)}
    row_of = {name: row for row, name in enumerate(ranking.queries)}
    own = np.array([number_of.get(name, -1) for name in ranking.queries], dtype=np.int64)
    row_in_queries = np.array([row_of.get(name, -1) for name in ranking.gallery], dtype=np.int64)
    there = ranking.indices >= 0
    short = np.flatnonzero(there.sum(axis=1) < len(ranking.gallery) - (own >= 0))
    if len(short):
        raise FacematchError(
            f"verification needs the whole ranking; that of {ranking.queries[short[0]]} ends after "
            f"{int(there[short[0]].sum())} of {len(ranking.gallery)} photos.",
            "Rank with k as large as the gallery.",
        )
    rows = np.broadcast_to(np.arange(len(own))[:, None], there.shape)[there]
    found = ranking.indices[there]
    mirrored = (own[rows] >= 0) & (row_in_queries[found] >= 0) & (row_in_queries[found] < rows)
    kept = (found != own[rows]) & ~mirrored
    codes = codes_of([*query_people, *gallery_people])
    first, second = codes[rows[kept]], codes[len(own) + found[kept]]
    return Pairs(ranking.distances[there][kept].astype(np.float64), first == second, first, second)


def pooled_pairs(rankings: Sequence[Ranking], people: Mapping[str, str]) -> Pairs:
    """Return the pairs of all rankings; `people` says whom each photo shows, an unknown one shows somebody of its own.

    Raises FacematchError for rankings that are not whole.
    """
    parts, numbers = [], dict[str, int]()
    for ranking in rankings:
        asking, answering = ([people.get(name) or name for name in side] for side in (ranking.queries, ranking.gallery))
        pairs = pairs_of_ranking(ranking, asking, answering)
        # Each ranking numbers its own people in order of first appearance; here they get one number in all.
        code = np.array([numbers.setdefault(who, len(numbers)) for who in dict.fromkeys([*asking, *answering])])
        parts.append((pairs.distances, pairs.same, code[pairs.first], code[pairs.second]))
    return Pairs(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def roc(pairs: Pairs) -> Roc:
    """Return the exact ROC of N pairs, a step at every distinct distance."""
    distances, place = np.unique(pairs.distances, return_inverse=True)
    rates = []
    for wanted in (~pairs.same, pairs.same):
        counts = np.bincount(place[wanted], minlength=len(distances)).astype(np.float64)
        sums = np.concatenate([[0.0], np.cumsum(counts)])
        rates.append(share(sums[None], sums[-1:])[0])
    return Roc(np.concatenate([[-np.inf], distances]), rates[0], rates[1])


def verification_figures(
    pairs: Pairs, fars: Sequence[float] = FARS, *, rounds: int = ROUNDS, seed: int = 0
) -> list[Estimate]:
    """Return ROC AUC, EER and TAR at each FAR, with intervals over identities.

    Identities are drawn with replacement. A same pair gets the weight of its identity, which is the subsets
    bootstrap of Bolle, Ratha & Pankanti (Error analysis of pattern recognition systems: the subsets
    bootstrap, CVIU 2004); a pair of two identities gets the product of their weights, as one identity is in
    many such pairs (two-way resampling: Schuckers, Computational Methods in Biometric Authentication, 2010;
    Owen, The pigeonhole bootstrap, 2007, who shows that it errs on the wide side).

    A FAR that fewer than 1/FAR different pairs cannot resolve has no value; its note says how many it needs.
    """
    same, different = int(pairs.same.sum()), int((~pairs.same).sum())
    missing = ""
    if not same or not different:
        missing = f"insufficient data: {same} same and {different} different pairs, at least one of each is needed"
    gaps = {"ROC AUC": missing, "EER": missing}
    for far in fars:
        require_rate(far, "a false accept rate")
        needed = least_count(far)
        few = f"insufficient data: {different} different pairs, a FAR of {far:g} needs at least {needed}"
        gaps[f"TAR@FAR={far:g}"] = missing or ("" if different >= needed else few)
    table, people, figures = _table(pairs, fars), pairs.people, []
    for column, (name, gap) in enumerate(gaps.items()):
        if gap:
            figures.append(Estimate(name, None, None, len(pairs), people, gap))
        else:
            statistic = _column(table, column)
            figures.append(statistic_figure(name, statistic, len(pairs), people, rounds=rounds, seed=seed))
    return figures


def distance_histograms(pairs: Pairs, bins: int = 40) -> tuple[Floats, Floats, Floats]:
    """Return bins+1 edges over all distances, and the share of same and of different pairs in each bin.

    Each share adds up to 1; all are 0 where there are no such pairs.
    """
    edges = np.histogram_bin_edges(pairs.distances, bins)
    shares = []
    for wanted in (pairs.same, ~pairs.same):
        counts = np.histogram(pairs.distances[wanted], edges)[0]
        shares.append(counts / max(1, counts.sum()))
    return edges, shares[0], shares[1]


def _table(pairs: Pairs, fars: Sequence[float]) -> Callable[[Floats], Floats]:
    # From R×P weights of identities to R×(2+F) figures: AUC, EER, TAR at each FAR.
    codes = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)[1].astype(np.int64)
    first, second = codes[: len(pairs)], codes[len(pairs) :]
    steps = sort_steps(pairs.distances[pairs.same], pairs.distances[~pairs.same])
    alike = first[pairs.same][steps.wanted]
    left, right = first[~pairs.same][steps.unwanted], second[~pairs.same][steps.unwanted]

    def some(weights: Floats) -> Floats:
        false = np.take(weights, left, axis=1)
        false *= np.take(weights, right, axis=1)
        x, y = accepted(steps, np.take(weights, alike, axis=1), false)
        far, tar = share(x, x[:, -1]), share(y, y[:, -1])
        columns = [area(far, tar), crossing(far, tar), *(highest_within(far, tar, limit) for limit in fars)]
        return np.stack(columns, axis=1)

    return _remembered(in_blocks(some, len(pairs)))


def _remembered(compute: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    # With one seed every figure is computed on the same draws, so the table of all of them is made once.
    known: dict[bytes, Floats] = {}

    def look_up(weights: Floats) -> Floats:
        key = blake2b(weights.tobytes()).digest()
        if key not in known:
            known[key] = compute(weights)
        return known[key]

    return look_up


def _column(table: Callable[[Floats], Floats], column: int) -> Callable[[Floats], Floats]:
    return lambda weights: table(weights)[:, column]
