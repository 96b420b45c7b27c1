"""The search for candidates against loops over all pairs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.near_duplicates.pairs import CANDIDATE, LIKE, NEIGHBOURS, candidates

CUTS = (0.0, 0.03, 0.06)


def vectors_of(seed: int, count: int, kinds: int = 4, blank: int = 0, symmetric: bool = False) -> NDArray[np.float32]:
    """Descriptors of a few kinds of picture; of symmetric ones the mirror image is the picture itself."""
    base = np.random.default_rng(0).normal(size=(kinds, 1, 64))
    base[..., 1::2] *= not symmetric
    rng = np.random.default_rng(seed)
    vectors = base[rng.integers(0, kinds, count)] + rng.choice([0.2, 0.8]) * rng.normal(size=(count, 3, 64))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors[:blank] = 0
    return vectors.astype(np.float32)


def naive_laid(vector: NDArray[np.float32], flip: bool, turned: int) -> NDArray[np.float64]:
    """A descriptor as that of the picture mirrored first and then turned clockwise, by loops over frequencies."""
    spectrum = {(v, u): float(vector[8 * v + u]) for v in range(8) for u in range(8)}
    if flip:
        spectrum = {(v, u): value * (-1) ** u for (v, u), value in spectrum.items()}
    for _ in range(turned // 90):
        spectrum = {(v, u): spectrum[u, v] * (-1) ** u for v, u in spectrum}
    return np.array([spectrum[v, u] for v in range(8) for u in range(8)])


Way = tuple[int, int, bool, int]


def naive_candidates(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    within: bool,
    turns: tuple[int, ...],
    slack: float,
) -> dict[Way, tuple[float, float]]:
    """Each photo's 20 nearest in every search, by loops: of each way to lay a pair the best likeness and its cut.

    float32 may round a likeness across a limit: with `slack` below 0 all that might be found, above it what surely is.
    """
    best: dict[Way, tuple[float, float]] = {}
    for back, flip, turned, (window, cut) in product((False, True), (False, True), turns, enumerate(CUTS)):
        queries, gallery = (right, left) if back else (left, right)
        for query in range(len(queries)):
            laid = naive_laid(queries[query, 0], flip, turned)
            likeness = [float(laid @ each[window]) for each in gallery]
            others = [index for index in range(len(gallery)) if not (within and index == query)]
            falling = [*sorted((likeness[index] for index in others), reverse=True), *[-2.0] * (NEIGHBOURS + 1)]
            least = max(LIKE, falling[NEIGHBOURS] if slack > 0 else falling[NEIGHBOURS - 1]) + slack
            for index in [index for index in others if likeness[index] >= least]:
                one, other, signed = (index, query, -cut) if back else (query, index, cut)
                # The right one is laid like the left one; the query was laid like the other.
                way = turned if back or flip else (360 - turned) % 360
                if within and one > other:
                    one, other, signed, way = other, one, -signed, way if flip else (360 - way) % 360
                if likeness[index] > best.get((one, other, flip, way), (0, 0))[0]:
                    best[one, other, flip, way] = likeness[index], signed
    return best


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000), left=st.integers(0, 40), right=st.integers(0, 40), kinds=st.integers(1, 4),
    blank=st.integers(0, 2), symmetric=st.booleans(), within=st.booleans(),
)  # fmt: skip
def test_the_search_finds_what_loops_find(
    seed: int, left: int, right: int, kinds: int, blank: int, symmetric: bool, within: bool
) -> None:
    compare_with_loops(seed, left, right, kinds, blank, symmetric, within, turned=False)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), left=st.integers(0, 12), right=st.integers(0, 12), within=st.booleans())
def test_the_search_by_quarter_turns_finds_what_loops_find(seed: int, left: int, right: int, within: bool) -> None:
    compare_with_loops(seed, left, right, 4, 1, False, within, turned=True)


def test_the_twentieth_and_the_next_may_be_equal_but_for_rounding() -> None:
    compare_with_loops(9924, 39, 26, 1, 0, False, False, turned=False)


def compare_with_loops(
    seed: int, left: int, right: int, kinds: int, blank: int, symmetric: bool, within: bool, turned: bool
) -> None:
    one = vectors_of(seed, left, kinds, blank, symmetric)
    other = one if within else vectors_of(seed + 1, right, kinds, blank, symmetric)
    if turned:  # some of the others are turned
        rng, other = np.random.default_rng(seed), other.copy()
        for number in range(len(other)):
            flip, angle = bool(rng.integers(2)), 90 * int(rng.integers(4))
            other[number] = [naive_laid(vector, flip, angle) for vector in other[number]]
        one = other if within else one
    found = candidates(one, None if within else other, turned=turned)
    turns = (0, 90, 180, 270) if turned else (0,)
    surely, expected = (naive_candidates(one, other, within, turns, slack) for slack in (1e-6, -1e-6))
    assert found.dtype == CANDIDATE
    keys = [(int(each["left"]), int(each["right"]), bool(each["mirrored"]), int(each["turned"])) for each in found]
    assert len(set(keys)) == len(keys)
    assert set(surely) <= set(keys) <= set(expected)
    for key, each in zip(keys, found, strict=True):
        assert surely.get(key, (-1, 0))[0] - 1e-5 <= each["likeness"] <= expected[key][0] + 1e-5
        if surely.get(key) == expected[key]:
            assert each["cut"] == pytest.approx(expected[key][1], abs=1e-6)
    assert (np.diff(found["likeness"]) <= 0).all()


def test_of_very_many_alike_the_nearest_are_taken() -> None:
    crowd = np.repeat(vectors_of(1, 1), 90, 0)
    found = candidates(crowd[:1], crowd)
    # Each of the crowd has the one photo among its nearest, so that none is lost.
    assert set(found["right"].tolist()) == set(range(90))
    assert len(candidates(crowd)) >= NEIGHBOURS


def test_progress_of_a_search_rises_to_all() -> None:
    seen: list[int] = []
    candidates(vectors_of(1, 5), vectors_of(2, 7), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 100
