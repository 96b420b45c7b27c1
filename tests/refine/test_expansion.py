"""Averages over neighbours against plain loops, and where they help and hurt as their docstrings say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import VECTOR_METRICS, Metric
from facematch.ranking.ranking import distance_estimator
from facematch.refine.expansion import augment_database, blend_neighbours, expand_queries


def embeddings(vectors: NDArray[np.floating], prefix: str) -> Embeddings:
    names = tuple(f"{prefix}{i:03d}" for i in range(len(vectors)))
    return Embeddings(names, np.asarray(vectors, dtype=np.float32), "euclidean", Fingerprint())


def naive(own: NDArray[np.float32], others: NDArray[np.float32], near: list[int], alpha: float) -> NDArray[np.float64]:
    total = own.astype(float)
    for i in near:
        other = others[i].astype(float)
        cosine = own.astype(float) @ other / np.linalg.norm(own) / np.linalg.norm(other)
        if cosine > 0:
            total = total + cosine**alpha * other
    return total / np.linalg.norm(total) * np.linalg.norm(own)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(2, 9), st.integers(1, 12),
    st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from(VECTOR_METRICS),
)  # fmt: skip
def test_equal_plain_loops(seed: int, queries: int, gallery: int, n: int, alpha: float, metric: Metric) -> None:
    rng = np.random.default_rng(seed)
    query, other = embeddings(rng.normal(size=(queries, 4)), "q"), embeddings(rng.normal(size=(gallery, 4)), "g")
    expanded = expand_queries(query, other, n, alpha, metric)
    ranking = distance_estimator(query, other, n, metric)
    for row in range(queries):
        near = [i for i in ranking.indices[row] if i >= 0]
        expected = naive(query.vectors[row], other.vectors, near, alpha)
        assert expanded.vectors[row] == pytest.approx(expected, abs=1e-5)
    augmented = augment_database(other, n, alpha, metric)
    own = distance_estimator(other, other, n + 1, metric, exclude_same_name=True)
    for row in range(gallery):
        near = [i for i in own.indices[row] if i >= 0][:n]
        assert row not in near
        assert augmented.vectors[row] == pytest.approx(naive(other.vectors[row], other.vectors, near, alpha), abs=1e-5)


def test_blocks_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    query, gallery = embeddings(rng.normal(size=(50, 8)), "q"), embeddings(rng.normal(size=(300_000 // 8, 8)), "g")
    whole = expand_queries(query, gallery, 4, 3, "cosine").vectors
    one = np.concatenate(
        [expand_queries(embeddings(query.vectors[[i]], "q"), gallery, 4, 3, "cosine").vectors for i in range(50)]
    )
    assert (whole == one).all()  # a query's expansion does not depend on the other queries


def test_names_and_fingerprint_stay() -> None:
    side = embeddings(np.eye(3), "g")
    for changed in (
        expand_queries(side, side, 1, 3, "cosine", exclude_same_name=True),
        augment_database(side, 1, 3, "cosine"),
    ):
        assert changed.names == side.names
        assert changed.fingerprint == side.fingerprint
        assert changed.vectors.dtype == np.float32


def test_a_zero_vector_and_a_gallery_of_one_stay_as_they_are() -> None:
    nothing = embeddings(np.zeros((1, 3)), "q")
    assert (expand_queries(nothing, embeddings(np.eye(3), "g"), 2, 3, "euclidean").vectors == 0).all()
    one = embeddings(np.eye(3)[:1], "g")
    assert augment_database(one, 3, 3, "euclidean") is one


def test_it_finds_the_like_of_a_first_right_photo() -> None:
    # g000 and g001 show the query's person, g001 in another pose; g002 is somebody else, a little nearer than g001.
    angles = [0.2, 0.9]
    own = [[np.cos(a), np.sin(a), 0] for a in angles]
    gallery = embeddings(np.array([*own, [np.cos(0.8), 0, np.sin(0.8)]]), "g")
    query = embeddings(np.array([[1.0, 0, 0]]), "q")
    assert distance_estimator(query, gallery, 3).names(0) == ("g000", "g002", "g001")
    expanded = expand_queries(query, gallery, 1, 1, "euclidean")
    assert distance_estimator(expanded, gallery, 3).names(0) == ("g000", "g001", "g002")


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 9), st.integers(1, 12),
    st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([-1.0, 0.0, 0.5]), st.sampled_from(VECTOR_METRICS),
)  # fmt: skip
def test_blends_equal_plain_loops(
    seed: int, queries: int, gallery: int, n: int, weight: float, least: float, metric: Metric
) -> None:
    rng = np.random.default_rng(seed)
    query, other = embeddings(rng.normal(size=(queries, 4)), "q"), embeddings(rng.normal(size=(gallery, 4)), "g")
    blended = blend_neighbours(query, other, n, weight, least, metric)
    for own, found in zip((query, other), blended, strict=True):
        itself = own is other
        ranking = distance_estimator(own, other, n + itself, metric, exclude_same_name=itself)
        for row, vector in enumerate(own.vectors.astype(float)):
            near = [other.vectors[i].astype(float) for i in ranking.indices[row] if i >= 0][:n]
            lengths = [np.linalg.norm(vector) * np.linalg.norm(each) for each in near]
            alike = [each for each, length in zip(near, lengths, strict=True) if vector @ each / length >= least]
            mixed = (1 - weight) * vector + weight * np.mean(alike, axis=0) if alike else vector
            expected = mixed / np.linalg.norm(mixed) * np.linalg.norm(vector)
            assert found.vectors[row] == pytest.approx(expected, abs=1e-4)


def test_what_has_nobody_like_it_stays_bit_for_bit() -> None:
    side = embeddings(np.eye(3), "g")
    query, gallery = blend_neighbours(embeddings(np.eye(3)[:2], "q"), side, 3, 0.5, 0.99, "cosine")
    assert (gallery.vectors == side.vectors).all()  # at right angles
    assert (query.vectors == np.eye(3)[:2]).all()  # each like its own photo, and equal to it
