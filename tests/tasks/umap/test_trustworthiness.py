"""Trustworthiness, against scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import manifold

from facematch.tasks.umap import neighbours as module
from facematch.tasks.umap.neighbours import (
    embedding_neighbours,
    find_neighbours,
    original_ranks,
    score,
    squared_distances,
    trustworthiness,
)

Floats = NDArray[np.float64]


def drawn(rows: int, columns: int, seed: int) -> tuple[NDArray[np.uint8], Floats]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows, columns), np.uint8), rng.normal(size=(rows, 2))


def told_apart(pixels: NDArray[np.uint8]) -> Floats:
    """Squared distances in which equal ones go by position, for scikit-learn's sort leaves open which comes first."""
    exact: Floats = squared_distances(pixels, pixels).astype(np.float64)
    return exact + np.arange(len(pixels)) / (2 * len(pixels))


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 40), st.integers(1, 30), st.integers(0, 10_000), st.data())
def test_it_equals_scikit_learn(rows: int, columns: int, seed: int, data: st.DataObject) -> None:
    pixels, embedding = drawn(rows, columns, seed)
    ks = data.draw(st.lists(st.integers(1, (rows - 1) // 2), min_size=1, max_size=3, unique=True))
    known = data.draw(st.integers(1, rows))
    (ours,) = trustworthiness(pixels, find_neighbours(pixels, known), [embedding], [ks])
    for k in ks:
        theirs = manifold.trustworthiness(told_apart(pixels), embedding, n_neighbors=k, metric="precomputed")
        assert ours[k] == pytest.approx(theirs, abs=1e-12)


def test_it_equals_scikit_learn_from_the_pixels_where_no_distances_are_equal() -> None:
    pixels, embedding = drawn(150, 4096, 7)
    squared = squared_distances(pixels, pixels)
    assert all(len(set(row)) == 150 for row in squared.tolist())
    (ours,) = trustworthiness(pixels, find_neighbours(pixels, 11), [embedding], [(5, 10, 74)])
    for k, value in ours.items():
        theirs = manifold.trustworthiness(pixels.astype(np.float64), embedding, n_neighbors=k)
        assert value == pytest.approx(theirs, abs=1e-12)


def test_it_equals_the_definition_in_loops() -> None:
    pixels, embedding = drawn(31, 8, 3)
    squared = squared_distances(pixels, pixels)
    k, total = 6, 0
    for i in range(31):
        near = sorted((j for j in range(31) if j != i), key=lambda j: float(((embedding[i] - embedding[j]) ** 2).sum()))
        original = sorted((j for j in range(31) if j != i), key=lambda j: (squared[i, j], j))
        total += sum(max(0, original.index(j) + 1 - k) for j in near[:k])
    expected = 1 - 2 / (31 * k * (2 * 31 - 3 * k - 1)) * total
    assert 0 < expected < 1
    assert trustworthiness(pixels, find_neighbours(pixels, 8), [embedding], [[k]]) == [{k: pytest.approx(expected)}]


def test_an_embedding_that_keeps_all_distances_is_wholly_trustworthy() -> None:
    pixels, _ = drawn(40, 3, 5)
    pixels = np.unique(pixels, axis=0)
    found = trustworthiness(pixels, find_neighbours(pixels, 3), [pixels.astype(np.float64) * 2 + 1], [[1, 19]])
    exact = squared_distances(pixels, pixels)
    tied = any(len(set(row)) < len(pixels) for row in exact.tolist())
    assert found[0][19] == pytest.approx(1, abs=1e-3 if tied else 1e-12)


def test_several_embeddings_are_judged_in_one_pass_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, one = drawn(37, 20, 11)
    other = np.random.default_rng(12).normal(size=(37, 3))
    known = find_neighbours(pixels, 4)
    alone = [trustworthiness(pixels, known, [each], [[3, 9]])[0] for each in (one, other)]
    monkeypatch.setattr(module, "_ROWS", (2, 5))
    monkeypatch.setattr(module, "_CELLS", 100)
    done: list[int] = []
    assert trustworthiness(pixels, known, [one, other], [[3, 9], [9, 3]], done.append) == alone
    assert done == [*range(2, 37, 2), 37]


def test_ranks_are_places_among_the_others() -> None:
    pixels = np.array([[0], [10], [20], [5], [10]], np.uint8)
    near = np.array([[2, 1], [4, 0], [0, 3], [2, 0], [1, 2]], np.int32)
    expected = [[4, 2], [1, 3], [4, 3], [4, 1], [1, 4]]
    for known in (1, 2, 5):
        assert original_ranks(pixels, find_neighbours(pixels, known), [near])[0].tolist() == expected
    assert score(np.array([[1, 2], [2, 1], [1, 2], [1, 2], [2, 1]], np.int32), 2) == 1.0


def test_neighbours_in_an_embedding_leave_out_the_row_itself() -> None:
    embedding = np.array([[0.0], [0.1], [3.0], [1.0]])
    assert embedding_neighbours(embedding, 2).tolist() == [[1, 3], [0, 3], [3, 1], [1, 0]]


@pytest.mark.parametrize("k", [0, 5, 8])
def test_a_k_for_which_it_is_not_defined_is_refused(k: int) -> None:
    pixels, embedding = drawn(10, 5, 1)
    with pytest.raises(ValueError, match=f"from 1 to 4; found {k}"):
        trustworthiness(pixels, find_neighbours(pixels, 2), [embedding], [[2, k]])
