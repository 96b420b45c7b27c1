"""Retrieval figures as expected values over all orders of tied photos, in closed form.

With short codes most gallery photos tie, and what a sort makes of them decides the figure. Here every
order within a group of equal distance is equally likely, as in McSherry & Najork, Computing Information
Retrieval Performance Measures Efficiently in the Presence of Tied Scores (ECIR 2008), which He, Cakir,
Bargal & Sclaroff, Hashing as Tie-Aware Learning to Rank (CVPR 2018), took to hashing. Nothing is drawn at
random. Queries without a right photo in the gallery define no figure: they are NaN and leave every mean.

In the formulas a group has n photos, r of them right, and b photos stand before it, f of them right;
m of its places lie within the first k; H is the harmonic number.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from types import MappingProxyType
from typing import Concatenate, Literal, ParamSpec

import numpy as np

from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, Ints, codes_of, mean_figure, statistic_figure
from facematch.evaluation.tie_groups import TieGroups

Over = Literal["relevant", "reachable", "found"]
Order = Literal["best", "worst"]
P = ParamSpec("P")

_CELLS = 2_000_000  # numbers held at once


def _in_blocks(figure: Callable[Concatenate[TieGroups, P], Floats]) -> Callable[Concatenate[TieGroups, P], Floats]:
    # Each query's figure needs its own groups only, so queries go in blocks and memory stays bounded.
    @wraps(figure)
    def blocked(tied: TieGroups, /, *args: P.args, **options: P.kwargs) -> Floats:
        step = max(1, _CELLS // tied.sizes.shape[1])
        blocks = [tied.at(slice(start, start + step)) for start in range(0, max(1, len(tied)), step)]
        return np.concatenate([figure(block, *args, **options) for block in blocks])

    return blocked


@_in_blocks
def expected_average_precision(tied: TieGroups, k: int | None = None, *, over: Over = "relevant") -> Floats:
    """Return the expected average precision over the first k places, by default over the whole ranking.

    The precisions at the right ones of a group's first m places sum, in expectation, to
    (r/n)·[(f + 1 − s·(b + 1))·(H(b+m) − H(b)) + s·m] with s = (r − 1)/(n − 1): a place is right with
    chance r/n, and each one before it in the group then with chance s (McSherry & Najork 2008,
    their sum over places in closed form). That sum is divided by the right photos of the gallery
    (`relevant`), by those that k places can hold, min(k, relevant) (`reachable`), or by those among the
    first k (`found`). Only the last divisor depends on the order: the expectation is then a sum over the
    hypergeometric number of hits in the group that place k cuts, and a query without a hit counts as 0.
    """
    _require_place(k, "mAP")
    places = max(1, int(tied.sizes.sum(axis=1).max(initial=0))) if k is None else k
    if over == "found":
        return tied.over_answerable(_over_found(tied, places))
    before, found = _before(tied.sizes), _before(tied.right)
    taken = np.clip(places - before, 0, tied.sizes)
    sums = _precision_sums(before, found, tied.sizes, tied.right, taken).sum(axis=1)
    most = tied.relevant if over == "relevant" else np.minimum(tied.relevant, places)
    return tied.over_answerable(sums / np.maximum(most, 1))


@_in_blocks
def average_precision_bound(tied: TieGroups, order: Order) -> Floats:
    """Return the average precision over the whole ranking with the right photos of each group first or last.

    No order of ties gives more than `best` or less than `worst`. The right photos of a group stand at the r
    places after a = b or a = b + n − r; their precisions sum to r + (f − a)·(H(a+r) − H(a)).
    """
    start = _before(tied.sizes) + (tied.sizes - tied.right if order == "worst" else 0)
    sums = tied.right + (_before(tied.right) - start) * _harmonic_between(start, start + tied.right)
    return tied.over_answerable(sums.sum(axis=1) / np.maximum(tied.relevant, 1))


@_in_blocks
def expected_precision_at(tied: TieGroups, k: int) -> Floats:
    """Return for Q queries the expected right photos among the first k, (f + m·r/n)/k: the mean of the hypergeometric.

    k divides even where fewer than k photos are right or there (McSherry & Najork 2008).
    """
    _require_place(k, f"precision@{k}")
    cut = _cut(tied, k)
    return tied.over_answerable((cut.found + cut.taken * cut.right / np.maximum(cut.size, 1)) / k)


@_in_blocks
def expected_hit_at(tied: TieGroups, k: int) -> Floats:
    """Return for Q queries the chance that a right photo stands among the first k: expected CMC at rank k, or top-k.

    It is 1 − C(n−r, m)/C(n, m) in the group that place k cuts, and 1 when a right photo stands before it.
    """
    _require_place(k, f"top-{k}")
    cut = _cut(tied, k)
    none = _hypergeometric(cut.size, cut.right, cut.taken, np.zeros_like(cut.taken))
    return tied.over_answerable(1 - np.where(cut.found > 0, 0, none))


@dataclass(frozen=True)
class MapVariant:
    """One definition of mAP: the `values` of all queries, summed and divided by the sum of their `weights`.

    Without `weights` every query with a right photo in the gallery weighs 1: a plain mean.
    """

    values: Callable[[TieGroups], Floats]
    weights: Callable[[TieGroups], Floats] | None = None


def map_variants(k: int) -> Mapping[str, MapVariant]:
    """Return the definitions of mAP that papers publish, by name, truncated ones at k.

    "over found … 0" is `CalcTopMap` of most hashing toolboxes, "over found … dropped" the original of
    HashNet (Cao et al. 2017), which leaves queries without a hit out of its mean. How many it leaves out
    depends on the tie order, so that one is Σ E[AP] / Σ P(hit): exact where no tie crosses place k, and
    what the mean tends to with many queries.
    """
    over_found = partial(expected_average_precision, k=k, over="found")
    return MappingProxyType(
        {
            "mAP": MapVariant(expected_average_precision),
            "mAP, ties at their worst": MapVariant(partial(average_precision_bound, order="worst")),
            "mAP, ties at their best": MapVariant(partial(average_precision_bound, order="best")),
            f"mAP@{k} over all relevant": MapVariant(partial(expected_average_precision, k=k)),
            f"mAP@{k} over min({k}, relevant)": MapVariant(partial(expected_average_precision, k=k, over="reachable")),
            f"mAP@{k} over found, queries without a hit 0": MapVariant(over_found),
            f"mAP@{k} over found, queries without a hit dropped": MapVariant(over_found, partial(expected_hit_at, k=k)),
        }
    )


def map_figures(tied: TieGroups, k: int = 1000, *, rounds: int = ROUNDS) -> list[Estimate]:
    """Return every definition of mAP over the queries with a right photo, each with its interval over people."""
    return [_figure(name, variant, tied, rounds) for name, variant in map_variants(k).items()]


def _figure(name: str, variant: MapVariant, tied: TieGroups, rounds: int) -> Estimate:
    values = variant.values(tied)
    if variant.weights is None:
        return mean_figure(name, values, tied.groups, rounds=rounds)
    known = tied.answerable
    people = codes_of([group for group, keep in zip(tied.groups, known, strict=True) if keep])
    sums, asked = (np.bincount(people, weights=each[known]) for each in (values, variant.weights(tied)))

    def ratio(weights: Floats) -> Floats:
        total = weights @ asked
        return np.asarray(np.divide(weights @ sums, total, out=np.full(len(total), np.nan), where=total > 0))

    return statistic_figure(name, ratio, int(known.sum()), len(sums), rounds=rounds)


@dataclass(frozen=True, eq=False)
class _Cut:
    # The group that place k cuts, or that it ends (Q each): its column, the photos and right photos before
    # it, its photos, the right ones of them, and how many of its places lie within the first k.
    column: Ints
    before: Ints
    found: Ints
    size: Ints
    right: Ints
    taken: Ints


def _cut(tied: TieGroups, k: int) -> _Cut:
    before = _before(tied.sizes)
    column = np.count_nonzero(before < k, axis=1)[:, None] - 1
    chosen = (before, _before(tied.right), tied.sizes, tied.right)
    ahead, found, size, right = (np.take_along_axis(each, column, 1)[:, 0] for each in chosen)
    return _Cut(column[:, 0], ahead, found, size, right, np.clip(k - ahead, 0, size))


def _over_found(tied: TieGroups, k: int) -> Floats:
    cut = _cut(tied, k)
    whole = np.where(np.arange(tied.sizes.shape[1]) < cut.column[:, None], tied.sizes, 0)
    sums = _precision_sums(_before(tied.sizes), _before(tied.right), tied.sizes, tied.right, whole).sum(axis=1)
    width = 1 + int(np.minimum(cut.taken, cut.right).max(initial=0))
    hits = np.arange(width)
    values = np.empty(len(tied))
    for rows in np.array_split(np.arange(len(tied)), 1 + len(tied) * width // _CELLS):
        ahead, found, size, right, taken = (
            each[rows, None] for each in (cut.before, cut.found, cut.size, cut.right, cut.taken)
        )
        # Given h hits, the first m places of the cut group are themselves a group of m with h right ones.
        inside = _precision_sums(ahead, found, taken, hits, taken)
        chance = _hypergeometric(size, right, taken, hits)
        values[rows] = (chance * (sums[rows, None] + inside) / np.maximum(found + hits, 1)).sum(axis=1)
    return values


def _precision_sums(before: Ints, found: Ints, size: Ints, right: Ints, taken: Ints) -> Floats:
    # The expected sum of the precisions at the right ones of a group's first `taken` places.
    share = right / np.maximum(size, 1)
    slope = (right - 1) / np.maximum(size - 1, 1)
    sums: Floats = share * (
        (found + 1 - slope * (before + 1)) * _harmonic_between(before, before + taken) + slope * taken
    )
    return sums


def _before(counts: Ints) -> Ints:
    # What the groups before each one hold.
    return np.cumsum(counts, axis=1) - counts


def _harmonic_between(low: Ints, high: Ints) -> Floats:
    # 1/(low+1) + … + 1/high.
    table = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, high.max(initial=0) + 1))])
    return np.asarray(table[high] - table[low])


def _hypergeometric(size: Ints, right: Ints, taken: Ints, hits: Ints) -> Floats:
    # The chance that `hits` of `taken` photos, drawn from `size` without putting back, are of the `right` ones.
    log_factorial = np.fromiter(map(math.lgamma, range(1, int(size.max(initial=0)) + 2)), dtype=np.float64)

    def log_choose(n: Ints, k: Ints) -> Floats:
        return np.asarray(log_factorial[n] - log_factorial[k] - log_factorial[n - k])

    wrong, missed = size - right, taken - hits
    possible = (hits <= right) & (missed >= 0) & (missed <= wrong)
    chance = np.exp(
        log_choose(right, np.minimum(hits, right))
        + log_choose(wrong, np.clip(missed, 0, wrong))
        - log_choose(size, taken)
    )
    return np.where(possible, chance, 0.0)


def _require_place(k: int | None, what: str) -> None:
    if k is not None and k < 1:
        raise ValueError(f"{what}: places count from 1")
