"""Thresholds that follow the gallery: stricter or looser where its photos lie close together (CSoNet 2024).

A gallery photo g is accepted when its distance ≤ T_g = T + w·(m_g − M), where m_g is the mean distance of g
to its n nearest other gallery photos and M the mean of all m_g; w = 0 is the static threshold. The paper gives
neither n, T nor the sign of w, so all three are tuned; nor does it say whose neighbourhood is meant when a
query asks, so both readings are here: each gallery photo's own, and the query's among the gallery.

M and the m_g belong to a gallery and are computed from it alone: a query's answer never depends on the
queries that came along. What is tuned on validation people is a `DynamicRule`; `on` a gallery it becomes a
`DynamicThreshold`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import RelevanceMatrix, stacked
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, distance_estimator
from facematch.thresholds.static import basis_of, best_threshold
from facematch.thresholds.values import Basis, Floats

Of = Literal["gallery", "query"]

NEIGHBOURS = (1, 2, 3, 5, 10, 20)
WEIGHTS = (0.0, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.5, -0.5, 0.75, -0.75, 1.0, -1.0, 1.5, -1.5, 2.0, -2.0)
_ROUNDING = 1e-12  # d − w·a and T + w·a are rounded apart by less than this share of the largest distance
_BETTER = 1e-9


@dataclass(frozen=True)
class DynamicRule:
    """T, w and n as tuned on validation people: `distance`, `weight`, `neighbours`.

    `of` says whose neighbourhood m is: that of each `gallery` photo, or that of the `query`. With `squared`
    all of it, T, m and M, is in squared distances, as FAISS's `IndexFlatL2` returns them. `f1` is the macro-F1
    on the queries it was tuned on, which flatters it.
    """

    distance: float
    weight: float
    neighbours: int
    of: Of
    squared: bool
    f1: float
    basis: Basis

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"a neighbourhood has at least 1 photo, not {self.neighbours}")
        if self.squared and self.basis.metric != "euclidean":
            raise ValueError(f"squared distances are Euclidean, not {self.basis.metric}")

    def on(self, gallery: Embeddings) -> "DynamicThreshold":
        """Return the threshold for a gallery, of which all neighbourhoods are computed now.

        Raises FacematchError for a gallery of fewer than n + 1 photos.
        """
        metric = cast(Metric, self.basis.metric)
        means = gallery_neighbourhood(gallery, self.neighbours, metric, squared=self.squared)
        return DynamicThreshold(self, gallery.names, tuple(means.tolist()))


@dataclass(frozen=True)
class DynamicThreshold:
    """A dynamic rule on one gallery: its G names, and the m_g of each."""

    rule: DynamicRule
    gallery: tuple[str, ...]
    neighbourhood: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.gallery or len(self.gallery) != len(self.neighbourhood):
            raise ValueError(f"{len(self.gallery)} gallery photos have {len(self.neighbourhood)} neighbourhoods")

    def limits(self, ranking: Ranking) -> Floats:
        """Return the limit of every place (Q×k), as plain distances; −infinity where no distance is accepted.

        Raises FacematchError for a ranking of another gallery or by another metric, and, for the query's
        neighbourhood, one of fewer than n places.
        """
        self.rule.basis.require(ranking)
        if ranking.gallery != self.gallery:
            raise FacematchError(
                f"this dynamic threshold was fitted on a gallery of {len(self.gallery)} photos; the ranking's, of "
                f"{len(ranking.gallery)}, is another one or in another order.",
                "Fit it on the gallery in use: DynamicRule.on(gallery).",
            )
        rule, means = self.rule, np.array(self.neighbourhood)
        apart = _apart(ranking, means, rule.neighbours, of=rule.of, squared=rule.squared)
        values: Floats = rule.distance + rule.weight * apart
        return np.where(values >= 0, np.sqrt(np.maximum(values, 0)), -np.inf) if rule.squared else values


def gallery_neighbourhood(gallery: Embeddings, n: int, metric: Metric, *, squared: bool = False) -> Floats:
    """Return the mean distance of each of G gallery photos to its n nearest other gallery photos (G).

    Raises FacematchError for a gallery of fewer than n + 1 photos, and for squared distances by a metric
    that is not Euclidean.
    """
    if len(gallery) < n + 1:
        raise FacematchError(
            f"insufficient data: the {n} nearest other photos of each gallery photo need a gallery of at least "
            f"{n + 1}; it has {len(gallery)}.",
            "Use a larger gallery or fewer neighbours.",
        )
    _require_squarable(metric, squared)
    return _mean_nearest(distance_estimator(gallery, gallery, n, metric, exclude_same_name=True), n, squared)


def neighbourhood_adjustments(
    rankings: Sequence[Ranking],
    galleries: Sequence[Embeddings],
    neighbours: Sequence[int] = NEIGHBOURS,
    *,
    of: Of = "gallery",
    squared: bool = False,
) -> dict[int, Floats]:
    """Return m − M of every place for each n: what `fit_dynamic` tunes with, Q×k as `judged.pooled` lays it out.

    `galleries` are the embeddings that the rankings, one for each fold, are of; M is each gallery's own. Tune
    in folds: where a query is in its own gallery (leave-one-out) it would be part of the neighbourhood
    of the very photos it is to find. An n that is too large for one of the galleries is left out.

    Raises FacematchError when that leaves none, as `gallery_neighbourhood` for re-ranked distances, and
    ValueError for a gallery that is not the ranking's.
    """
    if not rankings or [ranking.gallery for ranking in rankings] != [gallery.names for gallery in galleries]:
        raise ValueError("every ranking comes with the embeddings of its gallery")
    smallest = min(len(gallery) for gallery in galleries)
    fitting = [n for n in neighbours if n < smallest] or [min(neighbours)]  # with none, the least says what is missing
    adjustments = {}
    for n in fitting:
        parts = []
        for ranking, gallery in zip(rankings, galleries, strict=True):
            means = gallery_neighbourhood(gallery, n, cast(Metric, ranking.metric), squared=squared)
            apart = _apart(ranking, means, n, of=of, squared=squared)
            parts.append(apart)
        adjustments[n] = stacked(parts)
    return adjustments


def fit_dynamic(
    judged: RelevanceMatrix,
    adjustments: Mapping[int, Floats],
    metric: str,
    *,
    of: Of = "gallery",
    squared: bool = False,
    weights: Sequence[float] = WEIGHTS,
) -> DynamicRule:
    """Return the n, w and T that together have the best macro-F1 on judged whole rankings.

    `adjustments` maps n to m − M of every place (Q×k), made with the same `of` and `squared` by
    `neighbourhood_adjustments`. For each n and w the score d − w·(m − M) is searched for the best T as in
    `static.best_threshold`. Equally good ones go to the smaller |w|, then to the smaller n, then to w > 0;
    w = 0 is always tried, so on these queries the static threshold is never better.

    Raises FacematchError as `static.fit_static`, ValueError for adjustments of another shape (a ranking
    judged with ignored photos has other places: it cannot be tuned on).
    """
    if not adjustments or any(each.shape != judged.distances.shape for each in adjustments.values()):
        raise ValueError("a dynamic threshold is tuned with m − M for every place of the judged ranking")
    _require_squarable(metric, squared)
    distances = _powers(judged.distances, squared)
    reach = float(distances[np.isfinite(distances)].max(initial=0.0))
    tried = product({0.0, *map(float, weights)}, adjustments)
    grid = sorted(tried, key=lambda pair: (abs(pair[0]), pair[1], -pair[0]))
    best: tuple[float, float, float, int] | None = None
    for weight, n in grid:
        if weight == 0 and best is not None:
            continue  # without a weight every neighbourhood is the same
        slack = _ROUNDING * reach if weight else 0.0
        threshold, f1 = best_threshold(judged, distances - weight * adjustments[n], slack)
        if best is None or f1 > best[0] + _BETTER:
            best = (f1, threshold, weight, n)
    assert best is not None
    f1, threshold, weight, n = best
    return DynamicRule(threshold, weight, n, of, squared, f1, basis_of(judged, metric))


def _apart(ranking: Ranking, means: Floats, n: int, *, of: Of, squared: bool) -> Floats:
    # m − M of every place: Q×k. Empty places hold the last photo's, which nothing reads.
    middle = float(np.mean(means))
    if of == "gallery":
        return means[ranking.indices] - middle
    own = _mean_nearest(ranking, n, squared)[:, None]
    return np.broadcast_to(own - middle, ranking.distances.shape)


def _mean_nearest(ranking: Ranking, n: int, squared: bool) -> Floats:
    nearest = ranking.distances[:, :n]
    if nearest.shape[1] < n or not np.isfinite(nearest).all():
        raise FacematchError(
            f"insufficient data: the neighbourhood of a query is its {n} nearest gallery photos, but not every "
            "row of the ranking has as many.",
            "Rank with a larger k, use a larger gallery or fewer neighbours.",
        )
    means: Floats = _powers(nearest, squared).mean(axis=1)
    return means


def _powers(distances: NDArray[np.float32], squared: bool) -> Floats:
    values = distances.astype(np.float64)
    return values**2 if squared else values


def _require_squarable(metric: str, squared: bool) -> None:
    if squared and metric != "euclidean":
        raise FacematchError(
            f"squared distances are those of FAISS's IndexFlatL2, so Euclidean; these are {metric}.",
            "Use plain distances (squared=False), or rank by euclidean.",
        )
