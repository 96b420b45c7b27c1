"""What a system reaches on each query, against plain loops; pairs and Holm's correction against their definitions."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.evaluation.comparison import paired
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.retrieval import average_precision, hit_at
from facematch.evaluation.task import halves
from facematch.tasks.compare.data import compare_pairs, draws_for, holm
from facematch.tasks.compare.results import (
    FIGURES,
    Cost,
    Result,
    f1_across,
    joint_cost,
    query_values,
    result_from_json,
    system_figures,
)
from facematch.tasks.compare.weights import across_halves, tune_weights, weight_grid

WEIGHTS = (600.0, 300.0, 100.0)


def made(people: int = 12, photos: int = 2, gallery: int = 9, seed: int = 0, *, ties: bool = False) -> RelevanceMatrix:
    rng = np.random.default_rng(seed)
    count = people * photos
    right = rng.random((count, gallery)) < 0.3
    distances = np.sort(rng.random((count, gallery)), axis=1).astype(np.float32)
    if ties:
        distances = np.floor(4 * distances).astype(np.float32)
    relevant = right.sum(axis=1)
    groups = tuple(f"p{number // photos}" for number in range(count))
    return RelevanceMatrix(tuple(f"q{i}" for i in range(count)), groups, right, distances, relevant, gallery - relevant)


def test_values_without_ties_are_the_plain_figures() -> None:
    judged = made()
    values = query_values(judged, np.zeros(len(judged), np.bool_), WEIGHTS)
    for k in (1, 5, 10):
        assert values[f"top-{k}"] == pytest.approx(hit_at(judged, k), nan_ok=True)
    assert values["mAP"] == pytest.approx(average_precision(judged), nan_ok=True)
    expected = 600 * hit_at(judged, 1) + 300 * hit_at(judged, 5) + 100 * hit_at(judged, 10)
    assert values["score"] == pytest.approx(expected, nan_ok=True)
    assert set(values) == set(FIGURES)


def test_values_with_ties_are_means_over_their_orders() -> None:
    judged = made(ties=True)
    rng, sums = np.random.default_rng(1), np.zeros(len(judged))
    for _ in range(400):
        shuffled = np.lexsort((rng.random(judged.right.shape), judged.distances), axis=1)
        sums += np.take_along_axis(judged.right, shuffled, 1)[:, 0]
    values = query_values(judged, np.zeros(len(judged), np.bool_), WEIGHTS)
    known = judged.answerable
    assert values["top-1"][known] == pytest.approx(sums[known] / 400, abs=0.1)


def test_a_lost_query_reaches_nothing() -> None:
    judged, lost = made(), np.zeros(24, np.bool_)
    lost[3] = True
    values = query_values(judged, lost, WEIGHTS)
    assert judged.answerable[3]
    assert [values[name][3] for name in ("top-1", "top-10", "score", "mAP")] == [0, 0, 0, 0]


def test_f1_is_measured_at_the_threshold_that_is_best_for_the_other_half() -> None:
    judged = made(people=6)
    first = np.array([person in ("p0", "p2", "p4") for person in judged.groups])
    found = f1_across(judged, first)
    for half in (first, ~first):
        rows = np.flatnonzero(half).tolist()
        ways = [[_f1(judged, row, limit) for row in rows] for limit in _best_limits(judged, ~half)]
        assert any(found[half] == pytest.approx(way) for way in ways)
        assert not all(found[half] == pytest.approx([_f1(judged, row, limit) for row in rows])
                       for limit in _best_limits(judged, half))  # fmt: skip
    assert np.isnan(f1_across(judged, np.ones(len(judged), np.bool_))).all()


def _f1(judged: RelevanceMatrix, row: int, limit: float) -> float:
    accepted = judged.distances[row] <= limit
    tp = int((accepted & judged.right[row]).sum())
    whole = int(accepted.sum()) + int(judged.relevant[row])
    return 2 * tp / whole if whole else 1.0


def _best_limits(judged: RelevanceMatrix, rows: np.ndarray) -> list[float]:  # type: ignore[type-arg]
    cuts = sorted({float(value) for value in judged.distances.ravel()})
    middles = [cuts[0] - 1, *((low + high) / 2 for low, high in pairwise(cuts)), cuts[-1] + 1]
    sums = [sum(_f1(judged, row, cut) for row in np.flatnonzero(rows).tolist()) for cut in middles]
    return [cut for cut, total in zip(middles, sums, strict=True) if total > max(sums) - 1e-9]


def test_figures_have_intervals_over_people_and_the_score_its_own_scale() -> None:
    judged = made()
    values = query_values(judged, np.zeros(len(judged), np.bool_), WEIGHTS)
    figures = system_figures(values, judged.groups, 1000)
    assert list(figures) == list(FIGURES)
    assert figures["score"].value == pytest.approx(np.nanmean(values["score"]))
    assert figures["score"].interval is not None
    assert figures["score"].interval[0] <= np.nanmean(values["score"]) <= figures["score"].interval[1] <= 1000
    assert figures["top-1"].people == 12


def test_holm_is_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_p_values_and_bonferroni_in_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for one, other in zip(p_values, adjusted, strict=True):
        assert one <= other <= min(1, one * len(p_values)) + 1e-12
    ordered = [adjusted[i] for i in sorted(range(len(p_values)), key=p_values.__getitem__)]
    assert ordered == sorted(ordered)


def test_pairs_are_compared_person_by_person_the_better_first() -> None:
    rng = np.random.default_rng(0)
    groups = [f"p{number // 2}" for number in range(60)]
    low = rng.random(60)
    systems = {"low": low, "high": low + 0.2 + 0.1 * rng.random(60), "same": low.copy()}
    systems["low"][0] = np.nan  # a query that one does not define leaves its pairs
    pairs = {(pair.better, pair.worse): pair for pair in compare_pairs(systems, groups)}
    assert set(pairs) == {("high", "low"), ("low", "same"), ("high", "same")}
    best = pairs["high", "low"]
    expected = paired((systems["high"] - low)[1:].tolist(), groups[1:])
    assert best.comparison.difference == pytest.approx(expected.difference)
    assert best.comparison.queries == 59
    assert best.real
    assert not pairs["low", "same"].real
    assert pairs["low", "same"].adjusted == 1
    assert pairs["high", "same"].as_dict()["real"] is True


@pytest.mark.parametrize("systems", [2, 12, 25, 60])
def test_many_systems_can_still_be_told_apart(systems: int) -> None:
    pairs = systems * (systems - 1) // 2
    least = 1 / (draws_for(pairs) + 1)  # what a test of random flips can give
    assert max(holm([least] * pairs)) < 0.05


def test_weights_are_chosen_on_one_half_and_measured_on_the_other() -> None:
    people = [f"p{number // 2}" for number in range(40)]
    first = halves(people)
    grid = [(0.5, 0.5), (1.0, 0.0), (0.0, 1.0)]
    rng = np.random.default_rng(0)
    noise = {weights: rng.random(40) / 10 for weights in grid}

    def measure(weights: tuple[float, ...]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        # One half of the people prefers the first system, the other the second.
        good = first if weights == grid[1] else ~first if weights == grid[2] else np.zeros(40, np.bool_)
        return {"score": good + noise[weights], "mAP": noise[weights]}

    weights, values = tune_weights(lambda weights: (measure(weights),) * 2, grid, people, "score")
    assert values["score"][first] == pytest.approx(measure(grid[2])["score"][first])  # chosen by the others
    assert values["score"][~first] == pytest.approx(measure(grid[1])["score"][~first])
    assert values["score"].mean() < 0.2  # what choosing on the same people would have called 1
    assert weights in grid[1:]


def test_what_is_fitted_on_one_half_measures_and_chooses_for_the_other() -> None:
    people = [f"p{number // 2}" for number in range(40)]
    first, grid = halves(people), weight_grid(2)
    seen = []  # with which weights each half's fits were asked

    def measure(weights: tuple[float, ...]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:  # type: ignore[type-arg]
        # Fitted on the second half the first system is better on everybody, fitted on the first half the other one.
        seen.append(weights)
        found = [np.full(40, weight) for weight in weights]
        return {"score": found[0], "mAP": found[0]}, {"score": 2 * found[1], "mAP": found[1]}

    weights, values = tune_weights(measure, grid, people, "score")
    assert (values["score"][first] == 1).all()
    assert (values["score"][~first] == 2).all()
    assert seen[-2:] == [(1.0, 0.0), (0.0, 1.0)]
    assert weights == (0.0, 1.0)  # in the mean of both halves, 2 is more than 1
    joined = across_halves(measure((0.25, 0.75)), people)
    assert joined["score"].tolist() == np.where(first, 0.25, 1.5).tolist()


def test_equal_weights_win_where_nothing_differs() -> None:
    flat = {"score": np.ones(8), "mAP": np.ones(8)}
    assert tune_weights(lambda weights: (flat, flat), weight_grid(2), list("aabbccdd"), "score")[0] == (0.5, 0.5)


@pytest.mark.parametrize(("members", "count"), [(2, 11), (3, 66), (4, 56), (5, 126)])
def test_the_grid_holds_every_share(members: int, count: int) -> None:
    grid = weight_grid(members)
    assert len(grid) == len(set(grid)) == count
    assert all(sum(weights) == pytest.approx(1) for weights in grid)
    assert {max(weights) for weights in grid} >= {1.0}
    spread = [sum(weight**2 for weight in weights) for weights in grid]
    assert spread == pytest.approx(sorted(spread))


def test_results_survive_being_stored() -> None:
    values = {name: np.array([0.5, np.nan, 1.0]) for name in FIGURES}
    result = Result(values, 1, 2, 3, Cost(1.5, 2.5, 0.1, 128, 512, "cosine", "abc"), "a machine", None, (0.4, 0.6))
    back = result_from_json(result.as_json())
    assert all(np.array_equal(back.values[name], values[name], equal_nan=True) for name in FIGURES)
    assert (back.lost, back.behind, back.stand_ins, back.cost, back.weights) == (1, 2, 3, result.cost, (0.4, 0.6))
    assert back.cost.photo_ms == 4.0
    plain = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert result_from_json(plain).as_json() == plain
    for wrong in (
        {"values": {}}, [], plain | {"lost": "x"}, plain | {"cost": {"crop_ms": 1}}, plain | {"values": {"mAP": ["x"]}},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"Field required|dictionary|valid integer|valid number"):
            result_from_json(wrong)
    for values in ({}, {**plain["values"], "mAP": [0.5]}):
        with pytest.raises(ValueError, match="its figures are others, or of different numbers"):
            result_from_json(plain | {"values": values})


def test_an_ensemble_takes_what_its_members_take_but_crops_once() -> None:
    one, other = Cost(10, 2, 0.5, 128, 512, "cosine", "haar"), Cost(10, 3, 0.25, 64, 8, "hamming", "haar")
    third = Cost(5, 1, 0.25, 128, 512, "cosine", "yunet")
    assert joint_cost([one, other], 0.1) == Cost(10, 5, 0.85, 192, 520, "fused")
    assert joint_cost([one, third], 0.0).crop_ms == 15
