"""Expected figures against every order of the ties, one by one, and against what hashing toolboxes compute."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from facematch.evaluation import expected_ties, retrieval
from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.expected_ties import (
    average_precision_bound,
    expected_average_precision,
    expected_hit_at,
    expected_precision_at,
    map_figures,
    map_variants,
)
from facematch.evaluation.tie_groups import TieGroups, groups_of_codes, groups_of_judged
from facematch.ranking.codes import hamming_distances, pack_codes
from judged_rankings import judged_by_identity, random_judged
from tied_cases import Row, orders, precision_sum, row, tie_groups

Right = Sequence[bool]


def over_found(right: Right, k: int) -> float:
    return precision_sum(right[:k]) / max(1, sum(right[:k]))


# Each figure, and its value for one order of which R are right.
CASES: list[tuple[Callable[[TieGroups, int], Floats], Callable[[Right, int, int], float]]] = [
    (lambda tied, _: expected_average_precision(tied), lambda right, _, relevant: precision_sum(right) / relevant),
    (expected_average_precision, lambda right, k, relevant: precision_sum(right[:k]) / relevant),
    (
        partial(expected_average_precision, over="reachable"),
        lambda right, k, relevant: precision_sum(right[:k]) / min(k, relevant),
    ),
    (partial(expected_average_precision, over="found"), lambda right, k, _: over_found(right, k)),
    (expected_precision_at, lambda right, k, _: sum(right[:k]) / k),
    (expected_hit_at, lambda right, k, _: float(any(right[:k]))),
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
            expected_average_precision(tied),
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
    assert expected_average_precision(tie_groups([groups]), k).item() == pytest.approx(float(total / found), rel=1e-10)


def test_many_tied_photos_follow_the_hypergeometric_distribution() -> None:
    tied = tie_groups([[(10, 0), (9000, 700), (50, 5)]])
    drawn = hypergeom(9000, 700, 490)
    assert expected_hit_at(tied, 12).item() == pytest.approx(1 - hypergeom(9000, 700, 2).pmf(0), rel=1e-9)
    hits = np.arange(491)
    inside = [float(exact_sum(10, 0, 490, int(h), 490)) for h in hits[:120]]
    expected = sum(chance * each / max(h, 1) for h, each, chance in zip(hits, inside, drawn.pmf(hits), strict=False))
    assert drawn.sf(119) < 1e-15
    assert expected_average_precision(tied, 500, over="found").item() == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(1, 20))
def test_without_ties_they_are_the_plain_figures(seed: int, photos: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.permuted(np.tile(np.arange(photos), (4, 1)), axis=1)
    judged = judged_by_identity(distances, rng.integers(0, 4, 4).tolist(), rng.integers(0, 3, photos).tolist())
    tied = groups_of_judged(judged)
    for figure in (expected_average_precision, *(partial(average_precision_bound, order=o) for o in ("best", "worst"))):
        np.testing.assert_allclose(figure(tied), retrieval.average_precision(judged), rtol=1e-12)
    np.testing.assert_array_equal(expected_hit_at(tied, k), retrieval.hit_at(judged, k))
    np.testing.assert_array_equal(expected_precision_at(tied, k), retrieval.precision_at(judged, k))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_the_bounds_are_those_of_judging_ties_worst_and_best(seed: int, photos: int) -> None:
    rng = np.random.default_rng(seed)
    distances, asked = rng.integers(0, 4, (5, photos)), rng.integers(0, 4, 5).tolist()
    shown = rng.integers(0, 3, photos).tolist()
    tied = groups_of_judged(judged_by_identity(distances, asked, shown))
    for order in ("worst", "best"):
        plain = retrieval.average_precision(judged_by_identity(distances, asked, shown, ties=order))
        np.testing.assert_allclose(average_precision_bound(tied, order), plain, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(row(), min_size=1, max_size=4), st.integers(0, 20))
def test_the_whole_gallery_as_the_first_k_is_no_truncation(cases: list[Row], more: int) -> None:
    tied = tie_groups(cases)
    whole = max(1, int(tied.sizes.sum(axis=1).max())) + more
    for over in ("relevant", "reachable", "found"):
        np.testing.assert_allclose(
            expected_average_precision(tied, whole, over=over), expected_average_precision(tied), atol=1e-12
        )
        np.testing.assert_allclose(
            expected_average_precision(tied, over=over), expected_average_precision(tied), atol=1e-12
        )


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tied = groups_of_judged(random_judged(5, 30, 40, levels=4))
    figures = [partial(figure, tied, 15) for figure, _ in CASES]
    figures += [partial(average_precision_bound, tied, order) for order in ("best", "worst")]
    whole = [figure() for figure in figures]
    for cells in (1, 20):  # one query at a time, and five of four groups each
        monkeypatch.setattr(expected_ties, "_CELLS", cells)
        for figure, values in zip(figures, whole, strict=True):
            np.testing.assert_array_equal(figure(), values)


def test_without_a_query_there_are_no_values() -> None:
    none = tie_groups([[(2, 1)]]).at(slice(0, 0))
    for figure, _ in CASES:
        assert figure(none, 3).shape == (0,)
    assert all(figure.value is None for figure in map_figures(none, 3))


def test_one_more_found_can_lower_what_is_divided_by_those_found() -> None:
    # Two right photos, both among the first 3 or only one of them: finding more costs the former a sixth.
    one, both = tie_groups([[(1, 1), (2, 0), (1, 1)]]), tie_groups([[(1, 1), (1, 0), (1, 1), (1, 0)]])
    assert expected_average_precision(one, 3, over="found").item() == pytest.approx(1)
    assert expected_average_precision(both, 3, over="found").item() == pytest.approx((1 + 2 / 3) / 2)
    assert expected_average_precision(one, 3).item() == pytest.approx(1 / 2)
    assert expected_average_precision(both, 3).item() == pytest.approx((1 + 2 / 3) / 2)


def test_a_perfect_model_scores_1_and_all_equal_codes_score_about_chance() -> None:
    perfect = tie_groups([[(4, 4), (8, 0)]])
    for variant in map_variants(4).values():
        assert variant.values(perfect).item() == pytest.approx(1)
    useless = tie_groups([[(1000, 100)]])
    assert expected_average_precision(useless).item() == pytest.approx(0.1, abs=0.01)
    assert expected_precision_at(useless, 10).item() == pytest.approx(0.1)
    assert average_precision_bound(useless, "best").item() == pytest.approx(1)


@pytest.mark.parametrize("k", [0, -1])
def test_places_count_from_1(k: int) -> None:
    tied = tie_groups([[(2, 1)]])
    for figure in (expected_average_precision, expected_precision_at, expected_hit_at):
        with pytest.raises(ValueError, match="places count from 1"):
            figure(tied, k)


# What toolboxes compute. `CalcTopMap` as DeepHash-pytorch and most others have it counts a query without a
# hit as 0; the original of HashNet, `mean_average_precision`, drops it. Both leave ties to argsort.


def toolbox_precisions(distances: np.ndarray, right: np.ndarray, k: int, rng: np.random.Generator) -> list[float]:
    """Each query's AP over those found in the top k, NaN without a hit; ties in random order."""
    values = []
    for row_distances, row_right in zip(distances, right, strict=True):
        shuffled = rng.permutation(len(row_right))
        top = row_right[shuffled][np.argsort(row_distances[shuffled], kind="stable")][:k]
        places = np.flatnonzero(top) + 1.0
        values.append(float(np.mean(np.arange(1, len(places) + 1) / places)) if len(places) else nan)
    return values


def codes_and_labels(seed: int, bits: int = 16) -> tuple[TieGroups, np.ndarray, np.ndarray]:
    """Tie groups of loosely clustered codes, their Hamming distances, and which photos are right."""
    rng = np.random.default_rng(seed)
    shown, asked = rng.integers(0, 12, 150), rng.integers(0, 12, 40)
    centres = rng.normal(size=(12, bits))
    query, gallery = (pack_codes(centres[who] + 2 * rng.normal(size=(len(who), bits))) for who in (asked, shown))
    right = asked[:, None] == shown
    assert right.any(axis=1).all()
    return groups_of_codes(query, gallery, asked, shown), hamming_distances(query, gallery), right


def test_the_mean_of_calc_top_map_over_random_tie_orders_is_the_expectation() -> None:
    tied, distances, right = codes_and_labels(0)
    rng, k, draws = np.random.default_rng(1), 6, 400
    drawn = np.array([toolbox_precisions(distances, right, k, rng) for _ in range(draws)])
    assert (np.isnan(drawn).any(axis=0) & ~np.isnan(drawn).all(axis=0)).any()  # tie order decides some hits
    counted = np.nan_to_num(drawn).mean(axis=1)
    error = counted.std() / np.sqrt(draws)
    assert error > 0.0001
    assert abs(counted.mean() - expected_average_precision(tied, k, over="found").mean()) < 4 * error
    # Dropped: a ratio of expectations, close to the expected ratio of 40 queries.
    assert np.nanmean(drawn, axis=1).mean() == pytest.approx(ratio(tied, k), abs=0.005)
    assert ratio(tied, k) > counted.mean() + 0.1


def ratio(tied: TieGroups, k: int) -> float:
    variant = map_variants(k)[f"mAP@{k} over found, queries without a hit dropped"]
    assert variant.weights is not None
    return float(np.nansum(variant.values(tied)) / np.nansum(variant.weights(tied)))


def test_where_no_ties_cross_both_toolbox_figures_are_equal() -> None:
    rng = np.random.default_rng(3)
    # Photo d differs from the query's code in d bits: every distance once.
    gallery = pack_codes(np.where(np.arange(64) < np.arange(64)[:, None], -1, 1))[rng.permutation(64)]
    query = pack_codes(np.ones((30, 64)))
    asked, shown = rng.integers(0, 9, 30), rng.integers(0, 9, 64)
    tied = groups_of_codes(query, gallery, asked, shown)
    assert tied.answerable.all()
    for k in (3, 10, 64):
        theirs = toolbox_precisions(hamming_distances(query, gallery), asked[:, None] == shown, k, rng)
        assert np.isnan(theirs).any() == (k < 64)
        np.testing.assert_allclose(expected_average_precision(tied, k, over="found"), np.nan_to_num(theirs), rtol=1e-12)
        assert ratio(tied, k) == pytest.approx(np.nanmean(theirs))


def test_figures_of_every_definition_with_intervals() -> None:
    tied = groups_of_judged(random_judged(2, 80, 50, people=14, levels=6))
    assert not tied.answerable.all()
    figures = {figure.name: figure for figure in map_figures(tied, 10, rounds=200)}
    assert list(figures) == list(map_variants(10))
    assert set(figures) == {
        "mAP",
        "mAP, ties at their worst",
        "mAP, ties at their best",
        "mAP@10 over all relevant",
        "mAP@10 over min(10, relevant)",
        "mAP@10 over found, queries without a hit 0",
        "mAP@10 over found, queries without a hit dropped",
    }
    for name, figure in figures.items():
        assert figure.count == tied.answerable.sum()
        assert figure.people == len({g for g, there in zip(tied.groups, tied.answerable, strict=True) if there})
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval[0] < figure.value < figure.interval[1]
        if "dropped" in name:
            assert figure.value == pytest.approx(ratio(tied, 10))
        else:
            assert figure.value == pytest.approx(np.nanmean(map_variants(10)[name].values(tied)))
    whole, worst, best, _, _, counted, dropped = (figure.value for figure in figures.values())
    assert worst < whole < best
    assert counted < dropped


def test_without_a_hit_there_is_nothing_to_keep() -> None:
    figures = {figure.name: figure for figure in map_figures(tie_groups([[(3, 0), (1, 1)]] * 12), 3)}
    assert figures["mAP@3 over found, queries without a hit 0"].value == 0
    assert figures["mAP@3 over found, queries without a hit dropped"].value is None
    for figure in map_figures(tie_groups([[(3, 0)]]), 3):
        assert figure.value is None
        assert figure.note.startswith("insufficient data")
