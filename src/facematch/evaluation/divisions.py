"""Who asks whom, told by names alone: the same queries and gallery for every system, whatever each can embed.

A photo that a system cannot embed is that system's own loss: in its gallery the photo stands behind all others,
and a query that it cannot embed counts as wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.folds import make_folds
from facematch.evaluation.relevance import RelevanceMatrix, pooled, relevance_matrix
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, distance_estimator

FAR = float(np.finfo(np.float32).max)  # behind every photo that was embedded

# Ranks a gallery for queries: with query, gallery, how many places, and whom each gallery photo shows, if known.
Rank = Callable[[Embeddings, Embeddings, int, Mapping[str, str] | None], Ranking]


@dataclass(frozen=True, eq=False)
class Division:
    """Q names that ask and G that answer; for each query the right gallery names and whom it shows.

    A name on both sides never answers itself.
    """

    asks: tuple[str, ...]
    answers: tuple[str, ...]
    relevant: tuple[frozenset[str], ...]
    people: tuple[str, ...]

    @property
    def leave_one_out(self) -> bool:
        """Return whether queries stand in the gallery."""
        return not set(self.asks).isdisjoint(self.answers)


def divide_by_people(asks: Sequence[str], answers: Sequence[str], shown: Mapping[str, str]) -> Division:
    """Return the division in which every other photo of a query's person is right; `shown` says whom each shows."""
    photos: dict[str, set[str]] = {}
    for name in answers:
        photos.setdefault(shown[name], set()).add(name)
    relevant = tuple(frozenset(photos.get(shown[name], set()) - {name}) for name in asks)
    return Division(tuple(asks), tuple(answers), relevant, tuple(shown[name] for name in asks))


def leave_one_out_division(names: Sequence[str], shown: Mapping[str, str], asked: Sequence[bool]) -> Division:
    """Every asked photo asks all others in turn; one whose person has no other photo does not ask."""
    whole = divide_by_people([name for name, asks in zip(names, asked, strict=True) if asks], names, shown)
    mated = [name for name, right in zip(whole.asks, whole.relevant, strict=True) if right]
    return divide_by_people(mated, names, shown)


def fold_divisions(names: Sequence[str], shown: Mapping[str, str], asked: Sequence[bool]) -> tuple[Division, ...]:
    """Every asked photo asks once, in one of five folds (`folds.make_folds`)."""
    # Folds are drawn from names; there is nothing embedded yet.
    placeholder = Embeddings(tuple(names), np.zeros((len(names), 1), np.float32), "euclidean", Fingerprint())
    folds = make_folds(placeholder, [shown[name] for name in names], asked)
    return tuple(divide_by_people(fold.query.names, fold.gallery.names, shown) for fold in folds)


def rank_division(embeddings: Embeddings, rank: Rank, division: Division, known: Mapping[str, str] | None) -> Ranking:
    """Return the whole ranking of a division's photos that were embedded; the others are in none of it."""
    row = {name: number for number, name in enumerate(embeddings.names)}
    query, gallery = (
        embeddings.at([row[name] for name in side if name in row]) for side in (division.asks, division.answers)
    )
    if not len(query) or not len(gallery):
        empty = np.zeros((0, 0))
        return Ranking((), (), empty.astype(np.int64), empty.astype(np.float32), embeddings.metric)
    if division.leave_one_out:
        return distance_estimator(query, gallery, len(gallery), exclude_same_name=True)
    return rank(query, gallery, len(gallery), known)


def completed(ranking: Ranking, division: Division) -> Ranking:
    """Return the ranking of all queries and answers of a division: what was not ranked stands behind all, at FAR."""
    answers = division.answers
    number = {name: place for place, name in enumerate(answers)}
    moved = np.array([number[name] for name in ranking.gallery], dtype=np.int64)
    row_of = {name: row for row, name in enumerate(ranking.queries)}
    by_name = np.array(sorted(range(len(answers)), key=answers.__getitem__), dtype=np.int64)
    indices = np.full((len(division.asks), len(answers)), -1, dtype=np.int64)
    distances = np.full(indices.shape, np.inf, dtype=np.float32)
    for row, name in enumerate(division.asks):
        found = ranking.indices[row_of[name]] if name in row_of else np.zeros(0, np.int64)
        near = moved[found[found >= 0]]
        behind = by_name[~np.isin(by_name, [*near, number.get(name, -1)])]
        indices[row, : len(near) + len(behind)] = np.concatenate([near, behind])
        if len(near):
            distances[row, : len(near)] = ranking.distances[row_of[name], : len(near)]
        distances[row, len(near) : len(near) + len(behind)] = FAR
    return Ranking(division.asks, answers, indices, distances, ranking.metric)


def judge_divisions(
    rankings: Sequence[Ranking], divisions: Sequence[Division]
) -> tuple[RelevanceMatrix, NDArray[np.bool_]]:
    """Return all queries of all divisions, judged, and which of them were not ranked."""
    parts, lost = [], []
    for ranking, division in zip(rankings, divisions, strict=True):
        there = set(ranking.queries)
        lost += [name not in there for name in division.asks]
        parts.append(
            relevance_matrix(
                completed(ranking, division),
                division.relevant,
                division.people,
                exclude_same_name=division.leave_one_out,
            )
        )
    return pooled(parts), np.array(lost, dtype=np.bool_)
