"""The tie-aware mean average precision of embeddings with labels: one number, whatever the metric."""

from collections.abc import Sequence

import numpy as np

from facematch.evaluation.expected_ties import expected_average_precision
from facematch.evaluation.relevance import relevance_matrix
from facematch.evaluation.tie_groups import TieGroups, groups_of_codes, groups_of_judged
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator


def tied_between(
    query: Embeddings,
    gallery: Embeddings,
    asked: Sequence[str],
    shown: Sequence[str],
    own: Sequence[int] | None = None,
) -> TieGroups:
    """Return how many gallery photos, and right ones, stand at each distance of every query.

    `asked` and `shown` say whom each photo of the two sides shows; `own` is the row of each query's photo in
    the gallery, −1 for none. Codes are counted, vectors ranked as a whole.
    """
    if query.packed and gallery.packed:
        return groups_of_codes(query.vectors, gallery.vectors, asked, shown, own=own, queries=query.names)
    ranking = distance_estimator(query, gallery, len(gallery))
    names: dict[str, set[str]] = {}
    for name, who in zip(gallery.names, shown, strict=True):
        names.setdefault(who, set()).add(name)
    ignored = None if own is None else [{gallery.names[row]} if row >= 0 else set() for row in own]
    return groups_of_judged(relevance_matrix(ranking, [names.get(who, set()) for who in asked], asked, ignored=ignored))


def tied_among(embeddings: Embeddings, identities: Sequence[str], asked: Sequence[bool]) -> TieGroups:
    """Return the same for labelled photos of which every asked one is a query against all others."""
    rows = np.flatnonzero(asked).tolist()
    return tied_between(embeddings.at(rows), embeddings, [identities[row] for row in rows], identities, rows)


def mean_ap(tied: TieGroups) -> float:
    """Return the mean, over the queries with a right photo, of the expected average precision; 0 without any.

    Over whole rankings, divided by all right photos; the expectation is over every order of photos at equal
    distance (`expected_ties`).
    """
    precisions = expected_average_precision(tied)
    return float(np.nanmean(precisions)) if tied.mated.any() else 0.0
