"""Sets of accepted photos against plain loops over names, scikit-learn and a table worked out by hand."""

from collections.abc import Sequence
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_recall_fscore_support

from facematch.core.errors import FacematchError
from facematch.evaluation.classes import ClassScore, SetScores, by_class, class_figures, set_scores, top_k_accepted
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.retrieval import precision_at, recall_at
from judged_rankings import judged_by_identity, random_judged, rows
from plain_set_metrics import SET_METRICS, f1_macro, f1_micro, macro, precision_micro, recall_micro


def scores(tp: Sequence[int], fp: Sequence[int], fn: Sequence[int]) -> SetScores:
    return SetScores(*(np.array(counts, dtype=np.int64) for counts in (tp, fp, fn)))


def random_answer(seed: int, queries: int, photos: int, people: int = 4) -> tuple[RelevanceMatrix, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    judged = random_judged(seed, queries, photos, people=people)
    return judged, rng.random(judged.right.shape) < rng.random()


def as_labels(judged: RelevanceMatrix, accepted: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Relevant and accepted photos as scikit-learn's label indicators; places serve as the labels."""
    return judged.right.astype(np.int64), accepted.astype(np.int64)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 12))
def test_counts_equal_a_plain_loop(seed: int, queries: int, photos: int) -> None:
    judged, accepted = random_answer(seed, queries, photos)
    found = set_scores(judged, accepted)
    assert {found.tp.dtype, found.fp.dtype, found.fn.dtype} == {np.dtype(np.int64)}
    for query, (right, relevant) in enumerate(rows(judged)):
        tp = sum(r and a for r, a in zip(right, accepted[query], strict=True))
        fp = sum(a and not r for r, a in zip(right, accepted[query], strict=True))
        assert (found.tp[query], found.fp[query], found.fn[query]) == (tp, fp, relevant - tp)
        f1 = 1.0 if tp + fp + relevant == 0 else 2 * tp / (tp + fp + relevant)
        assert found.f1[query] == pytest.approx(f1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 12))
def test_micro_and_macro_equal_scikit_learn(seed: int, queries: int, photos: int) -> None:
    # The mean over queries is scikit-learn's average="samples"; with zero_division=1 an empty answer to
    # nothing counts 1 there too. Its "macro" would be a mean over photos, which no retrieval figure is.
    judged, accepted = random_answer(seed, queries, photos)
    truth, answer = as_labels(judged, accepted)
    found = set_scores(judged, accepted)
    assert f1_macro(found) == pytest.approx(f1_score(truth, answer, average="samples", zero_division=1))
    assert f1_micro(found) == pytest.approx(f1_score(truth, answer, average="micro", zero_division=1))
    precision, recall, _, _ = precision_recall_fscore_support(truth, answer, average="micro", zero_division=np.nan)
    assert precision_micro(found) == pytest.approx(precision, nan_ok=True)
    assert recall_micro(found) == pytest.approx(recall, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 10), st.integers(2, 12))
def test_a_class_equals_scikit_learn_on_its_queries(seed: int, queries: int, photos: int) -> None:
    judged, accepted = random_answer(seed, queries, photos)
    truth, answer = as_labels(judged, accepted)
    classes = by_class(set_scores(judged, accepted), judged.groups)
    assert [c.group for c in classes] == list(dict.fromkeys(judged.groups))
    for found in classes:
        mine = [row for row, group in enumerate(judged.groups) if group == found.group]
        flat = truth[mine].ravel(), answer[mine].ravel()
        precision, recall, _, _ = precision_recall_fscore_support(*flat, average="binary", zero_division=np.nan)
        assert (np.nan if found.precision is None else found.precision) == pytest.approx(precision, nan_ok=True)
        assert (np.nan if found.recall is None else found.recall) == pytest.approx(recall, nan_ok=True)
        assert found.f1 == pytest.approx(f1_score(*flat, zero_division=1))
        assert found.queries == len(mine)


def test_classes_worked_out_by_hand() -> None:
    # ann: 3 of 5 accepted are right, of 4 relevant; bob: nothing accepted; cid: unknown and rightly left alone.
    found = scores([2, 1, 0, 0], [1, 1, 0, 0], [0, 1, 3, 0])
    classes = by_class(found, ["ann", "ann", "bob", "cid"])
    assert classes == [
        ClassScore("ann", pytest.approx(3 / 5), pytest.approx(3 / 4), pytest.approx(2 * 3 / (5 + 4)), 2),
        ClassScore("bob", None, 0.0, 0.0, 1),
        ClassScore("cid", None, None, 1.0, 1),
    ]
    # What is not defined leaves the mean over classes; scikit-learn's default would count it 0.
    assert macro(classes) == pytest.approx((3 / 5, (3 / 4 + 0) / 2, (6 / 9 + 0 + 1) / 3))
    assert f1_macro(found) == pytest.approx((4 / 5 + 2 / 4 + 0 + 1) / 4)
    assert f1_micro(found) == pytest.approx(6 / (6 + 2 + 4))
    assert precision_micro(found) == pytest.approx(3 / 5)
    assert recall_micro(found) == pytest.approx(3 / 7)


def test_nothing_for_somebody_unknown_is_exactly_right_and_anything_is_wrong() -> None:
    assert scores([0, 0], [0, 2], [0, 0]).f1.tolist() == [1.0, 0.0]


def test_without_queries_nothing_is_defined() -> None:
    empty = scores([], [], [])
    assert all(isnan(metric(empty)) for metric in SET_METRICS.values())
    assert by_class(empty, []) == []
    assert all(isnan(value) for value in macro([]))
    assert all(figure.value is None for figure in class_figures(empty, []))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(3, 12), st.integers(1, 3))
def test_the_first_k_give_precision_and_recall_at_k(seed: int, queries: int, photos: int, k: int) -> None:
    judged = random_judged(seed, queries, photos)
    found = set_scores(judged, top_k_accepted(judged, k))
    known = judged.answerable
    assert (found.tp / k)[known] == pytest.approx(precision_at(judged, k)[known])
    assert (found.tp / np.maximum(judged.relevant, 1))[known] == pytest.approx(recall_at(judged, k)[known])
    assert (found.tp + found.fp).tolist() == [k] * queries


def test_the_first_k_of_a_smaller_gallery_are_all_of_it() -> None:
    judged = random_judged(0, 3, 4)
    assert top_k_accepted(judged, 10).all()
    with pytest.raises(FacematchError, match="the first 3 needs the first 3 photos"):
        top_k_accepted(random_judged(0, 3, 4, k=2), 3)


def test_places_past_the_end_are_no_photos() -> None:
    whole = judged_by_identity(np.arange(4.0)[None], [0], [0, 1, 0, 1])
    ended = RelevanceMatrix(
        whole.queries,
        whole.groups,
        np.array([[True, False, False, False]]),
        np.array([[0, 1, np.inf, np.inf]], np.float32),
        np.array([1]),
        np.array([1]),
    )
    found = set_scores(ended, np.ones((1, 4), dtype=np.bool_))
    assert (found.tp.tolist(), found.fp.tolist(), found.fn.tolist()) == ([1], [1], [0])
    with pytest.raises(ValueError, match=r"a mask over \(1, 4\) places has the shape \(1, 3\)"):
        set_scores(ended, np.ones((1, 3), dtype=np.bool_))


def test_figures_have_the_values_of_the_functions_and_intervals_over_people() -> None:
    judged, _ = random_answer(5, 80, 60, people=20)
    accepted = judged.distances <= 1
    found = set_scores(judged, accepted)
    figures = {figure.name: figure for figure in class_figures(found, judged.groups, rounds=300)}
    for name, metric in SET_METRICS.items():
        assert figures[name].value == pytest.approx(metric(found))
        assert figures[name].count == 80
        assert figures[name].people == len(set(judged.groups))
    classes = by_class(found, judged.groups)
    assert [figures[f"{what} (by class)"].value for what in ("precision", "recall", "F1")] == pytest.approx(
        macro(classes)
    )
    assert figures["recall (by class)"].count == sum(c.recall is not None for c in classes)
    for figure in figures.values():
        assert figure.interval is not None
        assert figure.value is not None
        assert figure.interval[0] < figure.value < figure.interval[1]


def test_a_micro_interval_draws_whole_people() -> None:
    # Half the people are right in all of their ten queries, the others in none.
    right = np.repeat([1, 0] * 8, 10)
    found = scores(right, 1 - right, 1 - right)
    by_person, by_query = (
        next(f for f in class_figures(found, groups, rounds=300) if f.name == "precision (micro)").interval
        for groups in (np.repeat(np.arange(16), 10).tolist(), range(160))
    )
    assert by_person is not None
    assert by_query is not None
    assert by_person[1] - by_person[0] > 2 * (by_query[1] - by_query[0])


def test_few_people_have_no_interval() -> None:
    found = scores([1] * 9, [0] * 9, [1] * 9)
    for figure in class_figures(found, range(9)):
        assert figure.value is not None
        assert figure.interval is None
        assert figure.note.startswith("insufficient data")
