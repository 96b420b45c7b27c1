"""Open-set identification against plain loops, and against the ROC it becomes with one gallery photo."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import draw_weights, expanded_percentiles
from facematch.evaluation.open_set import dir_curve, open_set_figures
from facematch.evaluation.relevance import RelevanceMatrix, pooled, relevance_matrix
from facematch.evaluation.verification import Pairs, roc
from facematch.ranking.ranking import Ranking
from plain_open_set import fnir_at_fpir

Query = tuple[list[tuple[float, bool]], str]  # its row of (distance, right) in order, and whom it shows

rows = st.lists(st.tuples(st.integers(0, 5).map(float), st.booleans()), min_size=3, max_size=3).map(sorted)
queries = st.lists(st.tuples(rows, st.sampled_from("abcd")), max_size=8)


def judged_of(asked: Sequence[Query], width: int = 3) -> RelevanceMatrix:
    """Whole rankings of a gallery of `width` photos."""
    right = np.array([[each for _, each in row] for row, _ in asked], dtype=np.bool_).reshape(-1, width)
    distances = np.array([[each for each, _ in row] for row, _ in asked], dtype=np.float32).reshape(-1, width)
    found = right.sum(axis=1).astype(np.int64)
    names = tuple(f"q{number}" for number in range(len(asked)))
    return RelevanceMatrix(names, tuple(person for _, person in asked), right, distances, found, width - found)


def random_judged(seed: int, people: int = 12, photos: int = 2, gap: float = 1.0) -> RelevanceMatrix:
    """Each person asks with `photos` photos; every third is not in the gallery of eight."""
    rng = np.random.default_rng(seed)
    asked: list[Query] = []
    for person in range(people):
        for _ in range(photos):
            row = [(float(np.float32(rng.normal() + gap)), False) for _ in range(8)]
            if person % 3:
                row[0] = (float(np.float32(rng.normal())), True)
            asked.append((sorted(row), f"p{person}"))
    return judged_of(asked, 8)


def naive_rates(asked: Sequence[Query], threshold: float, rank: int) -> tuple[float, float]:
    """(FPIR, DIR) at one threshold."""
    alarms, found = [], []
    for row, _ in asked:
        if any(right for _, right in row):
            found.append(any(right and distance <= threshold for distance, right in row[:rank]))
        else:
            alarms.append(any(distance <= threshold for distance, _ in row))
    fpir = sum(alarms) / len(alarms) if alarms else math.nan
    return fpir, sum(found) / len(found) if found else math.nan


def naive_fnir(asked: Sequence[Query], limit: float, rank: int) -> float:
    thresholds = [-1.0, *sorted({distance for row, _ in asked for distance, _ in row})]
    rates = [naive_rates(asked, threshold, rank) for threshold in thresholds]
    if any(math.isnan(value) for pair in rates for value in pair):
        return math.nan
    return 1 - [found for fpir, found in rates if fpir <= limit][-1]


@settings(deadline=None)
@given(queries, st.integers(1, 4), st.floats(0.01, 0.99))
def test_equals_naive_loops(asked: list[Query], rank: int, limit: float) -> None:
    judged = judged_of(asked)
    curve = dir_curve(judged, rank)
    assert curve.thresholds[0] == -math.inf
    assert (np.diff(curve.thresholds) > 0).all()
    for threshold, fpir, found in zip(curve.thresholds, curve.fpir, curve.dir, strict=True):
        assert (fpir, found) == pytest.approx(naive_rates(asked, threshold, rank), nan_ok=True)
    assert fnir_at_fpir(judged, limit, rank) == pytest.approx(naive_fnir(asked, limit, rank), nan_ok=True)


@settings(deadline=None)
@given(queries, st.floats(0.01, 0.99))
def test_more_places_never_miss_more(asked: list[Query], limit: float) -> None:
    rates = [fnir_at_fpir(judged_of(asked), limit, rank) for rank in (1, 2, 3)]
    if not math.isnan(rates[0]):
        assert rates == sorted(rates, reverse=True)
    curve = dir_curve(judged_of(asked), 3)
    assert not (np.diff(curve.fpir) < 0).any()
    assert not (np.diff(curve.dir) < 0).any()


def test_with_one_gallery_photo_it_is_verification() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(60) < 0.5
    distances = np.round(rng.normal(size=60) + ~right, 1)
    judged = judged_of(
        [([(float(d), bool(r))], f"p{n}") for n, (d, r) in enumerate(zip(distances, right, strict=True))], 1
    )
    curve = dir_curve(judged)
    codes = np.zeros(60, np.int64)
    pairs = roc(Pairs(distances.astype(np.float32).astype(np.float64), right, codes, np.where(right, 0, 1)))
    assert (curve.thresholds == pairs.thresholds).all()
    assert (curve.fpir == pairs.far).all()
    assert (curve.dir == pairs.tar).all()
    false_positive, false_negative, _ = det_curve(right, -distances)
    points = set(zip(curve.fpir.tolist(), (1 - curve.dir).round(12).tolist(), strict=True))
    assert set(zip(false_positive.tolist(), false_negative.round(12).tolist(), strict=True)) <= points


def test_a_ranking_of_photos_is_judged_first() -> None:
    indices = np.array([[0, 1], [1, 0], [0, 1]])
    distances = np.array([[1, 4], [2, 3], [3, 5]], np.float32)
    ranking = Ranking(("q0", "q1", "q2"), ("ann", "bob"), indices, distances, "euclidean")
    judged = relevance_matrix(ranking, [{"ann"}, {"ann"}, set()])
    assert fnir_at_fpir(judged, 0.5) == 0.5  # q1's nearest is bob
    assert fnir_at_fpir(judged, 0.5, rank=2) == 0.5  # ann stands at 3, where q2 alarms
    assert dir_curve(judged, 2).dir.tolist() == [0, 0.5, 1]


# --- contract cases -------------------------------------------------------------------------------


def test_ideal_queries_are_all_found_without_an_alarm() -> None:
    judged = random_judged(0, gap=50)
    assert fnir_at_fpir(judged, 0.001) == 0
    figure = open_set_figures(judged, (0.2,), rounds=40)[0]
    assert (figure.value, figure.interval) == (0, (0, 0))
    assert (figure.count, figure.people) == (24, 12)


def test_unknown_people_as_near_as_known_ones() -> None:
    found = fnir_at_fpir(random_judged(0, people=600, gap=0), 0.1)
    assert found > 0.9  # the nearest of eight alarms before one right photo is accepted


def test_all_distances_equal() -> None:
    row = [(1.0, True), (1.0, False), (1.0, False)]
    judged = judged_of([(row, "a"), ([(1.0, False)] * 3, "b")])
    assert fnir_at_fpir(judged, 0.9) == 1
    assert dir_curve(judged).dir.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "insufficient data: 0 unknown queries, an FPIR of 0.5 needs at least 2"),
        ([([(1.0, True)], "a")], "insufficient data: 0 unknown queries, an FPIR of 0.5 needs at least 2"),
        ([([(1.0, False)], "a")], "insufficient data: 1 unknown queries, an FPIR of 0.5 needs at least 2"),
        ([([(1.0, False)], "a")] * 2, "insufficient data: no query has a right photo in the gallery"),
    ],
)
def test_without_both_kinds_nothing_is_defined(asked: list[Query], words: str) -> None:
    judged = judged_of(asked, 1)
    assert math.isnan(fnir_at_fpir(judged, 0.5))
    figure = open_set_figures(judged, (0.5,), rounds=10)[0]
    assert (figure.value, figure.interval, figure.note) == (None, None, words)


def test_an_fpir_beyond_the_unknown_queries_says_how_many_it_needs() -> None:
    judged = random_judged(0, people=15)  # ten unknown queries
    found = open_set_figures(judged, (0.1, 0.01), rank=2, rounds=20)
    assert [figure.name for figure in found] == ["FNIR@FPIR=0.1, rank 2", "FNIR@FPIR=0.01, rank 2"]
    assert found[0].value is not None
    assert found[1].note == "insufficient data: 10 unknown queries, an FPIR of 0.01 needs at least 100"
    for bad in (0, 1):
        with pytest.raises(ValueError, match="a false positive identification rate is a share above 0"):
            open_set_figures(judged, (bad,))


def test_an_unknown_query_that_meets_no_photo_never_alarms() -> None:
    judged = random_judged(3)
    empty = RelevanceMatrix(
        ("q",), ("p0",), np.zeros((1, 8), np.bool_), np.full((1, 8), np.inf, np.float32), *np.zeros((2, 1), np.int64)
    )
    both = pooled([judged, empty])
    assert dir_curve(both).fpir == pytest.approx(dir_curve(judged).fpir * 8 / 9)
    limits = [each / 50 for each in range(6, 50)]
    found = open_set_figures(both, limits, rounds=2)
    assert [figure.value for figure in found] == [fnir_at_fpir(both, limit) for limit in limits]


def test_places_that_were_not_kept_are_an_error() -> None:
    whole = random_judged(0)
    short = RelevanceMatrix(
        whole.queries, whole.groups, whole.right[:, :3], whole.distances[:, :3], whole.relevant, whole.wrong
    )
    assert fnir_at_fpir(short, 0.2, 3) == fnir_at_fpir(whole, 0.2, 3)
    with pytest.raises(FacematchError, match="at rank 4 need the first 4 places; the ranking of q0 ends after 3"):
        dir_curve(short, 4)
    with pytest.raises(ValueError, match="rank is 0"):
        dir_curve(whole, 0)


def test_a_gallery_smaller_than_the_rank_is_whole() -> None:
    parts = [random_judged(0), judged_of([([(0.5, True)], "x"), ([(0.1, False)], "y")], 1)]
    judged = pooled(parts)
    assert dir_curve(judged, 5).dir[-1] == pytest.approx(
        np.mean([1, *(parts[0].right[:, :5].any(1)[parts[0].answerable])])
    )


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 3])
def test_intervals_equal_a_bootstrap_that_copies_people(rank: int) -> None:
    judged = random_judged(4)
    asked: list[Query] = [
        (list(zip(judged.distances[row].tolist(), judged.right[row].tolist(), strict=True)), str(judged.groups[row]))
        for row in range(len(judged))
    ]
    drawn = []
    for weights in draw_weights(12, 40, np.random.default_rng(7)).astype(int).tolist():
        copies = [query for query in asked for _ in range(weights[int(query[1][1:])])]
        drawn.append(naive_fnir(copies, 0.3, rank))
    low, high = expanded_percentiles(np.array(drawn), 12)
    plain = fnir_at_fpir(judged, 0.3, rank)
    figure = open_set_figures(judged, (0.3,), rank, rounds=40, seed=7)[0]
    assert figure.value == pytest.approx(plain)
    assert figure.interval == pytest.approx((min(low, plain), max(high, plain)))


def test_a_person_known_in_one_fold_and_unknown_in_another_is_one_person() -> None:
    judged = pooled([random_judged(1), random_judged(2)])
    figure = open_set_figures(judged, (0.2,), rounds=30)[0]
    assert (figure.count, figure.people) == (48, 12)
