"""Rankings for tests: ideal, random and with ties, and the plain loops their figures are checked against."""

from collections.abc import Sequence

import numpy as np

from facematch.evaluation.relevance import RelevanceMatrix, Ties, relevance_matrix
from facematch.ranking.ranking import Ranking


def ranked(distances: np.ndarray, k: int | None = None) -> Ranking:
    """A ranking by (distance, name) of Q×N distances, cut at k."""
    queries, photos = distances.shape
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return Ranking(
        tuple(f"q{i:03}" for i in range(queries)),
        tuple(f"g{i:03}" for i in range(photos)),
        order.astype(np.int64),
        np.take_along_axis(distances, order, 1).astype(np.float32),
        "euclidean",
    )


def judged_by_identity(
    distances: np.ndarray, shown: Sequence[int], gallery: Sequence[int], k: int | None = None, ties: Ties = "name"
) -> RelevanceMatrix:
    """Judge a ranking whose queries show `shown` and whose gallery photos show `gallery`."""
    relevant = [frozenset(f"g{i:03}" for i, person in enumerate(gallery) if person == asked) for asked in shown]
    return relevance_matrix(ranked(distances, k), relevant, [f"p{person}" for person in shown], ties=ties)


def random_judged(
    seed: int, queries: int, photos: int, *, people: int = 4, levels: int = 5, k: int | None = None
) -> RelevanceMatrix:
    """A random model on a few people, with ties among `levels` distances; some people are not in the gallery."""
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, levels, (queries, photos)).astype(np.float32)
    return judged_by_identity(
        distances, rng.integers(0, people + 1, queries).tolist(), rng.integers(0, people, photos).tolist(), k
    )


def rows(judged: RelevanceMatrix) -> list[tuple[list[bool], int]]:
    """Each query's places, those past the end left out, and how many photos are relevant to it."""
    return [
        ([bool(r) for r, d in zip(right, distances, strict=True) if np.isfinite(d)], int(relevant))
        for right, distances, relevant in zip(judged.right, judged.distances, judged.relevant, strict=True)
    ]
