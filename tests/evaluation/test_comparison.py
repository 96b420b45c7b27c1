"""The paired comparison of two systems against sign flips by hand and simulated equals."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.evaluation.comparison import compare, contributions, paired, paired_values, sign_flip
from facematch.evaluation.outcomes import Outcomes

WEIGHTS = (600.0, 300.0, 100.0)


def validated(closer: list[int], each: int = 2, others: int = 200, prefix: str = "q") -> Outcomes:
    return Outcomes(
        tuple(f"{prefix}{i}" for i in range(len(closer))),
        tuple(f"id{i // each}" for i in range(len(closer))),
        tuple((d,) for d in closer),
        (others,) * len(closer),
    )


def test_a_better_system_is_told_from_a_worse_one() -> None:
    rng = np.random.default_rng(0)
    worse = rng.choice([0, 3, 7, 50], 80).tolist()
    better = [0 if rng.random() < 0.7 else d for d in worse]
    told = compare(validated(better), validated(worse), gallery=150, weights=WEIGHTS)
    assert told is not None
    assert told.interval is not None
    assert told.interval[0] > 0
    assert told.p_value < 0.001
    assert (told.people, told.queries) == (40, 80)
    back = compare(validated(worse), validated(better), gallery=150, weights=WEIGHTS)
    assert back is not None
    assert back.difference == pytest.approx(-told.difference)


def test_the_difference_is_that_of_the_scores_on_shared_queries() -> None:
    ours, best = validated([0, 2, 7, 40], others=60), validated([0, 40, 0, 40, 0, 0], others=60)
    told = compare(ours, best, gallery=61, weights=WEIGHTS)
    assert told is not None
    assert told.difference == pytest.approx(((1000 - 1000) + (400 - 0) + (100 - 1000) + 0) / 4)
    assert told.queries == 4
    assert told.interval is None  # two people
    assert told.as_dict()["interval"] is None


def test_a_system_is_no_better_than_itself() -> None:
    same = validated([0, 1, 5, 20] * 10)
    told = compare(same, same, gallery=300, weights=WEIGHTS)
    assert told is not None
    assert (told.difference, told.interval, told.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_no_shared_query_is_no_comparison() -> None:
    assert compare(validated([0, 1]), validated([0, 1], prefix="r"), gallery=10, weights=WEIGHTS) is None
    assert compare(validated([]), validated([0, 1]), gallery=10, weights=WEIGHTS) is None


def test_validations_of_different_size_are_compared_at_one_gallery() -> None:
    # In twice the gallery twice as many photos are closer: the same system, seen twice.
    small, large = validated([4, 8, 0, 0] * 5, others=100), validated([8, 16, 0, 0] * 5, others=200)
    told = compare(small, large, gallery=51, weights=WEIGHTS)
    assert told is not None
    assert abs(told.difference) < 15


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_few_people_are_flipped_in_every_way(sums: list[int]) -> None:
    every = [
        abs(sum(s * d for s, d in zip(signs, sums, strict=True)))
        for signs in itertools.product([1, -1], repeat=len(sums))
    ]
    expected = np.mean([value >= abs(sum(sums)) for value in every])
    assert sign_flip(np.array(sums, dtype=float), 10, np.random.default_rng(0)) == pytest.approx(expected)


def test_equal_systems_are_called_different_as_often_as_they_should() -> None:
    rng = np.random.default_rng(5)
    called = [sign_flip(rng.normal(size=30), 400, rng) < 0.05 for _ in range(400)]
    assert 0.02 <= np.mean(called) <= 0.09


def test_contributions_are_weighted_hits() -> None:
    assert contributions(validated([0, 1, 5, 10], others=30), 31, WEIGHTS) == pytest.approx(
        {"q0": 1000.0, "q1": 400.0, "q2": 100.0, "q3": 0.0}
    )


def naive_p_value(differences: list[float], groups: list[int]) -> float:
    sums = [sum(d for d, g in zip(differences, groups, strict=True) if g == person) for person in dict.fromkeys(groups)]
    every = [
        abs(sum(s * d for s, d in zip(signs, sums, strict=True)))
        for signs in itertools.product([1, -1], repeat=len(sums))
    ]
    return float(np.mean([value >= abs(sum(sums)) - 1e-9 for value in every]))


PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 7)), min_size=1, max_size=25)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_paired_differences_of_few_people_are_flipped_person_by_person(pairs: list[tuple[int, int]]) -> None:
    differences, groups = [d / 4 for d, _ in pairs], [g for _, g in pairs]
    told = paired(differences, groups)
    assert told.difference == pytest.approx(np.mean(differences))
    assert told.p_value == pytest.approx(naive_p_value(differences, groups))
    assert (told.queries, told.people) == (len(pairs), len(set(groups)))
    assert told.interval is None  # at most eight people


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 30)), min_size=1, max_size=60), st.integers(0, 9))
def test_paired_is_the_same_both_ways_round(pairs: list[tuple[int, int]], seed: int) -> None:
    ours, groups = [d / 4 for d, _ in pairs], [g for _, g in pairs]
    there = paired(ours, groups, rounds=300, seed=seed)
    back = paired([-d for d in ours], groups, rounds=300, seed=seed)
    assert back.difference == pytest.approx(-there.difference)
    assert back.p_value == there.p_value
    if there.interval is None:
        assert back.interval is None
    else:
        assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))


@pytest.mark.parametrize("people", [1, 9, 10, 40])
def test_without_a_difference_paired_is_sure_of_nothing(people: int) -> None:
    told = paired([0.0] * people * 2, list(range(people)) * 2, rounds=200)
    assert (told.difference, told.p_value) == (0.0, 1.0)
    assert told.interval == (None if people < 10 else (0.0, 0.0))


def test_a_person_with_many_queries_is_one_person() -> None:
    # The same hundred differences: of one person they are one coin, of a hundred people a hundred.
    assert paired([1.0] * 100, ["ann"] * 100).p_value == 1.0
    assert paired([1.0] * 100, list(range(100))).p_value < 0.001


def test_many_people_are_flipped_at_random_close_to_the_exact_test() -> None:
    differences = [1.0, -0.5, 0.75, 1.5, -1.0, 0.25, 2.0, 0.5, -0.25, 1.25, 0.5, -0.75, 1.0]
    people = list(range(13))  # one more than is tried in every way
    told = paired(differences, people, rounds=20_000)
    assert told.p_value == pytest.approx(naive_p_value(differences, people), abs=0.006)
    assert told.interval is not None
    assert told.interval[0] < told.difference < told.interval[1]


def test_no_query_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no query to compare"):
        paired([], [])


def test_differences_are_taken_where_both_are_defined() -> None:
    found = paired_values(np.array([0.5, np.nan, 1.0, 0.25]), np.array([0.25, 0.5, np.nan, 0.5]), ["a", "b", "c", "d"])
    assert found.queries == 2
    assert found.difference == pytest.approx(0.0)
