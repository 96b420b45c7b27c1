"""Retrieval figures against plain loops, one query at a time, and a ranking worked out by hand."""

from collections.abc import Callable
from functools import partial
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.relevance import RelevanceMatrix, pooled
from facematch.evaluation.retrieval import (
    RETRIEVAL_METRICS,
    average_precision,
    average_precision_at_r,
    cmc,
    hit_at,
    precision_at,
    precision_recall_curve,
    r_precision,
    recall_at,
    reciprocal_rank,
    retrieval_figures,
)
from judged_rankings import judged_by_identity, random_judged, rows

Right = list[bool]


def precision(right: Right, place: int) -> float:
    return sum(right[:place]) / place


def naive_ap(right: Right, relevant: int) -> float:
    return sum(precision(right, i + 1) for i, r in enumerate(right) if r) / relevant


def naive_trapezoid(right: Right, relevant: int) -> float:
    total = 0.0
    for i, r in enumerate(right):
        if r:
            before = precision(right, i) if i else 1.0
            total += (before + precision(right, i + 1)) / 2
    return total / relevant


def naive_reciprocal(right: Right, relevant: int) -> float:
    return next((1 / place for place, r in enumerate(right, 1) if r), 0.0)


CASES: list[tuple[Callable[[RelevanceMatrix], Floats], Callable[[Right, int], float]]] = [
    (partial(hit_at, k=1), lambda right, _: float(right[0])),
    (partial(hit_at, k=3), lambda right, _: float(any(right[:3]))),
    (partial(precision_at, k=3), lambda right, _: sum(right[:3]) / 3),
    (partial(precision_at, k=50), lambda right, _: sum(right[:50]) / 50),
    (partial(recall_at, k=3), lambda right, relevant: sum(right[:3]) / relevant),
    (average_precision, naive_ap),
    (partial(average_precision, rule="trapezoid"), naive_trapezoid),
    (average_precision_at_r, lambda right, relevant: naive_ap(right[:relevant], relevant)),
    (r_precision, lambda right, relevant: sum(right[:relevant]) / relevant),
    (reciprocal_rank, naive_reciprocal),
]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 15))
def test_every_metric_equals_a_plain_loop(seed: int, queries: int, photos: int) -> None:
    judged = random_judged(seed, queries, photos)
    for metric, naive in CASES:
        expected = [naive(right, relevant) if relevant else nan for right, relevant in rows(judged)]
        found = metric(judged)
        assert found.dtype == np.float64
        assert found.tolist() == pytest.approx(expected, nan_ok=True)


def by_hand() -> RelevanceMatrix:
    # Right at places 1, 3 and 6 of 8; a second query shows a person who is not in the gallery.
    distances = np.tile(np.arange(8.0), (2, 1))
    return judged_by_identity(distances, [7, 9], [7, 0, 7, 1, 2, 7, 3, 4])


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (partial(hit_at, k=1), 1.0),
        (partial(precision_at, k=5), 2 / 5),
        (partial(recall_at, k=5), 2 / 3),
        (average_precision, (1 + 2 / 3 + 3 / 6) / 3),
        (partial(average_precision, rule="trapezoid"), ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2 + (2 / 5 + 3 / 6) / 2) / 3),
        (average_precision_at_r, (1 + 2 / 3) / 3),
        (r_precision, 2 / 3),
        (reciprocal_rank, 1.0),
    ],
)
def test_a_ranking_worked_out_by_hand(metric: Callable[[RelevanceMatrix], Floats], value: float) -> None:
    known, unknown = metric(by_hand()).tolist()
    assert known == pytest.approx(value)
    assert isnan(unknown)


def test_interpolated_precision_worked_out_by_hand() -> None:
    # The three right photos have precision 1, 2/3 and 1/2: the levels below recall 1/3, 2/3 and 1.
    recall, precisions = precision_recall_curve(by_hand(), 11)
    assert recall.tolist() == pytest.approx([i / 10 for i in range(11)])
    assert precisions.tolist() == pytest.approx([1.0] * 4 + [2 / 3] * 3 + [1 / 2] * 4)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 15), st.integers(2, 12))
def test_curves_equal_plain_loops(seed: int, queries: int, photos: int, points: int) -> None:
    judged = random_judged(seed, queries, photos)
    known = [(right, relevant) for right, relevant in rows(judged) if relevant]
    recall, precisions = precision_recall_curve(judged, points)
    hits = cmc(judged, photos)
    if not known:
        assert np.isnan(precisions).all()
        assert np.isnan(hits).all()
        return
    for level in range(points):
        best = [
            # Recall a/b at least i/n, in whole numbers.
            max(
                precision(right, at)
                for at in range(1, photos + 1)
                if sum(right[:at]) * (points - 1) >= level * relevant
            )
            for right, relevant in known
        ]
        assert precisions[level] == pytest.approx(np.mean(best))
        assert recall[level] == pytest.approx(level / (points - 1))
    for place in range(1, photos + 1):
        assert hits[place - 1] == pytest.approx(np.mean([any(right[:place]) for right, _ in known]))
        assert hits[place - 1] == pytest.approx(np.nanmean(hit_at(judged, place)))


def test_a_curve_has_two_points() -> None:
    with pytest.raises(ValueError, match="at least 2 points, not 1"):
        precision_recall_curve(by_hand(), 1)


def test_a_recall_that_is_never_reached_has_precision_0() -> None:
    judged = by_hand()
    missed = RelevanceMatrix(
        judged.queries, judged.groups, judged.right, judged.distances, judged.relevant + 1, judged.wrong - 1
    )
    _, precisions = precision_recall_curve(missed, 5)
    assert precisions.tolist()[-1] == pytest.approx(0)


def test_a_short_ranking_gives_the_figures_that_it_can() -> None:
    figures = {
        figure.name: figure for figure in retrieval_figures(random_judged(3, 40, 60, people=12, k=10), rounds=50)
    }
    assert list(figures) == list(RETRIEVAL_METRICS)
    for name in ("top-1", "top-5", "top-10", "mAP@R", "R-precision", "precision@10", "recall@10"):
        value, interval = figures[name].value, figures[name].interval
        assert value is not None, name
        assert interval is not None, name
        assert interval[0] <= value <= interval[1]
    for name in ("mAP", "mAP (trapezoid)", "MRR"):
        assert figures[name].value is None
        assert str(figures[name]) == "insufficient data"
        assert f"insufficient data: {name} needs the whole ranking" in figures[name].note


def test_a_whole_ranking_of_a_small_gallery_is_long_enough() -> None:
    figures = retrieval_figures(random_judged(0, 30, 4, people=3), rounds=20)
    assert all(figure.value is not None for figure in figures)


def test_figures_are_means_over_mated_queries() -> None:
    judged = random_judged(1, 60, 40, people=15)
    assert not judged.answerable.all()
    for figure in retrieval_figures(judged, rounds=20):
        values = RETRIEVAL_METRICS[figure.name](judged)
        assert figure.value == pytest.approx(np.nanmean(values))
        assert figure.count == judged.answerable.sum()
        assert figure.people == len({g for g, m in zip(judged.groups, judged.answerable, strict=True) if m})


def test_without_a_mated_query_no_figure_has_a_value() -> None:
    for figure in retrieval_figures(judged_by_identity(np.zeros((3, 4)), [9, 9, 9], [0, 1, 2, 3])):
        assert figure.value is None
        assert figure.note == "insufficient data: none of 3 queries defines it"


def test_too_short_a_ranking_names_what_is_missing() -> None:
    judged = random_judged(0, 3, 20, people=2, k=4)
    with pytest.raises(
        FacematchError, match="top-5 needs the first 5 photos of every ranking; that of q000 ends after 4"
    ):
        hit_at(judged, 5)
    with pytest.raises(FacematchError, match="mAP@5 needs the first 5 photos of every ranking"):
        average_precision(judged, 5)
    whole = random_judged(0, 3, 20, people=2)
    np.testing.assert_array_equal(average_precision(judged, 4), average_precision(whole, 4))
    for metric in (average_precision, reciprocal_rank, precision_recall_curve):
        with pytest.raises(FacematchError, match="needs the whole ranking"):
            metric(judged)
    one_person = judged_by_identity(np.arange(6.0)[None], [0], [0] * 5 + [1], k=4)
    with pytest.raises(FacematchError, match="mAP@R needs the first 5 photos of every ranking; that of q000 ends"):
        average_precision_at_r(one_person)
    judged.require_places(4, "this")
    one_short = random_judged(0, 3, 20, people=2, k=19)
    with pytest.raises(FacematchError, match="top-30 needs the first 20 photos"):
        hit_at(one_short, 30)


def test_places_count_from_1() -> None:
    for metric in (hit_at, precision_at, recall_at, cmc):
        with pytest.raises(ValueError, match="places count from 1"):
            metric(by_hand(), 0)


def test_pooled_folds_give_the_values_of_each() -> None:
    parts = [random_judged(seed, 5, 6 + seed, people=3) for seed in range(3)]
    for metric in RETRIEVAL_METRICS.values():
        expected = np.concatenate([metric(part) for part in parts])
        np.testing.assert_allclose(metric(pooled(parts)), expected)
