"""Intervals over people: Student's where theory gives them, covering as often as they say, honest with few people."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from facematch.evaluation.bootstrap import (
    Estimate,
    codes_of,
    draw_weights,
    expanded_percentiles,
    mean_figure,
    statistic_figure,
    student,
)


def interval(values: ArrayLike, groups: Sequence[Hashable], **how: Any) -> tuple[float, float]:
    found = mean_figure("share", values, groups, **how).interval
    assert found is not None
    return found


@pytest.mark.parametrize("freedom", [9, 19, 89, 1000])
def test_students_quantile(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t(freedom).ppf(0.975), abs=0.001)


def test_expanded_percentiles_of_a_mean_are_students_interval() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=12)
    means = values[rng.integers(0, 12, (200_000, 12))].mean(axis=1)
    half = stats.t(11).ppf(0.975) * values.std(ddof=1) / np.sqrt(12)
    low, high = expanded_percentiles(means, 12)
    assert (high - low) / (2 * half) == pytest.approx(1, abs=0.03)


def test_an_interval_covers_the_share_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        ability = rng.beta(4, 2, size=60)  # photos of one person hit together
        groups = np.repeat(np.arange(60), 4)
        hits = rng.random(240) < ability[groups]
        low, high = interval(hits, groups.tolist(), rounds=400, seed=trial)
        covered += low <= 4 / 6 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_an_interval_draws_people_not_photos() -> None:
    hits = np.repeat([True, False] * 10, 20)
    by_person = interval(hits, np.repeat(np.arange(20), 20).tolist())
    by_photo = interval(hits, list(range(400)))
    assert by_person[1] - by_person[0] > 2 * (by_photo[1] - by_photo[0])


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.floats(-5, 5), st.just(float("nan")))), max_size=30))
def test_the_value_is_the_mean_of_what_is_defined(rows: list[tuple[int, float]]) -> None:
    figure = mean_figure("m", [value for _, value in rows], [group for group, _ in rows], rounds=10)
    there = [(group, value) for group, value in rows if value == value]
    assert figure.count == len(there)
    assert figure.people == len({group for group, _ in there})
    if there:
        assert figure.value == pytest.approx(np.mean([value for _, value in there]))
    else:
        assert figure.value is None
        assert figure.note.startswith("insufficient data")
        assert str(figure) == "insufficient data"
    assert figure.interval is None  # at most five people


def test_a_statistic_of_weights_has_the_interval_of_its_mean() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.random(60), np.repeat(np.arange(20), 3)
    sums = np.bincount(groups, weights=values)
    by_mean = mean_figure("m", values, groups.tolist())
    by_statistic = statistic_figure("m", lambda w: (w @ sums) / (3 * w.sum(1)), 60, 20)
    assert by_statistic.value == pytest.approx(by_mean.value)
    assert by_statistic.interval == pytest.approx(by_mean.interval)


def test_a_statistic_that_is_often_undefined_has_no_interval() -> None:
    def only_with_the_first(weights: Any) -> Any:
        return np.where(weights[:, 0] > 0, weights[:, 0], np.nan)  # a third of all draws lack the first person

    figure = statistic_figure("m", only_with_the_first, 20, 20)
    assert (figure.value, figure.interval) == (1, None)
    assert figure.note.startswith("insufficient data")
    assert statistic_figure("m", lambda w: np.full(len(w), np.nan), 3, 20).value is None
    assert statistic_figure("m", lambda w: w.sum(1), 0, 0).value is None


def test_a_draw_of_people_keeps_their_number() -> None:
    weights = draw_weights(7, 500, np.random.default_rng(1))
    assert weights.shape == (500, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean() == pytest.approx(1)


def test_groups_are_numbered_as_they_appear() -> None:
    assert codes_of(["b", "a", "b", 3]).tolist() == [0, 1, 0, 2]


def test_a_figure_reads_well_and_survives_json() -> None:
    figure = Estimate("top-1", 0.5, (0.25, 0.75), 8, 12)
    assert str(figure) == "0.500 [0.250–0.750]"
    assert figure.as_dict()["interval"] == [0.25, 0.75]


@pytest.mark.parametrize("people", [10, 40, 300])
def test_always_right_is_not_certainty(people: int) -> None:
    groups = np.repeat(np.arange(people), 3).tolist()
    low, high = interval(np.ones(3 * people), groups)
    exact = stats.binomtest(people, people).proportion_ci(0.95, method="exact").low
    assert (low, high) == (pytest.approx(exact), 1)
    assert interval(np.zeros(3 * people), groups) == (0, pytest.approx(1 - exact))


def test_the_bound_of_a_perfect_figure_holds_as_often_as_it_says() -> None:
    # People of whom a few miss everything: of those samples in which nobody does, the bound has to cover them.
    rng, share = np.random.default_rng(0), 0.06
    for people in (20, 60):
        missed = (rng.random((4000, people)) < share).any(axis=1)
        low, _ = interval(np.ones(people), list(range(people)))
        wrongly = float((~missed & (1 - share < low)).mean())
        assert wrongly <= 0.025 + 0.01
