"""Reliability bins, and probabilities judged on people who took no part in their fit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.thresholds.calibration import (
    Bin,
    Fit,
    Isotonic,
    Platt,
    cross_calibration,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    reliability,
    with_prior,
)

FITS: list[Fit] = [fit_isotonic, fit_platt]


def test_bins_hold_equally_many_pairs() -> None:
    probabilities = np.linspace(0, 1, 103)
    bins = reliability(probabilities, np.arange(103) % 2 == 0, 10)
    assert len(bins) == 10
    assert sum(each.count for each in bins) == 103
    assert {each.count for each in bins} <= {10, 11}
    assert all(before.high < after.low for before, after in pairwise(bins))
    first = bins[0]
    assert first.probability == pytest.approx(probabilities[: first.count].mean())
    assert first.share == pytest.approx((np.arange(first.count) % 2 == 0).mean())


def test_equal_probabilities_go_where_their_middle_lies() -> None:
    probabilities = np.repeat([0.1, 0.5, 0.9], [4, 4, 2])
    bins = reliability(probabilities, np.arange(10) >= 6, 2)
    assert bins == (Bin(0.1, 0.1, 0.1, 0.0, 4), Bin(0.5, 0.9, pytest.approx(3.8 / 6), pytest.approx(4 / 6), 6))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([2, 5, 1000]))
def test_bins_do_not_depend_on_the_order_of_pairs(seed: int, bins: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, levels + 1, 60) / levels
    same = rng.random(60) < 0.4
    lot = rng.permutation(60)
    one, other = reliability(probabilities, same, bins), reliability(probabilities[lot], same[lot], bins)
    assert [(b.low, b.high, b.count) for b in one] == [(b.low, b.high, b.count) for b in other]
    assert [b.share for b in one] == pytest.approx([b.share for b in other])
    assert sum(b.count for b in one) == 60
    assert all(before.high < after.low for before, after in pairwise(one))


def test_the_error_is_the_mean_distance_from_the_diagonal() -> None:
    bins = (Bin(0, 0.2, 0.1, 0.2, 30), Bin(0.2, 1, 0.8, 0.5, 10))
    assert expected_calibration_error(bins) == pytest.approx((30 * 0.1 + 10 * 0.3) / 40)
    perfect = np.repeat([0.25, 0.75], 40)
    same = np.concatenate([np.arange(40) < 10, np.arange(40) < 30])
    assert expected_calibration_error(reliability(perfect, same)) == pytest.approx(0)
    assert expected_calibration_error(reliability(1 - perfect, same)) == pytest.approx(0.5)


def test_reliability_needs_pairs_and_probabilities() -> None:
    for probabilities, same in (([], []), ([0.5], [True, False]), ([1.5], [True])):
        with pytest.raises(ValueError, match="N probabilities"):
            reliability(probabilities, same)


def people_pairs(seed: int, people: int, photos: int = 3) -> tuple[np.ndarray, np.ndarray, list[int], list[int]]:
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), photos)
    vectors = rng.normal(size=(people, 6))[who] + 0.35 * rng.normal(size=(len(who), 6))
    left, right = np.triu_indices(len(who), 1)
    distances = np.linalg.norm(vectors[left] - vectors[right], axis=1)
    return distances, who[left] == who[right], who[left].tolist(), who[right].tolist()


@pytest.mark.parametrize("fit", FITS)
def test_no_person_takes_part_in_the_fit_that_judges_it(fit: Fit) -> None:
    distances, same, first, second = people_pairs(0, 25)
    asked: list[tuple[int, int, np.ndarray]] = []

    def spy(x: np.ndarray, y: np.ndarray, people: int, metric: str) -> Isotonic | Platt:
        asked.append((people, int(np.sum(y)), np.asarray(x)))
        return fit(x, y, people, metric)

    found = cross_calibration(distances, same, first, second, "euclidean", fit=spy)
    assert [people for people, _, _ in asked] == [20] * 5
    assert [count for _, count, _ in asked] == [60] * 5  # three same pairs of each of twenty people
    assert same[found.kept].sum() == same.sum() == 75
    assert (~same[found.kept]).sum() == 5 * 10 * 9  # ten pairs of five people, nine pairs of photos
    assert (found.same == same[found.kept]).all()
    assert found.prior == pytest.approx(found.same.mean())
    held = dict(zip(distances[found.kept].tolist(), found.probabilities.tolist(), strict=True))
    for _, _, seen in asked:
        # What is held out of a fit gets that fit's probability, at the prior of the pairs kept.
        model = with_prior(fit(seen, np.isin(seen, distances[same]), 20, "euclidean"), found.prior)
        mine = [d for d in held if d not in set(seen.tolist())]
        assert any(np.isclose(model.probability([d])[0], held[d]) for d in mine)


def test_judged_on_other_people_the_probabilities_are_reliable() -> None:
    distances, same, first, second = people_pairs(1, 60)
    for fit in FITS:
        found = cross_calibration(distances, same, first, second, "euclidean", fit=fit)
        assert expected_calibration_error(reliability(found.probabilities, found.same)) < 0.04
        assert found.probabilities[found.same].mean() > found.probabilities[~found.same].mean() + 0.5


def test_cross_calibration_is_drawn_from_its_seed() -> None:
    pairs = people_pairs(2, 20)
    one, again, other = (cross_calibration(*pairs, "euclidean", seed=seed) for seed in (1, 1, 2))
    assert (one.kept == again.kept).all()
    assert (one.probabilities == again.probabilities).all()
    assert (one.kept != other.kept).any()


def test_too_few_people_are_not_cross_calibrated() -> None:
    with pytest.raises(FacematchError, match=r"insufficient data: .* of 8\."):
        cross_calibration(*people_pairs(0, 10, 6), "euclidean")
    distances, same, first, second = people_pairs(0, 20)
    with pytest.raises(ValueError, match="and only then"):
        cross_calibration(distances, ~same, first, second, "euclidean")
    with pytest.raises(ValueError, match="two folds"):
        cross_calibration(distances, same, first, second, "euclidean", folds=1)
