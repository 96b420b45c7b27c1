"""People made up for the tests of thresholds, and the loops their results are checked against."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.relevance import RelevanceMatrix, relevance_matrix
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, distance_estimator


def ranking_of(distances: ArrayLike, metric: str = "euclidean") -> Ranking:
    """A whole ranking by (distance, name) of Q×G distances."""
    given = np.asarray(distances, dtype=np.float32)
    order = np.argsort(given, axis=1, kind="stable")
    queries = tuple(f"q{i:03}" for i in range(given.shape[0]))
    gallery = tuple(f"g{i:03}" for i in range(given.shape[1]))
    return Ranking(queries, gallery, order.astype(np.int64), np.take_along_axis(given, order, 1), metric)


def judged_of(ranking: Ranking, shown: Sequence[int], gallery: Sequence[int]) -> RelevanceMatrix:
    """Judge a ranking whose queries show `shown` and whose gallery photos show `gallery`."""
    right = [{f"g{i:03}" for i, person in enumerate(gallery) if person == who} for who in shown]
    return relevance_matrix(ranking, right, list(shown))


def random_case(
    seed: int, queries: int = 7, photos: int = 6, people: int = 3, levels: int | None = 6
) -> RelevanceMatrix:
    """A random system on a few people, one of them unknown to the gallery, its distances tied among `levels`."""
    rng = np.random.default_rng(seed)
    distances = rng.random((queries, photos)) if levels is None else rng.integers(0, levels, (queries, photos)) / 4
    shown = rng.integers(0, people + 1, queries).tolist()
    return judged_of(ranking_of(distances), shown, rng.integers(0, people, photos).tolist())


def macro_f1(judged: RelevanceMatrix, accepted: np.ndarray) -> float:
    """Macro-F1 in plain loops."""
    total = 0.0
    for row in range(len(judged)):
        tp = fp = 0
        for place in range(judged.right.shape[1]):
            if accepted[row, place] and np.isfinite(judged.distances[row, place]):
                tp += bool(judged.right[row, place])
                fp += not judged.right[row, place]
        fn = int(judged.relevant[row]) - tp
        total += 1.0 if tp + fp + fn == 0 else 2 * tp / (2 * tp + fp + fn)
    return total / len(judged)


def thresholds_between(values: Iterable[float]) -> list[float]:
    """One threshold for each way in which sorted values can be cut, and one at each value."""
    there = sorted(set(values))
    middles = [(a + b) / 2 for a, b in pairwise(there)]
    return [there[0] - 1, *there, *middles, there[-1] + 1]


def people_embeddings(
    people: int, photos: int, *, seed: int = 0, prefix: str = "g", dimensions: int = 6, spread: float = 0.5
) -> tuple[Embeddings, list[int]]:
    """Clusters of photos around a centre for each person, some looser than others; and whom each photo shows.

    The centres depend on `seed` alone, not on `prefix`: with another prefix it is the same people's other photos.
    """
    rng = np.random.default_rng(seed)
    centres, loose = rng.normal(size=(people, dimensions)), rng.uniform(0.3, 1.7, people) * spread
    own = np.random.default_rng([seed, *prefix.encode()])
    who = np.repeat(np.arange(people), photos)
    vectors = centres[who] + loose[who, None] * own.normal(size=(len(who), dimensions))
    names = tuple(f"{prefix}{i:04}" for i in range(len(who)))
    return Embeddings(names, vectors.astype(np.float32), "euclidean", Fingerprint()), who.tolist()


def judged_people(seed: int, people: int = 12, photos: int = 3) -> tuple[Ranking, Embeddings, RelevanceMatrix]:
    """Queries of people of whom every fourth is missing in the gallery: its whole ranking, gallery, judgement."""
    query, shown = people_embeddings(people, 2, seed=seed, prefix="q")
    every, who = people_embeddings(people, photos, seed=seed)
    kept = [i for i, person in enumerate(who) if person % 4]
    gallery = Embeddings(tuple(every.names[i] for i in kept), every.vectors[kept], "euclidean", Fingerprint())
    ranking = distance_estimator(query, gallery, len(gallery))
    right = [{every.names[i] for i in kept if who[i] == person} for person in shown]
    return ranking, gallery, relevance_matrix(ranking, right, shown)
