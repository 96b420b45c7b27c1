"""The retrieval figures: top-k, precision and recall at k, mAP in its several definitions, R-precision, MRR.

Everything is computed from a judged ranking, one number a query. Queries without a right photo in the
gallery define none of them: they are NaN and leave every mean. Order among equal distances is that of
the ranking, by name; `relevance_matrix` with `ties="worst"` and `ties="best"` bounds what another order could give.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, Ints, mean_figure
from facematch.evaluation.relevance import RelevanceMatrix

Rule = Literal["plain", "trapezoid"]


def hit_at(judged: RelevanceMatrix, k: int) -> Floats:
    """Return for Q queries whether a right photo stands among the first k, 1 or 0: CMC at rank k, also called top-k."""
    require_places(judged, k, f"top-{k}")
    hits = _hits(judged).within(k)
    return _over_answerable(judged, (hits.per_query() > 0).astype(np.float64))


def precision_at(judged: RelevanceMatrix, k: int) -> Floats:
    """Return for Q queries the right photos among the first k, divided by k.

    This is the textbook definition (Manning, Raghavan & Schütze 2008, section 8.4): k divides even where
    fewer than k photos are right, so the ideal is min(relevant, k)/k and not 1.
    """
    require_places(judged, k, f"precision@{k}")
    return _over_answerable(judged, _hits(judged).within(k).per_query() / k)


def recall_at(judged: RelevanceMatrix, k: int) -> Floats:
    """Return for Q queries the right photos among the first k, divided by all right photos of the gallery."""
    require_places(judged, k, f"recall@{k}")
    return _over_relevant(judged, _hits(judged).within(k).per_query())


def average_precision(judged: RelevanceMatrix, rule: Rule = "plain") -> Floats:
    """Return for Q queries the average precision over the whole ranking, divided by *all* right photos of the gallery.

    `plain` averages the precision at each right place (Manning, Raghavan & Schütze 2008, section 8.4);
    `trapezoid` the mean of the precisions just before and at it, the precision before the first place
    being 1: the area that ROxford's published evaluator sums (Radenović et al. 2018).

    Raises FacematchError when the ranking does not hold the whole gallery.
    """
    judged.require_complete("mAP" if rule == "plain" else f"mAP ({rule})")
    hits = _hits(judged)
    heights = hits.found / hits.place
    if rule == "trapezoid":
        before = np.where(hits.place > 1, (hits.found - 1) / np.maximum(hits.place - 1, 1), 1.0)
        heights = (before + heights) / 2
    return _over_relevant(judged, hits.per_query(heights))


def average_precision_at_r(judged: RelevanceMatrix) -> Floats:
    """Return for Q queries the average precision over the first R places, R the number of its right photos.

    mAP@R of Musgrave, Belongie & Lim, A Metric Learning Reality Check (ECCV 2020): the precisions at the
    right ones of the first R places, summed and divided by R.
    """
    require_places(judged, judged.relevant, "mAP@R")
    hits = _hits(judged).within(judged.relevant)
    return _over_relevant(judged, hits.per_query(hits.found / hits.place))


def r_precision(judged: RelevanceMatrix) -> Floats:
    """Return for Q queries the share of right photos among the first R places, R the number of its right photos."""
    require_places(judged, judged.relevant, "R-precision")
    return _over_relevant(judged, _hits(judged).within(judged.relevant).per_query())


def reciprocal_rank(judged: RelevanceMatrix) -> Floats:
    """Return for Q queries one over the place (from 1) of the first right photo. Needs the whole ranking."""
    judged.require_complete("MRR")
    hits = _hits(judged)
    return _over_answerable(judged, hits.per_query((hits.found == 1) / hits.place))


def cmc(judged: RelevanceMatrix, places: int) -> Floats:
    """Return top-k for k = 1 … K, `places`, as a mean over answerable queries: the CMC curve, NaN without any."""
    require_places(judged, places, f"the CMC curve to place {places}")
    hits = _hits(judged).within(places)
    firsts = np.bincount(hits.place[hits.found == 1] - 1, minlength=places)
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
    judged.require_complete("the precision-recall curve")
    hits = _hits(judged)
    starts = np.searchsorted(hits.query, np.arange(len(judged) + 1))
    total, known = np.zeros(points), np.flatnonzero(judged.answerable)
    for query in known:
        at = slice(starts[query], starts[query + 1])
        best = np.zeros(int(judged.relevant[query]))  # a recall never reached has precision 0
        best[: at.stop - at.start] = np.maximum.accumulate((hits.found[at] / hits.place[at])[::-1])[::-1]
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


def require_places(judged: RelevanceMatrix, places: int | Ints, what: str) -> None:
    """Raise FacematchError when a row ends before `places` (one for all, or Q) though its gallery goes on.

    A whole ranking is always long enough, also of a gallery with fewer photos than that.
    """
    if isinstance(places, int) and places < 1:
        raise ValueError(f"{what}: places count from 1")
    there = np.isfinite(judged.distances).sum(axis=1)
    wanted = np.minimum(places, judged.relevant + judged.wrong)
    if (there < wanted).any():
        row = int(np.flatnonzero(there < wanted)[0])
        raise FacematchError(
            f"{what} needs the first {int(wanted[row])} photos of every ranking; "
            f"that of {judged.queries[row]} ends after {int(there[row])}.",
            f"Rank with a larger k, {int(wanted.max())} or more.",
        )


@dataclass(frozen=True, eq=False)
class _Hits:
    # Every right photo of every ranking, in order: whose (`query`), at which `place` (from 1), and how many
    # right ones there are up to it (`found`). There are far fewer than places, so nothing is Q×k but `right`.
    query: NDArray[np.int64]
    place: NDArray[np.int64]
    found: NDArray[np.int64]
    queries: int

    def within(self, places: int | Ints) -> "_Hits":
        kept = self.place <= (places if np.ndim(places) == 0 else np.asarray(places)[self.query])
        return _Hits(self.query[kept], self.place[kept], self.found[kept], self.queries)

    def per_query(self, values: Floats | None = None) -> Floats:
        # Sums of the values, or the number of hits, for each query.
        return np.bincount(self.query, weights=values, minlength=self.queries).astype(np.float64)


def _hits(judged: RelevanceMatrix) -> _Hits:
    query, column = np.nonzero(judged.right)
    first = np.searchsorted(query, np.arange(len(judged)))
    return _Hits(query, column + 1, np.arange(len(query)) - first[query] + 1, len(judged))


def _over_relevant(judged: RelevanceMatrix, sums: Floats) -> Floats:
    return _over_answerable(judged, sums / np.maximum(judged.relevant, 1))


def _over_answerable(judged: RelevanceMatrix, values: Floats) -> Floats:
    return np.where(judged.answerable, values, np.nan)
