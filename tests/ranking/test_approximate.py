"""Approximate indexes over vectors: right distances, known recall, nothing twice."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.ranking import ranking
from facematch.ranking.choice import measured_recall
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import distance_estimator
from facematch.settings.ranking import IndexKind


def people(count: int, seed: int, prefix: str) -> Embeddings:
    """Photos of 100 people in turn, of 24 numbers."""
    centres = np.random.default_rng(0).normal(size=(100, 24))
    vectors = centres[np.arange(count) % 100] + np.random.default_rng(seed).normal(scale=0.5, size=(count, 24))
    names = tuple(f"{prefix}{number:05d}" for number in range(count))
    return Embeddings(names, vectors.astype(np.float32), "cosine", Fingerprint())


def exactly(
    query: Embeddings, gallery: Embeddings, metric: Metric
) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    return lambda rows: distance_estimator(query.at(rows.tolist()), gallery, 10, metric).distances


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("index", ["hnsw", "ivf-pq"])
def test_nearly_all_are_found_with_their_right_distances(index: IndexKind, metric: Metric) -> None:
    query, gallery = people(150, 1, "q"), people(3000, 2, "g")
    found = distance_estimator(query, gallery, 10, metric, index=index)
    whole = distance_estimator(query, gallery, len(gallery), metric)
    for row in range(len(query)):
        assert len(set(found.indices[row].tolist())) == 10
        place = {number: position for position, number in enumerate(whole.indices[row].tolist())}
        right = [whole.distances[row][place[number]] for number in found.indices[row].tolist()]
        np.testing.assert_array_equal(found.distances[row], right)
    assert measured_recall(found.distances, exactly(query, gallery, metric)).value >= 0.95


@pytest.mark.parametrize("index", ["hnsw", "ivf-pq"])
def test_a_photo_is_not_its_own_hit(index: IndexKind) -> None:
    gallery = people(2000, 3, "g")
    found = distance_estimator(gallery.at(range(50)), gallery, 10, index=index, exclude_same_name=True)
    assert not (found.indices == np.arange(50)[:, None]).any()
    assert (found.indices >= 0).all()


def test_where_an_index_finds_too_few_everything_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery = people(30, 4, "q"), people(2000, 5, "g")
    search = ranking.near_by_index

    def forgetful(*sides: NDArray[np.float32], **_: object) -> NDArray[np.int64]:
        found = search(*sides)  # type: ignore[arg-type]
        found[::2, -1] = -1
        return found

    monkeypatch.setattr(ranking, "near_by_index", forgetful)
    found = distance_estimator(query, gallery, 10, index="hnsw")
    exact = distance_estimator(query, gallery, 10)
    np.testing.assert_array_equal(found.indices[::2], exact.indices[::2])


@pytest.mark.parametrize("width", [7, 128])
def test_cells_of_any_width(width: int) -> None:
    vectors = np.random.default_rng(6).normal(size=(1200, width)).astype(np.float32)
    gallery = Embeddings(tuple(str(number) for number in range(1200)), vectors, "euclidean", Fingerprint())
    found = distance_estimator(gallery.at(range(20)), gallery, 5, index="ivf-pq")
    assert found.names(7)[0] == "7"
