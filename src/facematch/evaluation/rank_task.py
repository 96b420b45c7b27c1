"""The one way to rank a task and to judge its rankings.

A photo that a system cannot embed is either left out (`rank_task`), or that system's own loss (`rank_divisions` and
`judge_task`): in its gallery it stands behind all others, and a query without an embedding finds nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import RelevanceMatrix, pooled, relevance_matrix
from facematch.evaluation.task import Division, RetrievalTask
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, distance_estimator

FAR = float(np.finfo(np.float32).max)  # behind every photo that was embedded

# Ranks a gallery for queries: with query, gallery, how many places, and whom each gallery photo shows, if known.
Rank = Callable[[Embeddings, Embeddings, int, Mapping[str, str] | None], Ranking]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A task's rankings, one for each division, and the relevance of every place.

    Row i of `judged` is the i-th query over all divisions in order.
    """

    task: RetrievalTask
    rankings: tuple[Ranking, ...]
    judged: RelevanceMatrix

    def place(self, row: int) -> tuple[Ranking, int]:
        """Return the ranking a row of `judged` belongs to, and its row there."""
        for ranking in self.rankings:
            if row < len(ranking.queries):
                return ranking, row
            row -= len(ranking.queries)
        raise IndexError(f"there is no row {row} in this evaluation")


def plainly(query: Embeddings, gallery: Embeddings, k: int, people: Mapping[str, str] | None = None) -> Ranking:
    """Rank by the embeddings' own metric, whoever the photos show."""
    return distance_estimator(query, gallery, k)


def rank_task(
    task: RetrievalTask,
    embeddings: Embeddings,
    rank: Rank = plainly,
    k: int | None = None,
    known: Mapping[str, str] | None = None,
) -> Evaluated:
    """Rank and judge a task among its photos that were embedded; arguments as `rank_divisions`.

    Raises FacematchError where no query is left.
    """
    here = task.among(embeddings.names)
    if not here.divisions:
        raise FacematchError(
            "there is no query with a right answer in the gallery, so there is nothing to score.",
            "Validation needs people with at least two readable photos.",
        )
    rankings = rank_divisions(here, embeddings, rank, k, known)
    return Evaluated(here, rankings, judge_task(here, rankings))


def rank_divisions(
    task: RetrievalTask,
    embeddings: Embeddings,
    rank: Rank = plainly,
    k: int | None = None,
    known: Mapping[str, str] | None = None,
) -> tuple[Ranking, ...]:
    """Return the ranking of every division; what was not embedded is in none of it.

    `k` places are ranked for each query, the whole gallery by default. `known` says whom gallery photos show, by
    default as the task knows it. Where photos stand on both sides the ranking is plain, whatever `rank`.
    """
    row_of = {name: row for row, name in enumerate(embeddings.names)}
    rankings = []
    for division in task.divisions:
        query, gallery = (_embedded(embeddings, row_of, side) for side in (division.queries, division.gallery))
        places = len(gallery) if k is None else k
        if not len(query) or not len(gallery):
            empty = np.zeros((0, 0))
            ranking = Ranking((), (), empty.astype(np.int64), empty.astype(np.float32), embeddings.metric)
        elif task.both_sides:
            ranking = distance_estimator(query, gallery, places, exclude_same_name=True)
        else:
            ranking = rank(query, gallery, places, known or task.shown)
        rankings.append(ranking)
    return tuple(rankings)


def judge_task(task: RetrievalTask, rankings: Sequence[Ranking]) -> RelevanceMatrix:
    """Return all queries of all divisions, judged; what a whole ranking lacks stands behind all it has, at FAR."""
    return pooled(
        [
            relevance_matrix(
                _completed(ranking, division), division.relevant, division.identities, ignored=division.ignored
            )
            for ranking, division in zip(rankings, task.divisions, strict=True)
        ]
    )


def not_embedded(task: RetrievalTask, rankings: Sequence[Ranking]) -> NDArray[np.bool_]:
    """Return which queries (Q, over all divisions) are in no ranking."""
    parts = [(set(ranking.queries), division) for ranking, division in zip(rankings, task.divisions, strict=True)]
    return np.array([name not in there for there, division in parts for name in division.queries], dtype=np.bool_)


def _completed(ranking: Ranking, division: Division) -> Ranking:
    # The ranking of all queries and gallery photos of a division.
    if (ranking.queries, ranking.gallery) == (division.queries, division.gallery):
        return ranking
    number = {name: place for place, name in enumerate(division.gallery)}
    moved = np.array([number[name] for name in ranking.gallery], dtype=np.int64)
    row_of = {name: row for row, name in enumerate(ranking.queries)}
    by_name = np.array(sorted(number.values(), key=division.gallery.__getitem__), dtype=np.int64)
    indices = np.full((len(division.queries), len(number)), -1, dtype=np.int64)
    distances = np.full(indices.shape, np.inf, dtype=np.float32)
    for row, name in enumerate(division.queries):
        found = ranking.indices[row_of[name]] if name in row_of else np.zeros(0, np.int64)
        near = moved[found[found >= 0]]
        behind = by_name[~np.isin(by_name, [*near, number.get(name, -1)])]
        indices[row, : len(near) + len(behind)] = np.concatenate([near, behind])
        if len(near):
            distances[row, : len(near)] = ranking.distances[row_of[name], : len(near)]
        distances[row, len(near) : len(near) + len(behind)] = FAR
    return Ranking(division.queries, division.gallery, indices, distances, ranking.metric)


def _embedded(embeddings: Embeddings, row_of: Mapping[str, int], names: tuple[str, ...]) -> Embeddings:
    if names == embeddings.names:
        return embeddings  # without a copy of all vectors
    return embeddings.at([row_of[name] for name in names if name in row_of])
