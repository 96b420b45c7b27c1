"""Verification against plain loops and scikit-learn; intervals against a bootstrap that copies pairs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import draw_weights, expanded_percentiles
from facematch.evaluation.verification import (
    Pairs,
    distance_histograms,
    pairs_of_ranking,
    roc,
    verification_figures,
)
from facematch.ranking.ranking import Ranking
from plain_verification import auc, eer, tar_at_far

Rows = list[tuple[float, int, int]]  # distance, two identities


def pairs_of(rows: Rows) -> Pairs:
    first, second = np.array([a for _, a, _ in rows], np.int64), np.array([b for _, _, b in rows], np.int64)
    return Pairs(np.array([d for d, _, _ in rows], np.float64), first == second, first, second)


def random_pairs(seed: int, people: int = 12, photos: int = 3, levels: int | None = None, gap: float = 1.0) -> Pairs:
    """All pairs of photos; with `levels` distances are whole numbers, so that many are equal."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(people), photos)
    first, second = (codes[side] for side in np.triu_indices(len(codes), 1))
    distances = rng.normal(size=len(first)) + gap * (first != second)
    if levels is not None:
        distances = np.floor(distances * levels)
    return Pairs(distances, first == second, first, second)


def naive_roc(rows: Rows) -> list[tuple[float, float, float]]:
    """(threshold, FAR, TAR) at every distance, by counting."""
    same = [d for d, a, b in rows if a == b]
    different = [d for d, a, b in rows if a != b]
    found = []
    for threshold in [-math.inf, *sorted({d for d, _, _ in rows})]:
        far = sum(d <= threshold for d in different) / len(different) if different else math.nan
        tar = sum(d <= threshold for d in same) / len(same) if same else math.nan
        found.append((threshold, far, tar))
    return found


def naive_auc(rows: Rows) -> float:
    same = [d for d, a, b in rows if a == b]
    different = [d for d, a, b in rows if a != b]
    if not same or not different:
        return math.nan
    won = sum((s < d) + (s == d) / 2 for s, d in itertools.product(same, different))
    return won / (len(same) * len(different))


def naive_eer(rows: Rows) -> float:
    points = naive_roc(rows)
    for (_, far0, tar0), (_, far1, tar1) in itertools.pairwise(points):
        before, after = far0 - (1 - tar0), far1 - (1 - tar1)
        if before < 0 <= after:
            return far0 + (far1 - far0) * before / (before - after)
    return math.nan


def naive_tar_at_far(rows: Rows, limit: float) -> float:
    points = naive_roc(rows)
    if any(math.isnan(value) for _, *rates in points for value in rates):
        return math.nan
    return max((threshold, tar) for threshold, far, tar in points if far <= limit)[1]


some_rows = st.lists(st.tuples(st.integers(0, 8).map(float), st.integers(0, 3), st.integers(0, 3)), max_size=25)


@settings(deadline=None)
@given(some_rows, st.floats(0.01, 0.99))
def test_equals_naive_loops(rows: Rows, far: float) -> None:
    pairs, points = pairs_of(rows), naive_roc(rows)
    curve = roc(pairs)
    assert curve.thresholds.tolist() == [threshold for threshold, _, _ in points]
    assert curve.far.tolist() == pytest.approx([each for _, each, _ in points], nan_ok=True)
    assert curve.tar.tolist() == pytest.approx([each for _, _, each in points], nan_ok=True)
    assert auc(pairs) == pytest.approx(naive_auc(rows), nan_ok=True)
    assert eer(pairs) == pytest.approx(naive_eer(rows), nan_ok=True)
    assert tar_at_far(pairs, far) == pytest.approx(naive_tar_at_far(rows, far), nan_ok=True)


@pytest.mark.parametrize("levels", [None, 2])
def test_equals_scikit_learn(levels: int | None) -> None:
    pairs = random_pairs(1, levels=levels)
    curve = roc(pairs)
    far, tar, thresholds = roc_curve(pairs.same, -pairs.distances, drop_intermediate=False)
    assert curve.far == pytest.approx(far)
    assert curve.tar == pytest.approx(tar)
    assert curve.thresholds == pytest.approx(-thresholds)
    assert auc(pairs) == pytest.approx(roc_auc_score(pairs.same, -pairs.distances))
    assert eer(pairs) == pytest.approx(brentq(lambda x: 1 - x - np.interp(x, far, tar), 0, 1), abs=1e-9)
    false_positive, false_negative, _ = det_curve(pairs.same, -pairs.distances)
    points = set(zip(curve.far.tolist(), (1 - curve.tar).round(12).tolist(), strict=True))
    assert set(zip(false_positive.tolist(), false_negative.round(12).tolist(), strict=True)) <= points


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_distances_counts(seed: int) -> None:
    pairs = random_pairs(seed, people=4, levels=2)
    turn = np.random.default_rng(seed).permutation(len(pairs))
    moved = Pairs(np.exp(pairs.distances)[turn], pairs.same[turn], pairs.first[turn], pairs.second[turn])
    away = Pairs(-pairs.distances, pairs.same, pairs.first, pairs.second)
    assert (auc(moved), eer(moved)) == (auc(pairs), eer(pairs))
    assert tar_at_far(moved, 0.2) == tar_at_far(pairs, 0.2)
    assert auc(away) == pytest.approx(1 - auc(pairs))
    assert eer(away) == pytest.approx(1 - eer(pairs))
    curve = roc(pairs)
    assert (np.diff(curve.far) >= 0).all()
    assert (np.diff(curve.tar) >= 0).all()
    assert (curve.far[-1], curve.tar[-1]) == (1, 1)


def test_equal_distances_are_decided_together() -> None:
    pairs = pairs_of([(1, 0, 0), (2, 0, 0), (2, 0, 1), (2, 1, 1), (3, 0, 1)])
    curve = roc(pairs)
    assert curve.far.tolist() == [0, 0, 0.5, 1]
    assert curve.tar.tolist() == pytest.approx([0, 1 / 3, 1, 1])
    assert tar_at_far(pairs, 0.49) == pytest.approx(1 / 3)  # accepting one of the three at 2 accepts all
    assert tar_at_far(pairs, 0.5) == 1


def test_a_far_is_reached_exactly_and_never_exceeded() -> None:
    pairs = pairs_of([(float(place), 0, 1) for place in range(100)] + [(28.5, 0, 0), (29.0, 1, 1)])
    assert tar_at_far(pairs, 0.29) == 0.5  # 0.29 · 100 is 28.999…, yet 29 of 100 is 0.29
    assert tar_at_far(pairs, 0.3) == 1


# --- contract cases -------------------------------------------------------------------------------


def figures(pairs: Pairs) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in verification_figures(pairs, (0.1,), rounds=20)}


def test_ideal_pairs_are_told_apart() -> None:
    pairs = random_pairs(0, gap=100)
    assert figures(pairs) == {"ROC AUC": 1, "EER": 0, "TAR@FAR=0.1": 1}
    assert (auc(pairs), eer(pairs), tar_at_far(pairs, 1e-9)) == (1, 0, 1)


def test_random_distances_tell_nothing() -> None:
    pairs = random_pairs(0, people=60, gap=0)
    assert auc(pairs) == pytest.approx(0.5, abs=0.06)
    assert eer(pairs) == pytest.approx(0.5, abs=0.06)
    assert tar_at_far(pairs, 0.1) == pytest.approx(0.1, abs=0.06)


def test_all_distances_equal() -> None:
    pairs = random_pairs(0, levels=0)
    assert figures(pairs) == {"ROC AUC": 0.5, "EER": 0.5, "TAR@FAR=0.1": 0}
    assert roc(pairs).far.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "insufficient data: 0 same and 0 different pairs"),
        ([(1.0, 0, 0)], "insufficient data: 1 same and 0 different pairs"),
        ([(1.0, 0, 1)], "insufficient data: 0 same and 1 different pairs"),
        ([(1.0, 0, 0), (2.0, 0, 0)], "insufficient data: 2 same and 0 different pairs"),  # one identity
    ],
)
def test_without_both_kinds_nothing_is_defined(rows: Rows, words: str) -> None:
    pairs = pairs_of(rows)
    assert all(math.isnan(value) for value in (auc(pairs), eer(pairs), tar_at_far(pairs, 0.1)))
    for figure in verification_figures(pairs, rounds=20):
        assert (figure.value, figure.interval, figure.count) == (None, None, len(rows))
        assert figure.note.startswith(words)
        assert str(figure) == "insufficient data"
    for shares in distance_histograms(pairs)[1:]:
        assert shares.sum() in (0, 1)


def test_few_people_have_values_without_intervals() -> None:
    for figure in verification_figures(random_pairs(0, people=4), (0.1,), rounds=20):
        assert figure.value is not None
        assert figure.interval is None
        assert figure.note.startswith("insufficient data for an interval: 4 people")


def test_a_far_beyond_the_pairs_says_how_many_it_needs() -> None:
    pairs = pairs_of([(0.0, 0, 0)] + [(1.0 + place, 0, 1) for place in range(10)])
    found = verification_figures(pairs, (0.1, 0.099, 0.001), rounds=20)[2:]
    assert [figure.name for figure in found] == ["TAR@FAR=0.1", "TAR@FAR=0.099", "TAR@FAR=0.001"]
    assert [figure.value for figure in found] == [1, None, None]
    assert found[1].note == "insufficient data: 10 different pairs, a FAR of 0.099 needs at least 11"
    assert found[2].note == "insufficient data: 10 different pairs, a FAR of 0.001 needs at least 1000"
    for bad in (0, 1):
        with pytest.raises(ValueError, match="a false accept rate is a share above 0"):
            verification_figures(pairs, (bad,))


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [None, 1])
def test_intervals_equal_a_bootstrap_that_copies_pairs(levels: int | None) -> None:
    pairs = random_pairs(3, people=11, photos=2, levels=levels)
    rows = list(zip(pairs.distances.tolist(), pairs.first.tolist(), pairs.second.tolist(), strict=True))
    drawn: dict[str, list[float]] = {"ROC AUC": [], "EER": [], "TAR@FAR=0.1": []}
    for weights in draw_weights(11, 40, np.random.default_rng(5)).astype(int).tolist():
        copies = []
        for row in rows:
            _, a, b = row
            copies += [row] * (weights[a] if a == b else weights[a] * weights[b])
        drawn["ROC AUC"].append(naive_auc(copies))
        drawn["EER"].append(naive_eer(copies))
        drawn["TAR@FAR=0.1"].append(naive_tar_at_far(copies, 0.1))
    plain = {"ROC AUC": auc(pairs), "EER": eer(pairs), "TAR@FAR=0.1": tar_at_far(pairs, 0.1)}
    found = verification_figures(pairs, (0.1,), rounds=40, seed=5)
    assert len(found) == 3
    for figure in found:
        assert figure.value == pytest.approx(plain[figure.name])
        low, high = expanded_percentiles(np.array(drawn[figure.name]), 11)
        expected = (min(low, plain[figure.name]), max(high, plain[figure.name]))
        assert figure.interval == pytest.approx(expected)
        assert (figure.count, figure.people) == (len(pairs), 11)


def test_an_interval_covers_about_as_often_as_it_says() -> None:
    people, shift, spread = 20, 1.5, 0.6
    truth = stats.norm.cdf(shift / math.sqrt(2 + 3 * spread**2))  # of AUC, when people differ by `spread`
    covered = 0
    for trial in range(150):
        rng = np.random.default_rng(trial)
        pairs = random_pairs(trial, people, photos=2, gap=shift)
        own = rng.normal(scale=spread, size=people)
        moved = pairs.distances + own[pairs.first] + np.where(pairs.same, 0, own[pairs.second])
        interval = verification_figures(Pairs(moved, pairs.same, pairs.first, pairs.second), (), rounds=200)[0].interval
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert covered / 150 >= 0.89


def test_numbers_of_identities_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = random_pairs(0)
    renamed = Pairs(pairs.distances, pairs.same, 7 * pairs.first - 3, 7 * pairs.second - 3)
    expected = verification_figures(pairs, (0.1,), rounds=30)
    assert renamed.people == pairs.people == 12
    assert verification_figures(renamed, (0.1,), rounds=30) == expected
    monkeypatch.setattr("facematch.evaluation.step_curve._CELLS", 2000)
    assert verification_figures(pairs, (0.1,), rounds=30) == expected


# --- the value ------------------------------------------------------------------------------------


def test_pairs_check_themselves() -> None:
    good = (np.ones(2), np.array([True, False]), np.array([0, 0]), np.array([0, 1]))
    Pairs(*good)
    for place, wrong, words in (
        (0, np.ones(3), "found shapes"),
        (0, np.ones((2, 1)), "found shapes"),
        (0, np.array([1, 2]), "found kinds 'ibii'"),
        (0, np.array([1, np.nan]), "distance is finite"),
        (0, np.array([1, np.inf]), "distance is finite"),
        (1, np.array([True, True]), "pair 1 is of identities 0 and 1, same=True"),
        (1, np.array([False, False]), "pair 0 is of identities 0 and 0, same=False"),
    ):
        values = [*good[:place], wrong, *good[place + 1 :]]
        with pytest.raises(ValueError, match=words):
            Pairs(*values)  # type: ignore[arg-type]


def ranking_of(queries: list[str], gallery: list[str], seed: int, *, own: bool) -> Ranking:
    """A whole ranking with the distance of each two photos; `own` leaves a photo among its own hits."""
    rng = np.random.default_rng(seed)
    photos = sorted({*queries, *gallery})
    table = rng.random((len(photos), len(photos)))
    at = {name: place for place, name in enumerate(photos)}
    indices = np.full((len(queries), len(gallery)), -1)
    distances = np.full(indices.shape, np.inf, np.float32)
    for row, query in enumerate(queries):
        found = sorted(
            (float(np.float32(table[at[query], at[name]] + table[at[name], at[query]])), place)
            for place, name in enumerate(gallery)
            if own or name != query
        )
        for column, (distance, place) in enumerate(found):
            indices[row, column], distances[row, column] = place, distance
    return Ranking(tuple(queries), tuple(gallery), indices, distances, "euclidean")


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from("abcdef"), unique=True, min_size=1),
    st.lists(st.sampled_from("cdefgh"), unique=True, min_size=1),
    st.integers(0, 99),
    st.booleans(),
)
def test_a_ranking_gives_each_two_photos_once(queries: list[str], gallery: list[str], seed: int, own: bool) -> None:
    ranking = ranking_of(queries, gallery, seed, own=own)
    person = dict(zip("abcdefgh", [0, 0, 1, 1, 1, 2, 2, 3], strict=True))
    found = pairs_of_ranking(
        ranking, [f"p{person[name]}" for name in queries], [f"p{person[name]}" for name in gallery]
    )
    expected = {}
    for row, query in enumerate(queries):
        for name, distance in zip(ranking.names(row), ranking.distances[row].tolist(), strict=False):
            if name != query:
                expected[frozenset((query, name))] = (distance, person[query] == person[name])
    made = sorted(zip(found.distances.tolist(), found.same.tolist(), strict=True))
    assert made == sorted(expected.values())
    assert found.people == len({person[name] for pair in expected for name in pair})


def test_a_short_ranking_gives_no_pairs() -> None:
    ranking = Ranking(("q",), ("a", "b", "c"), np.array([[0, 2]]), np.array([[1, 2]], np.float32), "euclidean")
    with pytest.raises(FacematchError, match="needs the whole ranking; that of q ends after 2 of 3 photos"):
        pairs_of_ranking(ranking, ["x"], ["x", "y", "z"])
    with pytest.raises(ValueError, match="needs its identity"):
        pairs_of_ranking(ranking, ["x"], ["x", "y"])


def test_histograms_count_each_kind() -> None:
    pairs = random_pairs(2)
    edges, same, different = distance_histograms(pairs, bins=7)
    assert (edges[0], edges[-1]) == (pairs.distances.min(), pairs.distances.max())
    for shares, kind in ((same, pairs.same), (different, ~pairs.same)):
        chosen = pairs.distances[kind]
        for place in range(7):
            last = place == 6
            inside = sum(edges[place] <= d and (d < edges[place + 1] or last) for d in chosen)
            assert shares[place] == pytest.approx(inside / len(chosen))
        assert shares.sum() == pytest.approx(1)
