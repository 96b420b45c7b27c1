"""The corners of a weighted curve carry what every threshold would, for any weights."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.evaluation import step_curve
from facematch.evaluation.step_curve import (
    accepted,
    area,
    crossing,
    highest_within,
    in_blocks,
    least_count,
    require_rate,
    share,
    sort_steps,
)

Weighted = list[tuple[int, int]]  # distance, weight
sides = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=12)


def curve(wanted: Weighted, unwanted: Weighted) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    up, right = np.array(wanted, dtype=np.float64).T, np.array(unwanted, dtype=np.float64).T
    steps = sort_steps(up[0], right[0])
    x, y = accepted(steps, up[1][steps.wanted][None], right[1][steps.unwanted][None])
    return share(x, x[:, -1]), share(y, y[:, -1])


def naive_points(wanted: Weighted, unwanted: Weighted) -> list[tuple[Fraction, Fraction]]:
    """(x, y) at every threshold, from accepting nothing on."""
    points = []
    for threshold in [-1, *range(7)]:
        shares = [
            Fraction(sum(w for d, w in side if d <= threshold), sum(w for _, w in side)) for side in (unwanted, wanted)
        ]
        points.append((shares[0], shares[1]))
    return points


def naive_crossing(points: list[tuple[Fraction, Fraction]]) -> Fraction:
    for (x0, y0), (x1, y1) in pairwise(points):
        before, after = x0 - (1 - y0), x1 - (1 - y1)
        if before < 0 <= after:
            return x0 + (x1 - x0) * before / (before - after)
    raise AssertionError("a curve from (0, 0) to (1, 1) crosses")


@settings(deadline=None)
@given(sides, sides, st.floats(0.01, 0.99))
def test_corners_tell_what_every_threshold_does(wanted: Weighted, unwanted: Weighted, limit: float) -> None:
    x, y = curve(wanted, unwanted)
    if not sum(w for _, w in wanted) or not sum(w for _, w in unwanted):
        assert np.isnan(area(x, y)[0])
        assert np.isnan(crossing(x, y)[0])
        assert np.isnan(highest_within(x, y, limit)[0])
        return
    points = naive_points(wanted, unwanted)
    assert (x[0, 0], y[0, 0]) == (0, 0)
    by_threshold = sum((b[0] - a[0]) * (b[1] + a[1]) / 2 for a, b in pairwise(points))
    assert area(x, y)[0] == pytest.approx(float(by_threshold))
    assert crossing(x, y)[0] == pytest.approx(float(naive_crossing(points)))
    assert highest_within(x, y, limit)[0] == pytest.approx(float(max(b for a, b in points if float(a) <= limit)))


def test_only_corners_are_kept() -> None:
    steps = sort_steps(np.array([1.0, 2, 3, 7]), np.array([4.0, 5, 6, 7]))
    assert steps.wanted_accepted.tolist() == [0, 3, 3, 4]
    assert steps.unwanted_accepted.tolist() == [0, 0, 3, 4]


def test_a_limit_that_is_reached_exactly_is_kept() -> None:
    x, y = np.array([[0, 0.29, 1]]), np.array([[0, 0.5, 1]])
    assert [highest_within(x, y, limit)[0] for limit in (0.28, 0.29, 0.3)] == [0, 0.5, 0.5]


def test_several_draws_are_several_curves() -> None:
    rng = np.random.default_rng(0)
    steps = sort_steps(rng.integers(0, 5, 8).astype(float), rng.integers(0, 5, 9).astype(float))
    up, right = rng.integers(0, 3, (6, 8)).astype(float), rng.integers(0, 3, (6, 9)).astype(float)
    x, y = accepted(steps, up, right)
    for draw in range(6):
        one = accepted(steps, up[draw : draw + 1], right[draw : draw + 1])
        assert (x[draw] == one[0]).all()
        assert (y[draw] == one[1]).all()


def test_a_side_without_distances_has_no_share() -> None:
    steps = sort_steps(np.array([1.0]), np.empty(0))
    x, y = accepted(steps, np.ones((2, 1)), np.empty((2, 0)))
    assert y.tolist() == [[0, 1], [0, 1]]
    assert np.isnan(share(x, x[:, -1])).all()


@given(st.integers(1, 5000))
def test_a_rate_of_one_in_n_needs_n(count: int) -> None:
    assert least_count(1 / count) == count


@given(st.floats(0.001, 1))
def test_the_least_count_resolves_the_rate_and_one_less_does_not(rate: float) -> None:
    count = least_count(rate)
    assert 1 / count <= rate
    assert count == 1 or 1 / (count - 1) > rate


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match="a rate is a share above 0 and below 1"):
        require_rate(rate, "a rate")


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    met = []

    def double(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        met.append(len(weights))
        return 2 * weights

    weights = np.arange(14.0).reshape(7, 2)
    monkeypatch.setattr(step_curve, "_CELLS", 30)
    assert (in_blocks(double, 10)(weights) == 2 * weights).all()
    assert met == [3, 3, 1]
    assert (in_blocks(double, 1000)(weights) == 2 * weights).all()  # a row wider than a block
