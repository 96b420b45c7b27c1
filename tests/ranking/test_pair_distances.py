"""Distances of single pairs: the ranking's numbers, scipy's definitions, and the laws of a distance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import distance as scipy_distance

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking import ranking as module
from facematch.ranking.codes import pack_codes
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import METRICS, Metric
from facematch.ranking.ranking import chosen_metric, distance_estimator, pair_distances


def embeddings(vectors: NDArray[np.float64], metric: str = "euclidean") -> Embeddings:
    """Under hamming their codes, filled up with equal bits to whole bytes."""
    names = tuple(f"{number}.jpg" for number in range(len(vectors)))
    held = vectors.astype(np.float32)
    if metric == "hamming":
        held = pack_codes(np.pad(held, ((0, 0), (0, -held.shape[1] % 8))))
    return Embeddings(names, held, metric, Fingerprint({"network": "one"}))


def vectors(seed: int, count: int, size: int) -> NDArray[np.float64]:
    """Some equal, some far apart, none zero."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(count, size)) * rng.choice([1e-3, 1, 50], size=(count, 1))
    made[count // 2] = made[0]
    made[:, 0] += np.where(made[:, 0] >= 0, 0.1, -0.1)
    return made


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [1, 7, 512])
def test_they_are_the_distances_of_a_ranking(metric: Metric, size: int) -> None:
    side = embeddings(vectors(size, 30, size), metric)
    ranking = distance_estimator(side, side, 30, metric)
    rows = np.repeat(np.arange(30), 30)
    found = pair_distances(replace(side, metric=metric), rows, ranking.indices.ravel())
    assert (found.astype(np.float32) == ranking.distances.ravel()).all()


def test_a_zero_vector_has_the_distances_of_a_ranking_too() -> None:
    side = embeddings(np.array([[0.0, 0.0], [0.0, 0.0], [1.0, -2.0]]))
    for metric in ("euclidean", "manhattan", "jaccard"):
        ranking = distance_estimator(side, side, 3, metric)
        found = pair_distances(replace(side, metric=metric), np.repeat([0, 1, 2], 3), ranking.indices.ravel())
        assert found.tolist() == pytest.approx(ranking.distances.ravel().tolist())


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("euclidean", scipy_distance.euclidean),
        ("manhattan", scipy_distance.cityblock),
        ("cosine", scipy_distance.cosine),
    ],
)
def test_equals_scipy(metric: Metric, reference: object) -> None:
    side = embeddings(vectors(1, 20, 16))
    first, second = np.arange(19), np.arange(1, 20)
    expected = [reference(*side.vectors[[a, b]].astype(np.float64)) for a, b in zip(first, second, strict=True)]  # type: ignore[operator]
    assert pair_distances(replace(side, metric=metric), first, second) == pytest.approx(expected, abs=1e-6, rel=1e-6)


@pytest.mark.parametrize("bits", [8, 24, 64, 72])
def test_those_of_codes_are_scipy_s_share_of_different_bits(bits: int) -> None:
    signs = vectors(bits, 20, bits) >= 0
    side = embeddings(np.where(signs, 1.0, -1.0), "hamming")
    first, second = np.arange(19), np.arange(1, 20)
    expected = [scipy_distance.hamming(signs[a], signs[b]) * bits for a, b in zip(first, second, strict=True)]
    assert pair_distances(side, first, second) == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(METRICS))
def test_no_order_no_block_and_no_negative(seed: int, metric: Metric) -> None:
    side = embeddings(vectors(seed, 9, 5), metric)
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 9, (2, 40))
    found = pair_distances(side, first, second)
    assert (found == pair_distances(side, second, first)).all()
    assert (found >= 0).all()
    assert (found[first == second] == 0).all()
    assert (pair_distances(side, [0], [4]) == 0).all()  # equal vectors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CELLS", 15)  # three pairs in a block
        assert (found == pair_distances(side, first, second)).all()


def test_no_pairs_have_no_distances() -> None:
    assert pair_distances(embeddings(np.ones((2, 3))), [], []).shape == (0,)


def test_a_zero_vector_has_no_cosine_but_only_where_it_is_compared() -> None:
    side = embeddings(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]), "cosine")
    assert pair_distances(side, [0], [2]).tolist() == [1]
    with pytest.raises(FacematchError, match=r"1\.jpg has a zero embedding"):
        pair_distances(side, [0, 0], [2, 1])


def test_mistakes_are_named() -> None:
    side = embeddings(np.ones((2, 3)))
    with pytest.raises(FacematchError, match="metric 'chebyshev' is not known; known are euclidean"):
        pair_distances(replace(side, metric="chebyshev"), [0], [1])
    with pytest.raises(FacematchError, match="these embeddings are codes; euclidean cannot compare them"):
        chosen_metric(embeddings(np.ones((2, 3)), "hamming"), "euclidean")
    with pytest.raises(ValueError, match="two lists of P rows"):
        pair_distances(side, [0, 1], [1])
