"""The map of embeddings: who lies together there lies together on it."""

import numpy as np
import pytest

from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.tasks.report.embedding_map import map_embeddings


def embeddings(vectors: np.ndarray, metric: str = "euclidean") -> Embeddings:
    return Embeddings(tuple(f"{i:04d}" for i in range(len(vectors))), vectors.astype(np.float32), metric, Fingerprint())


def clusters(seed: int = 0, each: int = 12, count: int = 5, dimensions: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(count), each)
    centres = 8 * rng.standard_normal((count, dimensions))
    return centres[who] + rng.standard_normal((len(who), dimensions)), who


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_people_who_lie_together_do_so_on_the_map(metric: str) -> None:
    vectors, who = clusters()
    if metric == "cosine":  # lengths say nothing
        vectors *= np.random.default_rng(1).uniform(0.01, 100, (len(vectors), 1))
    drawn = map_embeddings(embeddings(vectors, metric))
    assert drawn is not None
    apart = np.linalg.norm(drawn.points[:, None] - drawn.points[None], axis=2) + np.eye(len(who)) * 9
    assert (who[apart.argmin(axis=1)] == who).all()
    assert "perplexity 19.7" in drawn.method


def test_it_lies_in_the_unit_square_and_is_made_again_alike() -> None:
    given = embeddings(clusters()[0])
    first, second = map_embeddings(given), map_embeddings(given)
    assert first is not None
    assert second is not None
    assert (first.points == second.points).all()
    assert first.points.min() == pytest.approx(0)
    assert np.ptp(first.points, axis=0).max() == pytest.approx(1)
    assert first.points.max() <= 1 + 1e-9
    assert first.names == given.names


def test_too_many_photos_are_drawn_by_lot() -> None:
    given = embeddings(clusters()[0])
    drawn = map_embeddings(given, most=20)
    assert drawn is not None
    assert (len(drawn.names), drawn.left_out) == (20, 40)
    assert list(drawn.names) == sorted(set(drawn.names))
    other = map_embeddings(given, most=20, seed=1)
    assert other is not None
    assert other.names != drawn.names


@pytest.mark.parametrize(("count", "dimensions"), [(5, 1), (5, 3), (6, 200), (7, 2)])
def test_few_photos_and_few_dimensions_make_a_map_too(count: int, dimensions: int) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, dimensions))
    drawn = map_embeddings(embeddings(vectors))
    assert drawn is not None
    assert drawn.points.shape == (count, 2)
    assert np.isfinite(drawn.points).all()


def test_where_there_is_nothing_to_map() -> None:
    assert map_embeddings(embeddings(np.ones((4, 3)))) is None
    assert map_embeddings(embeddings(np.ones((0, 3)))) is None
    for metric, lengths in (("euclidean", np.ones(9)), ("cosine", np.arange(1, 10))):
        drawn = map_embeddings(embeddings(np.ones((9, 3)) * lengths[:, None], metric))
        assert drawn is not None
        assert (drawn.points == 0.5).all()
        assert drawn.method == "all embeddings are equal"
