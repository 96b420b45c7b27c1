"""Tie-aware figures: mAP as one number, and all of them in one list, with what lies within Hamming radius 2."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from facematch.evaluation.bootstrap import ROUNDS, Estimate, Floats, Ints, codes_of, mean_figure, statistic_figure
from facematch.evaluation.retrieval import (
    average_precision,
    average_precision_bound,
    hit_at,
    over_answerable,
    precision_at,
)
from facematch.evaluation.task import RetrievalTask
from facematch.evaluation.tie_groups import TieGroups, task_ties
from facematch.ranking.embeddings import Embeddings

RADIUS = 2  # of hash look-up, as it is usually reported


def tied_figures(tied: TieGroups, *, rounds: int = ROUNDS) -> list[Estimate]:
    """Return mAP in every published definition, top-1, precision@10 and the figures of hash look-up.

    All but those within the radius are expected values over every order of photos at equal distance. mAP is
    also cut at 1000 places, or at 100 or 10 where the gallery is no larger.
    """
    photos = int(tied.sizes.sum(axis=1).max(initial=0))
    shorter = next((k for k in (1000, 100) if k < photos), 10)
    each = {
        "top-1": hit_at(tied, 1),
        "precision@10": precision_at(tied, 10),
        f"precision within radius {RADIUS}": precision_within(tied, RADIUS),
        f"queries with nothing within radius {RADIUS}": empty_ball(tied, RADIUS),
    }
    return [
        *map_figures(tied, shorter, rounds=rounds),
        *(mean_figure(name, values, tied.groups, rounds=rounds) for name, values in each.items()),
    ]


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
    over_found = partial(average_precision, k=k, over="found")
    return MappingProxyType(
        {
            "mAP": MapVariant(average_precision),
            "mAP, ties at their worst": MapVariant(partial(average_precision_bound, order="worst")),
            "mAP, ties at their best": MapVariant(partial(average_precision_bound, order="best")),
            f"mAP@{k} over all relevant": MapVariant(partial(average_precision, k=k)),
            f"mAP@{k} over min({k}, relevant)": MapVariant(partial(average_precision, k=k, over="reachable")),
            f"mAP@{k} over found, queries without a hit 0": MapVariant(over_found),
            f"mAP@{k} over found, queries without a hit dropped": MapVariant(over_found, partial(hit_at, k=k)),
        }
    )


def map_figures(tied: TieGroups, k: int = 1000, *, rounds: int = ROUNDS) -> list[Estimate]:
    """Return every definition of mAP over the queries with a right photo, each with its interval over people."""
    return [_figure(name, variant, tied, rounds) for name, variant in map_variants(k).items()]


def mean_ap(task: RetrievalTask, embeddings: Embeddings) -> float:
    """Return the mean expected average precision of a labelled task's queries that have a right photo; 0 without any.

    Over whole rankings, divided by all right photos; the expectation is over every order of photos at equal distance.
    Vectors are ranked in blocks of queries, so that no Q×N array is held.
    """
    parts = [task] if embeddings.packed else task.blocks()
    values = np.concatenate([[np.nan], *(average_precision(task_ties(each, embeddings)) for each in parts)])
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))


def precision_within(tied: TieGroups, radius: float) -> Floats:
    """Return the share of right photos within the radius of each query (Q); an empty ball counts as 0.

    The usual figure of hash look-up, at radius 2: a look-up that finds nothing has failed, so it counts as
    precision 0 and does not leave the mean (P@H=2 of Cao et al., HashNet, ICCV 2017). `empty_ball` says
    how much of a low figure comes from that.
    """
    inside, right = _inside(tied, radius)
    return over_answerable(tied, right / np.maximum(inside, 1))


def empty_ball(tied: TieGroups, radius: float) -> Floats:
    """Return whether no photo at all lies within the radius of each query, 1 or 0 (Q)."""
    return over_answerable(tied, _inside(tied, radius)[0] == 0)


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


def _inside(tied: TieGroups, radius: float) -> tuple[Ints, Ints]:
    # How many photos, and how many right ones, lie within the radius of each query.
    near = tied.distances <= radius
    return np.where(near, tied.sizes, 0).sum(axis=1), np.where(near, tied.right, 0).sum(axis=1)


def _ratio(above: Floats | Ints, below: Floats | Ints) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
