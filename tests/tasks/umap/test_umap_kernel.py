"""The layout's compiled epoch, against the same rule in plain Python with powers instead of tables."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")
from facematch.tasks.umap.kernel import epoch_kernel, strengths

Floats = NDArray[np.float32]
A, B = 1.93, 0.79  # UMAP's for min_dist 0


def test_tables_hold_the_gradients() -> None:
    pull, push = strengths(A, B)
    octaves = np.arange(-30, 30, 1 / 64)
    whole, part = np.floor(octaves), octaves - np.floor(octaves)
    squared = 2.0**whole * (1 + part)  # a table's points lie evenly within an octave
    np.testing.assert_allclose(pull, -2 * A * B * squared ** (B - 1) / (1 + A * squared**B), rtol=1e-6)
    np.testing.assert_allclose(push, 2 * B / ((0.001 + squared) * (1 + A * squared**B)), rtol=1e-6)


def by_loops(moving: Floats, fixed: Floats, edges: list[tuple[int, int]], states: list[int], both: bool) -> None:
    """One epoch in which every edge is due and pushes five times, all from where the pull left its head."""
    for j, k in edges:
        squared = float(((moving[j] - fixed[k]) ** 2).sum())
        if squared > 0:
            slope = -2 * A * B * squared ** (B - 1) / (A * squared**B + 1)
            step = np.clip(slope * (moving[j] - fixed[k]), -4, 4) * 0.5
            moving[j] += step
            if both:
                fixed[k] -= step
        start = moving[j].copy()
        for _ in range(5):
            state = states[j]
            state ^= (state << 13) % 2**64
            state ^= state >> 7
            state ^= (state << 17) % 2**64
            states[j] = state
            k = ((state >> 32) * len(fixed)) >> 32
            squared = float(((start - (start if both and j == k else fixed[k])) ** 2).sum())
            if squared > 0:
                slope = 2 * B / ((0.001 + squared) * (A * squared**B + 1))
                moving[j] += np.clip(slope * (start - fixed[k]), -4, 4) * 0.5


@pytest.mark.parametrize("both", [True, False])
def test_an_epoch_is_that_of_plain_loops(both: bool) -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(size=(12, 3)).astype(np.float32)
    edges = [(j, k) for j in range(12) for k in rng.permutation(12)[:3].tolist() if j != k]
    states = [int(each) for each in rng.integers(1, 2**63, 12)]
    fixed = first if both else rng.normal(size=(12, 3)).astype(np.float32)
    expected = first.copy()
    expected_fixed = expected if both else fixed.copy()
    by_loops(expected, expected_fixed, edges, list(states), both)

    moving = first.copy()
    moving_fixed = moving if both else fixed.copy()
    run(moving, moving_fixed, edges, states, both)
    np.testing.assert_allclose(moving, expected, atol=2e-3)
    np.testing.assert_allclose(moving_fixed, expected_fixed, atol=2e-3)
    assert np.abs(moving - first).max() > 0.1


def run(moving: Floats, fixed: Floats, edges: list[tuple[int, int]], states: list[int], both: bool) -> None:
    head, tail = (np.array(side, np.int32) for side in zip(*edges, strict=True))
    every = np.ones(len(edges))
    pull, push = strengths(A, B)
    epoch_kernel(3)(
        moving, fixed, head, tail, every, every.copy(), every / 5, np.zeros(len(edges)),
        np.array(states, np.uint64), pull, push, np.float32(0.5), 1, both,
    )  # fmt: skip


def test_edges_move_only_when_they_are_due() -> None:
    moving = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], np.float32)
    before = moving.copy()
    due = np.array([4.0, 3.0])
    pull, push = strengths(A, B)
    arguments = (np.array([0, 1], np.int32), np.array([1, 2], np.int32), np.array([2.0, 2.0]), due)
    pushes = (np.array([9.0, 9.0]), np.array([9.0, 9.0]), np.ones(3, np.uint64), pull, push, np.float32(1))
    epoch_kernel(3)(moving, moving, *arguments, *pushes, 2, True)
    np.testing.assert_array_equal(moving, before)
    epoch_kernel(3)(moving, moving, *arguments, *pushes, 3, True)
    np.testing.assert_array_equal(moving[0], before[0])
    assert (moving[1:] != before[1:]).any()
    assert due.tolist() == [4.0, 5.0]
