"""The retrieval figures: top-k, precision and recall at k, mAP in its several definitions, R-precision, MRR.

One number a query, NaN for one without a right photo in the gallery: it leaves every mean. In a judged ranking equal
distances stand as ranked, by name; `relevance_matrix` with `ties="worst"` and `"best"` bounds what another order could
give. Of tie groups a figure is its expected value over all orders within the groups, in closed form (McSherry & Najork,
Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores, ECIR 2008; He, Cakir,
Bargal & Sclaroff, Hashing as Tie-Aware Learning to Rank, CVPR 2018): with short codes most photos tie. A ranking is
groups of one photo each, so both are equal where nothing ties. Only MRR and the curves are of one order.

In the formulas a group has n photos, r of them right, and b photos stand before it, f of them right;
m of its places lie within the first k; H is the harmonic number.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, Ints, mean_figure
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.tie_groups import TieGroups

Judged = RelevanceMatrix | TieGroups
Rule = Literal["plain", "trapezoid"]
Over = Literal["relevant", "reachable", "found"]
Order = Literal["best", "worst"]

_CELLS = 2_000_000  # numbers held at once


def hit_at(judged: Judged, k: int) -> Floats:
    """Return for Q queries whether a right photo stands among the first k, 1 or 0: CMC at rank k, also called top-k.

    Of tie groups it is the chance of that: 1 − C(n−r, m)/C(n, m) in the first group with right photos.
    """
    groups = _groups(judged, k, f"top-{k}")
    none = _hypergeometric(groups.size, groups.right, groups.taken, 0)
    return over_answerable(judged, groups.per_query(np.where(groups.found == 0, 1 - none, 0)))


def precision_at(judged: Judged, k: int) -> Floats:
    """Return for Q queries the right photos among the first k, divided by k.

    This is the textbook definition (Manning, Raghavan & Schütze 2008, section 8.4): k divides even where
    fewer than k photos are right, so the ideal is min(relevant, k)/k and not 1.
    """
    return over_answerable(judged, _groups(judged, k, f"precision@{k}").hits() / k)


def recall_at(judged: Judged, k: int) -> Floats:
    """Return for Q queries the right photos among the first k, divided by all right photos of the gallery."""
    return _over_relevant(judged, _groups(judged, k, f"recall@{k}").hits())


def average_precision(judged: Judged, k: int | None = None, *, rule: Rule = "plain", over: Over = "relevant") -> Floats:
    """Return for Q queries the average precision over the first k places, by default over the whole ranking.

    `plain` averages the precision at each right place (Manning, Raghavan & Schütze 2008, section 8.4);
    `trapezoid` the mean of the precisions just before and at it, the precision before the first place
    being 1: the area that ROxford's published evaluator sums (Radenović et al. 2018).

    The sum is divided by the right photos of the gallery (`relevant`), by those that k places can hold,
    min(k, relevant) (`reachable`), or by those among the first k (`found`; 0 without any). Only the last divisor
    depends on the order of ties: the expectation is then a sum over the hypergeometric number of hits in the
    group that place k cuts.

    Raises FacematchError when a ranking ends before place k, or before the whole gallery.
    """
    name = "mAP" if rule == "plain" else f"mAP ({rule})"
    groups = _groups(judged, k, name if k is None else f"{name}@{k}")
    if over == "found" and k is not None:
        return over_answerable(judged, _over_found(groups, k, rule))
    sums = groups.summed(groups.precisions(rule))
    return _over_relevant(judged, sums, None if over == "relevant" else k)


def average_precision_bound(judged: Judged, order: Order) -> Floats:
    """Return for Q queries the average precision with the right photos of each tie group first or last.

    No order of ties gives more than `best` or less than `worst`. The right photos of a group stand at the r
    places after a = b or a = b + n − r; their precisions sum to r + (f − a)·(H(a+r) − H(a)).
    """
    groups = _groups(judged, None, f"mAP, ties at their {order}")
    start = groups.before + (groups.size - groups.right if order == "worst" else 0)
    sums = groups.right + (groups.found - start) * _harmonic_between(start, start + groups.right)
    return _over_relevant(judged, groups.summed(sums))


def average_precision_at_r(judged: Judged) -> Floats:
    """Return for Q queries the average precision over the first R places, R the number of its right photos.

    mAP@R of Musgrave, Belongie & Lim, A Metric Learning Reality Check (ECCV 2020): the precisions at the
    right ones of the first R places, summed and divided by R.
    """
    groups = _groups(judged, judged.relevant, "mAP@R")
    return _over_relevant(judged, groups.summed(groups.precisions()))


def r_precision(judged: Judged) -> Floats:
    """Return for Q queries the share of right photos among the first R places, R the number of its right photos."""
    return _over_relevant(judged, _groups(judged, judged.relevant, "R-precision").hits())


def reciprocal_rank(judged: RelevanceMatrix) -> Floats:
    """Return for Q queries one over the place (from 1) of the first right photo. Needs the whole ranking."""
    groups = _groups(judged, None, "MRR")
    return over_answerable(judged, groups.per_query((groups.found == 0) / (groups.before + 1)))


def cmc(judged: RelevanceMatrix, places: int) -> Floats:
    """Return top-k for k = 1 … K, `places`, as a mean over answerable queries: the CMC curve, NaN without any."""
    groups = _groups(judged, places, f"the CMC curve to place {places}")
    firsts = np.bincount(groups.before[groups.found == 0], minlength=places)
    known = int(judged.answerable.sum())
    return np.cumsum(firsts) / known if known else np.full(places, np.nan)


def precision_recall_curve(judged: RelevanceMatrix, points: int = 101) -> tuple[Floats, Floats]:
    """Return recall levels from 0 to 1 and the mean interpolated precision at each over answerable queries.

    A query's interpolated precision at recall r is its best precision at any place where its recall is
    r or more (Manning, Raghavan & Schütze 2008, section 8.4; TREC's curve with 11 points). Both arrays
    have length `points`, at least 2; the precisions are NaN without such a query.
    """
    if points < 2:
        raise ValueError(f"a curve has at least 2 points, not {points}")
    groups = _groups(judged, None, "the precision-recall curve")
    starts = np.searchsorted(groups.query, np.arange(len(judged) + 1))
    precisions = groups.precisions()
    total, known = np.zeros(points), np.flatnonzero(judged.answerable)
    for query in known:
        at = slice(starts[query], starts[query + 1])
        best = np.zeros(int(judged.relevant[query]))  # a recall never reached has precision 0
        best[: at.stop - at.start] = np.maximum.accumulate(precisions[at][::-1])[::-1]
        # The right photo that reaches recall i/(points−1), in whole numbers: no rounding decides it.
        wanted = -(-np.arange(points) * len(best) // (points - 1))
        total += best[np.maximum(wanted, 1) - 1]
    return np.linspace(0, 1, points), total / len(known) if len(known) else np.full(points, np.nan)


RETRIEVAL_METRICS: Mapping[str, Callable[[RelevanceMatrix], Floats]] = MappingProxyType(
    {
        "top-1": partial(hit_at, k=1),
        "top-5": partial(hit_at, k=5),
        "top-10": partial(hit_at, k=10),
        "mAP": average_precision,
        "mAP (trapezoid)": partial(average_precision, rule="trapezoid"),
        "mAP@R": average_precision_at_r,
        "R-precision": r_precision,
        "MRR": reciprocal_rank,
        "precision@10": partial(precision_at, k=10),
        "recall@10": partial(recall_at, k=10),
    }
)


def retrieval_figures(judged: RelevanceMatrix, *, rounds: int = ROUNDS) -> list[Estimate]:
    """Return every retrieval figure, a mean over the queries with a relevant photo, with its interval over people.

    A figure that the ranking is too short for has no value, and its note says so.
    """
    figures = []
    for name, metric in RETRIEVAL_METRICS.items():
        try:
            figures.append(mean_figure(name, metric(judged), judged.groups, rounds=rounds))
        except FacematchError as error:  # too short a ranking; its message is what the reader needs to know
            figures.append(Estimate(name, None, None, 0, 0, f"insufficient data: {error.message}"))
    return figures


def over_answerable(judged: Judged, values: ArrayLike) -> Floats:
    """Return Q values, NaN for every query without a right photo: it defines no figure and leaves the mean."""
    return np.where(judged.answerable, np.asarray(values, dtype=np.float64), np.nan)


@dataclass(frozen=True, eq=False)
class _Groups:
    # Every group with right photos and places within the first k, in order: whose it is (`query`), its `column`,
    # b (`before`), f (`found`), n (`size`), r (`right`), m (`taken`). They are far fewer than places.
    judged: Judged
    query: Ints
    column: Ints
    before: Ints
    found: Ints
    size: Ints
    right: Ints
    taken: Ints

    def at(self, rows: Ints | NDArray[np.bool_]) -> "_Groups":
        columns = (self.query, self.column, self.before, self.found, self.size, self.right, self.taken)
        return _Groups(self.judged, *(each[rows] for each in columns))

    def per_query(self, values: ArrayLike) -> Floats:
        return np.bincount(self.query, weights=values, minlength=len(self.judged)).astype(np.float64)

    def hits(self) -> Floats:
        # The expected right photos of each query, m·r/n of a group: the mean of the hypergeometric.
        return self.per_query(self.taken * self.right / self.size)

    def precisions(self, rule: Rule = "plain", own: int = 1) -> Floats:
        # The precisions at (`own` 1), or just before (0), the right ones of each group's m places, summed. Expected:
        # (r/n)·[(F − s·B)·(H(B+m−1) − H(B−1)) + s·m], F = f + own, B = b + own, s = (r−1)/(n−1): a place is right with
        # chance r/n, each before it in the group then with chance s (McSherry & Najork 2008, in closed form).
        if rule == "trapezoid":
            return (self.precisions(own=0) + self.precisions()) / 2
        found, place = self.found + own, self.before + own
        if not isinstance(self.judged, TieGroups):  # the same number, rounded as results that are kept have it
            return np.where(place > 0, found / np.maximum(place, 1), 1.0)
        slope = (self.right - 1) / np.maximum(self.size - 1, 1)
        harmonic = _harmonic_between(place - 1, place + self.taken - 1)
        sums = (found - slope * place) * harmonic + slope * self.taken + (1 - slope) * (place == 0)
        return np.asarray(self.right / self.size * sums)

    def summed(self, precisions: Floats) -> Floats:
        # Each query's sum; of tie groups NumPy's of a row, which rounds as results that are kept have it.
        if not isinstance(self.judged, TieGroups):
            return self.per_query(precisions)
        cells = np.zeros(self.judged.sizes.shape)
        cells[self.query, self.column] = precisions
        return np.asarray(cells.sum(axis=1))


def _groups(judged: Judged, places: int | Ints | None, what: str) -> _Groups:
    # The groups within the first `places`: one number for all queries, Q, or None for whole rankings.
    if isinstance(places, int) and places < 1:
        raise ValueError(f"{what}: places count from 1")
    query, column = np.nonzero(judged.right)
    if isinstance(judged, TieGroups):
        size, right = judged.sizes[query, column], judged.right[query, column]
        before = np.cumsum(judged.sizes, axis=1)[query, column] - size
    else:
        judged.require_places(places, what)
        before, size, right = column, np.ones_like(query), np.ones_like(query)
    found = np.cumsum(right) - right
    found -= found[np.searchsorted(query, np.arange(len(judged)))[query]]
    groups = _Groups(judged, query, column, before, found, size, right, taken=size)
    if places is None:
        return groups
    taken = np.clip(np.broadcast_to(places, len(judged))[query] - before, 0, size)
    return replace(groups, taken=taken).at(taken > 0)


def _over_found(groups: _Groups, k: int, rule: Rule) -> Floats:
    cut = groups.before + groups.taken == k  # the group that place k cuts or ends, at most one a query
    sums = groups.summed(np.where(cut, 0, groups.precisions(rule)))
    values = sums / np.maximum(groups.per_query(np.where(cut, 0, groups.right)), 1)
    hits = np.arange(1 + np.minimum(groups.taken, groups.right)[cut].max(initial=0))
    for rows in np.array_split(np.flatnonzero(cut), 1 + np.count_nonzero(cut) * len(hits) // _CELLS):
        part = groups.at(rows[:, None])
        # Given h hits, the first m places of the cut group are themselves a group of m with h right ones.
        inside = replace(part, size=part.taken, right=hits).precisions(rule)
        chance = _hypergeometric(part.size, part.right, part.taken, hits)
        values[part.query[:, 0]] = (chance * (sums[part.query] + inside) / np.maximum(part.found + hits, 1)).sum(axis=1)
    return values


def _over_relevant(judged: Judged, sums: Floats, most: int | None = None) -> Floats:
    reachable = judged.relevant if most is None else np.minimum(judged.relevant, most)
    return over_answerable(judged, sums / np.maximum(reachable, 1))


def _harmonic_between(low: Ints, high: Ints) -> Floats:
    # 1/(low+1) + … + 1/high.
    table = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, high.max(initial=0) + 1))])
    return np.asarray(table[high] - table[low])


def _hypergeometric(size: Ints, right: Ints, taken: Ints, hits: Ints | int) -> Floats:
    # The chance that `hits` of `taken` photos, drawn from `size` without putting back, are of the `right` ones.
    log_factorial = np.fromiter(map(math.lgamma, range(1, int(size.max(initial=0)) + 2)), dtype=np.float64)

    def log_choose(n: Ints, k: Ints) -> Floats:
        return np.asarray(log_factorial[n] - log_factorial[k] - log_factorial[n - k])

    wrong, missed = size - right, taken - hits
    possible = (hits <= right) & (missed >= 0) & (missed <= wrong)
    ways = log_choose(right, np.minimum(hits, right)) + log_choose(wrong, np.clip(missed, 0, wrong))
    return np.where(possible, np.exp(ways - log_choose(size, taken)), 0.0)
