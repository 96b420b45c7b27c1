"""The protocol of LFW against a plain transcription; folds in which nobody is twice."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facematch.core.errors import FacematchError
from facematch.tasks.protocols.labelled_pairs import LabelledPairs, load_pairs
from facematch.tasks.protocols.lfw_protocol import best_threshold, folds_by_identity, lfw_accuracy, people_of
from shared import shared

EPS = float(np.finfo(np.float64).eps)
Row = tuple[float, bool, int]  # distance, same, fold


def labelled(rows: list[tuple[str, str, bool]]) -> LabelledPairs:
    same = np.array([each for _, _, each in rows], dtype=np.bool_)
    return LabelledPairs(tuple(a for a, _, _ in rows), tuple(b for _, b, _ in rows), same, None)


def right_at(threshold: Fraction, rows: list[Row]) -> int:
    return sum((Fraction(distance) <= threshold) == same for distance, same, _ in rows)


def naive_threshold(rows: list[Row]) -> Fraction:
    """Try a threshold below, between and above all distances, lowest first."""
    values = sorted({Fraction(distance) for distance, _, _ in rows})
    tried = [Fraction(math.nextafter(float(values[0]), -math.inf))]
    tried += [(low + high) / 2 for low, high in pairwise(values)] + [values[-1]]
    return max(tried, key=lambda threshold: right_at(threshold, rows))  # the first of equally good ones


def naive_accuracy(rows: list[Row]) -> tuple[list[float], list[float]]:
    accuracies, thresholds = [], []
    for fold in sorted({fold for _, _, fold in rows}):
        threshold = naive_threshold([row for row in rows if row[2] != fold])
        held = [row for row in rows if row[2] == fold]
        thresholds.append(float(threshold))
        accuracies.append(right_at(threshold, held) / len(held))
    return accuracies, thresholds


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9).map(float), st.booleans(), st.integers(3, 6)), min_size=1, max_size=25))
def test_equals_a_naive_transcription(rows: list[Row]) -> None:
    found = lfw_accuracy([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    if len({fold for _, _, fold in rows}) < 2:
        assert (found.mean, found.standard_error, found.accuracies) == (None, None, ())
        assert found.note == "insufficient data: 1 of at least 2 folds"
        return
    accuracies, thresholds = naive_accuracy(rows)
    assert found.accuracies == pytest.approx(accuracies)
    assert found.thresholds == pytest.approx(thresholds)
    assert found.mean == pytest.approx(np.mean(accuracies))
    assert found.standard_error == pytest.approx(stats.sem(accuracies))
    assert found.note == ""


def test_the_mean_and_its_error_are_those_of_the_paper() -> None:
    # Ten folds of ten pairs, of which fold f has f same pairs on the wrong side.
    rows = [(1.0 if pair >= fold else 3.0, True, fold) for fold in range(10) for pair in range(10)]
    rows += [(2.0, False, fold) for fold in range(10) for _ in range(30)]
    found = lfw_accuracy(*zip(*rows, strict=True))
    accuracies = [(40 - fold) / 40 for fold in range(10)]
    mean = sum(accuracies) / 10
    error = math.sqrt(sum((p - mean) ** 2 for p in accuracies) / 9) / math.sqrt(10)
    assert found.accuracies == pytest.approx(accuracies)
    assert (found.mean, found.standard_error) == (pytest.approx(mean), pytest.approx(error))
    assert found.thresholds == (1.5,) * 10


@pytest.mark.parametrize(
    ("distances", "same", "expected"),
    [
        ([1, 3], [True, False], 2),
        ([1, 3, 5, 7], [True, False, True, False], 2),  # as good as 6, and accepts less
        ([2], [False], math.nextafter(2, -math.inf)),
        ([2, 4], [True, True], 4),
        ([3, 3, 5], [True, False, False], math.nextafter(3, -math.inf)),  # a tie is not split: gains nothing
        ([3, 3, 3, 5], [True, True, False, False], 4),
        ([1.0, 1 + EPS], [True, False], 1),  # no number lies between them
        ([1 + EPS, 1 + 2 * EPS], [True, False], 1 + EPS),
    ],
)
def test_the_best_threshold(distances: list[float], same: list[bool], expected: float) -> None:
    assert best_threshold(np.array(distances, np.float64), np.array(same)) == expected


def test_no_fold_sees_its_own_pairs() -> None:
    rng = np.random.default_rng(0)
    distances, same, folds = rng.random(60), rng.random(60) < 0.5, np.arange(60) % 6
    before = lfw_accuracy(distances, same, folds)
    same[folds == 2] ^= True
    after = lfw_accuracy(distances, same, folds)
    assert after.thresholds[2] == before.thresholds[2]
    assert after.accuracies[2] == pytest.approx(1 - before.accuracies[2])
    with pytest.raises(ValueError, match="60 distances, 60 answers and 59 folds"):
        lfw_accuracy(distances, same, folds[1:])


# --- people ---------------------------------------------------------------------------------------


def test_people_are_folders_where_labels_agree() -> None:
    people = people_of(labelled([("x/ann/1.jpg", "x/ann/2.jpg", True), ("x/ann/1.jpg", "x/bob/1.jpg", False)]))
    assert people == {"x/ann/1.jpg": "x/ann", "x/ann/2.jpg": "x/ann", "x/bob/1.jpg": "x/bob"}


@pytest.mark.parametrize("prefix", ["", "images/"])
def test_people_are_what_same_pairs_join_elsewhere(prefix: str) -> None:
    rows = [("a", "b", True), ("c", "d", False), ("c", "b", True), ("e", "d", True)]
    people = people_of(labelled([(prefix + a, prefix + b, same) for a, b, same in rows]))
    expected = {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d"}
    assert people == {prefix + photo: prefix + person for photo, person in expected.items()}


def test_photos_without_folders_are_not_all_one_person() -> None:
    assert people_of(labelled([("a", "b", True), ("c", "d", True)])) == {"a": "a", "b": "a", "c": "c", "d": "c"}


def test_labels_that_contradict_each_other_are_an_error() -> None:
    rows = [("a", "b", True), ("b", "c", True), ("a", "c", False), ("a", "d", False)]
    with pytest.raises(FacematchError, match="labels of 1 pairs contradict others: a and c are called different"):
        people_of(labelled(rows))


# --- folds ----------------------------------------------------------------------------------------

chains = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None)
@given(chains, st.integers(2, 10))
def test_nobody_is_in_two_folds(chain: list[tuple[int, int, bool]], count: int) -> None:
    rows = [
        (f"{a}/{number}.jpg", f"{a if same else b}/{number}b.jpg", same)
        for number, (a, b, same) in enumerate(chain)
        if same or a != b
    ] or [("1/1.jpg", "1/2.jpg", True)]
    pairs = labelled(rows)
    people = people_of(pairs)
    found = folds_by_identity(pairs, people, count)
    folds: dict[str, set[int]] = {}
    for a, b, fold in zip(pairs.first, pairs.second, found.folds.tolist(), strict=True):
        folds.setdefault(people[a], set()).add(fold)
        folds.setdefault(people[b], set()).add(fold)
    assert all(len(each) == 1 for each in folds.values())
    sizes = np.bincount(found.folds, minlength=found.count)
    assert len(sizes) == found.count <= count
    assert (sizes >= len(rows) / found.count / 2).all()
    assert (sizes <= 1.5 * len(rows) / found.count).all()
    assert bool(found.note) == (found.count < count)


def test_separate_people_make_ten_even_folds() -> None:
    rows = [(f"{p}/1.jpg", f"{p}/2.jpg", True) for p in range(40)]
    rows += [(f"{p}/1.jpg", f"{p + 1}/1.jpg", False) for p in range(0, 40, 2)]
    pairs = labelled(rows)
    found = folds_by_identity(pairs, people_of(pairs))
    assert (found.count, found.note) == (10, "")
    assert np.bincount(found.folds).tolist() == [6] * 10
    assert np.bincount(found.folds, weights=pairs.same).tolist() == [4] * 10  # either kind in each fold


def test_either_kind_is_shared_out_evenly() -> None:
    rows = [(f"{p}/1.jpg", f"{p if p % 2 else p + 100}/2.jpg", bool(p % 2)) for p in range(24)]
    pairs = labelled(rows)
    found = folds_by_identity(pairs, people_of(pairs), 4)
    assert np.bincount(found.folds[pairs.same]).tolist() == [3, 3, 3, 3]
    assert np.bincount(found.folds[~pairs.same]).tolist() == [3, 3, 3, 3]


def test_one_group_of_people_cannot_be_divided() -> None:
    rows = [(f"{p}/1.jpg", f"{q}/1.jpg", False) for p in range(6) for q in range(p)]
    pairs = labelled(rows)
    found = folds_by_identity(pairs, people_of(pairs))
    assert found.count == 1
    assert found.note.startswith("1 fold in place of 10")
    assert lfw_accuracy(np.arange(15.0), pairs.same, found.folds).mean is None


def test_a_few_groups_make_as_many_folds_as_stay_even() -> None:
    sizes = [9, 8, 8, 1]  # four folds would hold 9, 8, 8 and 1 of 26
    rows = [(f"{g}/a{n}.jpg", f"{g}/b{n}.jpg", True) for g, size in enumerate(sizes) for n in range(size)]
    pairs = labelled(rows)
    found = folds_by_identity(pairs, people_of(pairs))
    assert found.count == 3
    assert sorted(np.bincount(found.folds).tolist()) == [8, 9, 9]
    assert found.note.startswith("3 folds in place of 10")


def test_pairs_of_real_photos() -> None:
    pairs = load_pairs(shared("data/lfw/pairs/pairs.csv"))
    people = people_of(pairs)
    assert (len(pairs), int(pairs.same.sum()), len(pairs.photos), len(set(people.values()))) == (441, 267, 729, 431)
    found = folds_by_identity(pairs, people)
    assert (found.count, found.note) == (10, "")
    for kind in (pairs.same, ~pairs.same):
        assert np.ptp(np.bincount(found.folds[kind], minlength=10)) <= 1


def test_people_found_from_labels_are_those_known() -> None:
    known = dict(line.split(",") for line in shared("data/deepface_pairs/identities.csv").read_text().split()[1:])
    people = people_of(load_pairs(shared("data/deepface_pairs/pairs.csv")))
    assert {(people[a] == people[b]) == (known[a] == known[b]) for a in people for b in people} == {True}
