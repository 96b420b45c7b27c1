"""Tie-aware figures: mAP as one number, and all of them in one list, with what lies within Hamming radius 2."""

import numpy as np

from facematch.evaluation.bootstrap import ROUNDS, Estimate, mean_figure
from facematch.evaluation.expected_ties import (
    expected_average_precision,
    expected_hit_at,
    expected_precision_at,
    map_figures,
)
from facematch.evaluation.hamming_radius import empty_ball, precision_within
from facematch.evaluation.task import RetrievalTask
from facematch.evaluation.tie_groups import TieGroups, task_ties
from facematch.ranking.embeddings import Embeddings

RADIUS = 2  # of hash look-up, as it is usually reported


def tied_figures(tied: TieGroups, *, rounds: int = ROUNDS, seed: int = 0) -> list[Estimate]:
    """Return mAP in every published definition, top-1, precision@10 and the figures of hash look-up.

    All but those within the radius are expected values over every order of photos at equal distance. mAP is
    also cut at 1000 places, or at 100 or 10 where the gallery is no larger.
    """
    photos = int(tied.sizes.sum(axis=1).max(initial=0))
    shorter = next((k for k in (1000, 100) if k < photos), 10)
    each = {
        "top-1": expected_hit_at(tied, 1),
        "precision@10": expected_precision_at(tied, 10),
        f"precision within radius {RADIUS}": precision_within(tied, RADIUS),
        f"queries with nothing within radius {RADIUS}": empty_ball(tied, RADIUS),
    }
    return [
        *map_figures(tied, shorter, rounds=rounds, seed=seed),
        *(mean_figure(name, values, tied.groups, rounds=rounds, seed=seed) for name, values in each.items()),
    ]


def mean_ap(task: RetrievalTask, embeddings: Embeddings) -> float:
    """Return the mean expected average precision of a labelled task's queries that have a right photo; 0 without any.

    Over whole rankings, divided by all right photos; the expectation is over every order of photos at equal distance
    (`expected_ties`). Vectors are ranked in blocks of queries, so that no Q×N array is held.
    """
    parts = [task] if embeddings.packed else task.blocks()
    values = np.concatenate([[np.nan], *(expected_average_precision(task_ties(each, embeddings)) for each in parts)])
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))
