"""The score to expect: known systems, laws, and how often the interval holds a competition's score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.evaluation.expectation import Expectation, expect
from facematch.evaluation.outcomes import Outcomes

WEIGHTS = (600.0, 300.0, 100.0)


def validated(closer: list[list[int]], others: int = 300) -> Outcomes:
    """One list for each person: the closer photos of each of its queries; its other queries are right photos too."""
    rows = [(f"id{person}", d) for person, counts in enumerate(closer) for d in counts]
    right = {f"id{person}": max(1, len(counts) - 1) for person, counts in enumerate(closer)}
    return Outcomes(
        tuple(f"q{i}" for i in range(len(rows))),
        tuple(person for person, _ in rows),
        tuple((d,) * right[person] for person, d in rows),
        (others,) * len(rows),
    )


def told(outcomes: Outcomes, queries: int = 100, gallery: int = 250, **more: object) -> Expectation:
    found = expect(outcomes, queries=queries, gallery=gallery, **{"weights": WEIGHTS, "rounds": 500, **more})  # type: ignore[arg-type]
    assert found is not None
    return found


def interval(found: Expectation) -> tuple[float, float]:
    assert found.interval is not None
    return found.interval


def people(rng: np.random.Generator, number: int, each: int = 4) -> list[list[int]]:
    """Half of the people are easy, the others are missed together: photos of one person are alike."""
    return [[0 if rng.random() < ability else 60 for _ in range(each)] for ability in rng.beta(0.5, 0.3, number)]


def test_a_perfect_system_expects_everything_and_says_how_surely() -> None:
    many = told(validated([[0] * 4] * 90))
    assert (many.score, many.top1, many.top5, many.top10) == (1000, 1, 1, 1)
    assert interval(many)[1] == 1000
    assert 930 < interval(many)[0] < 1000
    few = told(validated([[0] * 4] * 12))
    assert interval(few)[0] < interval(many)[0]  # 12 people promise less than 90
    assert many.note == ""


def test_a_system_that_never_hits_expects_nothing() -> None:
    found = told(validated([[200] * 4] * 40))
    assert found.score == pytest.approx(0, abs=1)
    assert interval(found)[0] == pytest.approx(0, abs=1)
    assert 5 < interval(found)[1] < 150


def test_the_point_is_the_plain_mean_in_the_same_gallery() -> None:
    found = told(validated([[0, 0, 3, 200], [0, 7, 200, 200]] * 10, others=300), gallery=303, share=0.0)
    assert (found.top1, found.top5, found.top10) == pytest.approx((3 / 8, 4 / 8, 5 / 8))
    assert found.score == pytest.approx(600 * 3 / 8 + 300 * 4 / 8 + 100 * 5 / 8)
    assert (found.people, found.queries) == (20, 80)


def test_other_weights_are_used() -> None:
    found = told(validated([[0, 3]] * 20, others=300), gallery=301, weights=(1.0, 0.0, 0.0))
    assert found.score == pytest.approx(0.5)
    assert interval(found)[1] <= 1


def test_few_people_get_no_interval_and_a_reason() -> None:
    found = told(validated([[0, 5]] * 9))
    assert found.interval is None
    assert "only 9 people" in found.note
    assert told(validated([[0, 5]] * 10)).interval is not None
    one = told(validated([[0, 0, 0]], others=0), gallery=1)
    assert (one.score, one.interval, one.people) == (1000, None, 1)


def test_a_larger_gallery_is_named_and_one_far_larger_gets_no_interval() -> None:
    outcomes = validated([[0, 0, 2, 30]] * 20, others=97)
    assert told(outcomes, gallery=100).note == ""
    assert "is larger than the 100 of the validation" in told(outcomes, gallery=500).note
    far = told(outcomes, gallery=900)
    assert far.interval is None
    assert "more than 8 times the 100" in far.note


def test_no_query_is_no_expectation() -> None:
    assert expect(Outcomes((), (), (), ()), queries=10, gallery=10, weights=WEIGHTS) is None


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"gallery": 0}, {"rounds": 0}, {"share": 1.5}, {"share": -0.1}])
def test_impossible_tasks_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        expect(validated([[0, 0]] * 10), **{"queries": 10, "gallery": 10, "weights": WEIGHTS, **wrong})  # type: ignore[arg-type]


def test_all_ties_and_same_people_are_alike() -> None:
    found = told(validated([[4, 4, 4]] * 30, others=300), gallery=302, share=0.0)
    assert found.score == pytest.approx(400)
    assert interval(found)[0] <= 400 <= interval(found)[1]


def test_the_same_seed_gives_the_same_interval_and_json() -> None:
    outcomes = validated(people(np.random.default_rng(0), 20))
    assert told(outcomes, seed=3) == told(outcomes, seed=3)
    assert told(outcomes, seed=3).as_dict()["interval"] == list(interval(told(outcomes, seed=3)))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 1000), st.integers(10, 300))
def test_laws(seed: int, gallery: int, queries: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = validated([rng.choice([0, 1, 4, 8, 40], rng.integers(2, 6)).tolist() for _ in range(15)])
    found = told(outcomes, queries, gallery)
    low, high = interval(found)
    assert 0 <= low <= found.score <= high <= 1000
    assert found.top1 <= found.top5 <= found.top10
    # With the same share of queries, a larger gallery is never easier.
    assert (
        told(outcomes, queries, 2 * gallery, share=0.3).score
        <= told(outcomes, queries, gallery, share=0.3).score + 1e-6
    )
    order = rng.permutation(len(outcomes)).tolist()
    mixed = Outcomes(
        *(
            tuple(column[i] for i in order)
            for column in (outcomes.queries, outcomes.identities, outcomes.closer, outcomes.others)
        )
    )
    assert told(mixed, queries, gallery).score == pytest.approx(found.score)


def test_fewer_queries_and_fewer_people_are_less_sure() -> None:
    rng = np.random.default_rng(1)
    crowd = people(rng, 80)

    def width(found: Expectation) -> float:
        return interval(found)[1] - interval(found)[0]

    assert width(told(validated(crowd), queries=25)) > 1.3 * width(told(validated(crowd), queries=500))
    assert width(told(validated(crowd[:12]))) > 1.5 * width(told(validated(crowd)))


def test_more_queries_of_a_person_leave_fewer_right_photos() -> None:
    outcomes = Outcomes(
        tuple(f"q{i}" for i in range(80)), tuple(f"id{i // 4}" for i in range(80)), ((0, 20, 80),) * 80, (300,) * 80
    )
    assert told(outcomes, share=0.5).score < told(outcomes, share=0.2).score < told(outcomes, share=0.0).score


def test_the_interval_holds_the_score_of_a_competition_where_the_naive_one_does_not() -> None:
    held = naive = 0
    for trial in range(120):  # each with other people in validation and in the competition
        rng = np.random.default_rng(trial)
        outcomes = validated(people(rng, 25), others=300)
        server = 1000 * np.mean([d == 0 for person in people(rng, 40, 2) for d in person])  # 80 queries
        low, high = interval(told(outcomes, queries=80, gallery=300, share=0.5, seed=trial))
        held += low <= server <= high
        hits = np.array([counts[0] == 0 for counts in outcomes.closer])
        half = 1960 * hits.std() * np.sqrt(1 / len(hits) + 1 / 80)
        naive += abs(1000 * hits.mean() - server) <= half
    assert held >= 111
    assert naive <= 104
