"""Candidates hold all that is nearer than their bound, at any magnitude and across blocks."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.fingerprint import Fingerprint
from facematch.ranking import flat
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.flat import near
from facematch.ranking.metrics import VECTOR_METRICS, Metric, between
from facematch.ranking.ranking import distance_estimator, prepared

SAME = Fingerprint({"network": "one"})


def side(vectors: np.ndarray, prefix: str) -> Embeddings:
    return Embeddings(tuple(f"{prefix}{i:04d}" for i in range(len(vectors))), vectors, "euclidean", SAME)


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "_ROWS", 7)
    monkeypatch.setattr(flat, "_CELLS", 20)


def check(query: np.ndarray, gallery: np.ndarray, width: int, metric: Metric) -> None:
    asked, shown = side(query, "q"), side(gallery, "g")
    left, right = prepared(asked, metric), prepared(shown, metric)
    positions, bound = near(left, gallery, width, metric)
    exact = between(left[:, None, :], right[None], metric)
    assert positions.shape == (len(query), width)
    for row, found in enumerate(positions.tolist()):
        assert len(set(found)) == width
        outside = np.delete(exact[row], found)
        assert (outside >= bound[row]).all()


@pytest.mark.usefixtures("blocks")
@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(VECTOR_METRICS),
    st.integers(1, 40),
    st.integers(1, 9),
    st.sampled_from([1e-42, 1e-30, 1e-18, 1.0, 1e12, 1e25, 1e37]),
    st.integers(0, 2**32 - 1),
)
def test_nothing_outside_is_nearer_than_the_bound(
    metric: Metric, count: int, width: int, size: float, seed: int
) -> None:
    if metric in ("jaccard", "manhattan"):
        size = 1.0
    rng = np.random.default_rng(seed)
    vectors = (rng.integers(-3, 4, size=(count + 4, 5)) + rng.normal(scale=1e-3, size=(count + 4, 5))) * size
    vectors = vectors.astype(np.float32)
    check(vectors[:4], vectors[4:], min(width, count), metric)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("metric", VECTOR_METRICS)
def test_lengths_that_differ_by_many_magnitudes(metric: Metric) -> None:
    rng = np.random.default_rng(5)
    scale = np.float32(10) ** (np.arange(60) % (16 if metric == "cosine" else 4))[:, None]
    gallery = rng.normal(size=(60, 6)).astype(np.float32) * scale.astype(np.float32)
    check(gallery[::7] * np.float32(1.5), gallery, 9, metric)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("metric", VECTOR_METRICS)
@pytest.mark.parametrize("width", [1, 3, 7, 20])
def test_galleries_in_which_each_block_is_nearer_than_all_before(metric: Metric, width: int) -> None:
    rng = np.random.default_rng(8)
    query = rng.normal(size=(5, 6)).astype(np.float32) + 3
    away = np.linspace(4, 0.01, 90)[:, None]
    gallery = (query[0] + away * rng.normal(size=(90, 6))).astype(np.float32)
    check(query, gallery, width, metric)


@pytest.mark.usefixtures("blocks")
def test_of_equal_vectors_as_many_as_wanted_are_kept() -> None:
    gallery = np.ones((50, 3), np.float32)
    gallery[31:] *= 2
    check(np.ones((4, 3), np.float32), gallery, 9, "euclidean")


def test_most_blocks_are_left_after_their_largest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 0

    def counted(products: np.ndarray, *rest: Any) -> np.ndarray:
        nonlocal rows
        rows += len(products) if products.ndim == 2 else 0
        return order(products, *rest)

    order = flat._order
    monkeypatch.setattr(flat, "_order", counted)
    vectors = np.random.default_rng(0).normal(size=(100 * flat._ROWS + 50, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    near(vectors[:50], vectors[50:], 10, "euclidean")
    assert rows < 50 * 100 / 2


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_embeddings_of_any_size_are_ranked_as_their_multiples(size: float) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    scaled = vectors * np.float32(2.0 ** round(np.log2(size)))
    for metric in ("euclidean", "cosine"):
        plain, other = (
            distance_estimator(side(some[:9], "q"), side(some[9:], "g"), 10, metric) for some in (vectors, scaled)
        )
        np.testing.assert_array_equal(plain.indices, other.indices)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_gallery_is_not_copied(metric: Metric) -> None:
    gallery = side(np.random.default_rng(0).normal(size=(40_000, 256)).astype(np.float32), "g")
    query = gallery.at(range(50))
    tracemalloc.start()
    distance_estimator(query, gallery, 10, metric)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < gallery.vectors.nbytes / 5
