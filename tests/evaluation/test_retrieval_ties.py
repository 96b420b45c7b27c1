"""Figures of tie groups against every order of the ties, one by one, and against those of a plain ranking."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from facematch.evaluation import retrieval
from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.retrieval import (
    Judged,
    average_precision,
    average_precision_at_r,
    average_precision_bound,
    hit_at,
    precision_at,
    r_precision,
    recall_at,
)
from facematch.evaluation.tie_groups import groups_of_judged
from judged_rankings import judged_by_identity, random_judged, rows
from tied_cases import Row, orders, precision_sum, row, tie_groups

Right = Sequence[bool]


def trapezoid_sum(right: Right) -> float:
    """The means of the precisions just before and at the right places, summed."""
    before = sum(sum(right[:place]) / place if place else 1.0 for place, there in enumerate(right) if there)
    return (before + precision_sum(right)) / 2


def over_found(right: Right, k: int) -> float:
    return precision_sum(right[:k]) / max(1, sum(right[:k]))


# Each figure, and its value for one order of which R are right.
CASES: list[tuple[Callable[[Judged, int], Floats], Callable[[Right, int, int], float]]] = [
    (lambda judged, _: average_precision(judged), lambda right, _, relevant: precision_sum(right) / relevant),
    (
        lambda judged, _: average_precision(judged, rule="trapezoid"),
        lambda right, _, relevant: trapezoid_sum(right) / relevant,
    ),
    (
        partial(average_precision, rule="trapezoid", over="reachable"),
        lambda right, k, relevant: trapezoid_sum(right[:k]) / min(k, relevant),
    ),
    (
        partial(average_precision, rule="trapezoid", over="found"),
        lambda right, k, _: trapezoid_sum(right[:k]) / max(1, sum(right[:k])),
    ),
    (
        lambda judged, _: average_precision_at_r(judged),
        lambda right, _, relevant: precision_sum(right[:relevant]) / relevant,
    ),
    (lambda judged, _: r_precision(judged), lambda right, _, relevant: sum(right[:relevant]) / relevant),
    (recall_at, lambda right, k, relevant: sum(right[:k]) / relevant),
    (average_precision, lambda right, k, relevant: precision_sum(right[:k]) / relevant),
    (
        partial(average_precision, over="reachable"),
        lambda right, k, relevant: precision_sum(right[:k]) / min(k, relevant),
    ),
    (partial(average_precision, over="found"), lambda right, k, _: over_found(right, k)),
    (precision_at, lambda right, k, _: sum(right[:k]) / k),
    (hit_at, lambda right, k, _: float(any(right[:k]))),
]


@settings(deadline=None, max_examples=60)
@given(st.lists(row(), min_size=1, max_size=3), st.integers(1, 8))
def test_every_figure_is_the_mean_over_all_orders_of_ties(cases: list[Row], k: int) -> None:
    tied = tie_groups(cases)
    every = [list(orders(case)) for case in cases]
    for figure, naive in CASES:
        expected = [
            float(np.mean([naive(right, k, sum(right)) for right in each])) if sum(each[0]) else nan for each in every
        ]
        found = figure(tied, k)
        assert found.dtype == np.float64
        assert found.tolist() == pytest.approx(expected, rel=1e-11, abs=1e-12, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(row())
def test_the_bounds_are_the_worst_and_the_best_order(case: Row) -> None:
    tied = tie_groups([case])
    worst, expected, best = (
        values.item()
        for values in (
            average_precision_bound(tied, "worst"),
            average_precision(tied),
            average_precision_bound(tied, "best"),
        )
    )
    values = [precision_sum(right) / max(1, sum(right)) for right in orders(case)]
    if tied.answerable.all():
        assert worst == pytest.approx(min(values))
        assert best == pytest.approx(max(values))
        assert worst - 1e-12 <= expected <= best + 1e-12
    else:
        assert np.isnan([worst, expected, best]).all()


def exact_sum(before: int, found: int, size: int, right: int, taken: int) -> Fraction:
    """The expected precisions of one group, added place by place."""
    slope = Fraction(right - 1, size - 1)
    return sum(
        (Fraction(right, size) * (found + 1 + i * slope) / (before + i + 1) for i in range(taken)), start=Fraction(0)
    )


@pytest.mark.parametrize("k", [40, 5001, 5100, 5200, 9000])
def test_long_rankings_lose_no_digits(k: int) -> None:
    groups = [(5000, 30), (200, 7), (3800, 2)]
    total, before, found = Fraction(0), 0, 0
    for size, right in groups:
        total += exact_sum(before, found, size, right, min(max(k - before, 0), size))
        before, found = before + size, found + right
    assert average_precision(tie_groups([groups]), k).item() == pytest.approx(float(total / found), rel=1e-10)


def test_many_tied_photos_follow_the_hypergeometric_distribution() -> None:
    tied = tie_groups([[(10, 0), (9000, 700), (50, 5)]])
    drawn = hypergeom(9000, 700, 490)
    assert hit_at(tied, 12).item() == pytest.approx(1 - hypergeom(9000, 700, 2).pmf(0), rel=1e-9)
    hits = np.arange(491)
    inside = [float(exact_sum(10, 0, 490, int(h), 490)) for h in hits[:120]]
    expected = sum(chance * each / max(h, 1) for h, each, chance in zip(hits, inside, drawn.pmf(hits), strict=False))
    assert drawn.sf(119) < 1e-15
    assert average_precision(tied, 500, over="found").item() == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(1, 20))
def test_of_a_ranking_every_figure_is_that_of_its_own_order(seed: int, photos: int, k: int) -> None:
    judged = random_judged(seed, 4, photos)
    for figure, naive in CASES:
        expected = [naive(right, k, relevant) if relevant else nan for right, relevant in rows(judged)]
        assert figure(judged, k).tolist() == pytest.approx(expected, rel=1e-11, abs=1e-12, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(1, 20))
def test_without_ties_both_kinds_of_input_agree(seed: int, photos: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.permuted(np.tile(np.arange(photos), (4, 1)), axis=1)
    judged = judged_by_identity(distances, rng.integers(0, 4, 4).tolist(), rng.integers(0, 3, photos).tolist())
    tied = groups_of_judged(judged)
    for figure, _ in CASES:
        np.testing.assert_allclose(figure(tied, k), figure(judged, k), rtol=1e-12)
    for exact in (hit_at, precision_at, recall_at):
        np.testing.assert_array_equal(exact(tied, k), exact(judged, k))
    for each, order in product((tied, judged), ("best", "worst")):
        np.testing.assert_allclose(average_precision_bound(each, order), average_precision(judged), rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_the_bounds_are_those_of_judging_ties_worst_and_best(seed: int, photos: int) -> None:
    rng = np.random.default_rng(seed)
    distances, asked = rng.integers(0, 4, (5, photos)), rng.integers(0, 4, 5).tolist()
    shown = rng.integers(0, 3, photos).tolist()
    tied = groups_of_judged(judged_by_identity(distances, asked, shown))
    for order in ("worst", "best"):
        plain = average_precision(judged_by_identity(distances, asked, shown, ties=order))
        np.testing.assert_allclose(average_precision_bound(tied, order), plain, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(row(), min_size=1, max_size=4), st.integers(0, 20))
def test_the_whole_gallery_as_the_first_k_is_no_truncation(cases: list[Row], more: int) -> None:
    tied = tie_groups(cases)
    whole = max(1, int(tied.sizes.sum(axis=1).max())) + more
    for over in ("relevant", "reachable", "found"):
        np.testing.assert_allclose(average_precision(tied, whole, over=over), average_precision(tied), atol=1e-12)
        np.testing.assert_allclose(average_precision(tied, over=over), average_precision(tied), atol=1e-12)


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tied = groups_of_judged(random_judged(5, 30, 40, levels=4))
    figures = [partial(figure, tied, 15) for figure, _ in CASES]
    figures += [partial(average_precision_bound, tied, order) for order in ("best", "worst")]
    whole = [figure() for figure in figures]
    for cells in (1, 20):  # one query at a time, and five of four groups each
        monkeypatch.setattr(retrieval, "_CELLS", cells)
        for figure, values in zip(figures, whole, strict=True):
            np.testing.assert_array_equal(figure(), values)


def test_without_a_query_there_are_no_values() -> None:
    none = random_judged(0, 0, 5)
    for figure, _ in CASES:
        assert figure(none, 3).shape == figure(groups_of_judged(none), 3).shape == (0,)


def test_one_more_found_can_lower_what_is_divided_by_those_found() -> None:
    # Two right photos, both among the first 3 or only one of them: finding more costs the former a sixth.
    one, both = tie_groups([[(1, 1), (2, 0), (1, 1)]]), tie_groups([[(1, 1), (1, 0), (1, 1), (1, 0)]])
    assert average_precision(one, 3, over="found").item() == pytest.approx(1)
    assert average_precision(both, 3, over="found").item() == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(one, 3).item() == pytest.approx(1 / 2)
    assert average_precision(both, 3).item() == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("k", [0, -1])
def test_places_count_from_1(k: int) -> None:
    tied = tie_groups([[(2, 1)]])
    for figure in (average_precision, precision_at, hit_at):
        with pytest.raises(ValueError, match="places count from 1"):
            figure(tied, k)
