"""The static threshold against every threshold there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.thresholds.static import best_threshold, fit_static
from facematch.thresholds.values import accept, accepted_mask
from threshold_helpers import judged_of, judged_people, macro_f1, random_case, ranking_of, thresholds_between


def brute_force(judged: RelevanceMatrix, scores: np.ndarray) -> float:
    """The best macro-F1 over a threshold between any two scores, at each of them, and beyond them all."""
    finite = scores[np.isfinite(judged.distances)]
    return max(macro_f1(judged, scores <= threshold) for threshold in thresholds_between(finite.tolist()))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 7), st.sampled_from([1, 2, 4, None]))
def test_no_threshold_is_better(seed: int, queries: int, photos: int, levels: int | None) -> None:
    judged = random_case(seed, queries, photos, levels=levels)
    found = fit_static(judged, "euclidean")
    assert found.f1 == pytest.approx(brute_force(judged, judged.distances))
    assert macro_f1(judged, judged.distances <= found.distance) == pytest.approx(found.f1)


@pytest.mark.parametrize("seed", range(10))
def test_macro_f1_is_that_of_scikit_learn(seed: int) -> None:
    judged = random_case(seed, 9, 8)
    found = fit_static(judged, "euclidean")
    accepted = judged.distances <= found.distance
    theirs = f1_score(judged.right, accepted, average="samples", zero_division=1.0)
    assert found.f1 == pytest.approx(theirs)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_any_scores_are_searched_however_they_order_the_places(seed: int, tied: bool) -> None:
    judged = random_case(seed)
    rng = np.random.default_rng(seed)
    shape = judged.distances.shape
    scores = rng.integers(-3, 3, shape).astype(np.float64) if tied else rng.normal(size=shape)
    threshold, f1 = best_threshold(judged, scores)
    assert f1 == pytest.approx(brute_force(judged, scores))
    assert macro_f1(judged, scores <= threshold) == pytest.approx(f1)


def test_the_middle_of_the_widest_of_equally_good_ranges() -> None:
    # Rows: a known query, an unknown one and a known one. Two of three are right from .1 to below .2, when the
    # unknown one accepts somebody, and again from .3, when the third finds its photo, to below .9.
    distances = [[0.1, 0.9], [0.2, 1.0], [0.9, 0.3]]
    found = fit_static(judged_of(ranking_of(distances), [0, 7, 1], [0, 1]), "euclidean")
    assert found.f1 == pytest.approx(2 / 3)
    assert found.distance == pytest.approx((0.3 + 0.9) / 2)


def test_the_lowest_of_equally_wide_ranges() -> None:
    distances = [[0.125, 0.5], [0.25, 1.0], [0.5, 0.375]]
    found = fit_static(judged_of(ranking_of(distances), [0, 7, 1], [0, 1]), "euclidean")
    assert found.distance == (0.125 + 0.25) / 2


def test_neighbouring_cuts_that_are_equally_good_are_one_range() -> None:
    # The second query's wrong photos at .2 to .35 cost nothing, as it has nothing right yet.
    distances = [[0.1, 0.5, 0.5, 0.5, 0.5], [0.2, 2.0, 0.25, 0.3, 0.35]]
    found = fit_static(judged_of(ranking_of(distances), [0, 1], [0, 1, 2, 3, 4]), "euclidean")
    assert found.f1 == 0.5
    assert found.distance == pytest.approx((0.1 + 0.5) / 2)


def test_where_nobody_is_known_nothing_is_accepted() -> None:
    ranking = ranking_of([[0.0, 0.4], [0.3, 0.2]])
    found = fit_static(judged_of(ranking, [7, 8], [0, 1]), "euclidean")
    assert found.f1 == 1
    assert not any(accept(ranking, found.limits(ranking)).values())


def test_where_all_are_right_everything_is_accepted() -> None:
    ranking = ranking_of([[0.1, 0.4], [0.3, 0.2]])
    found = fit_static(judged_of(ranking, [0, 0], [0, 0]), "euclidean")
    assert found.f1 == 1
    assert found.distance == pytest.approx(0.4 + 0.3 / 2)  # half the spread beyond the last
    assert accepted_mask(ranking.distances, found.limits(ranking)).all()


def test_one_photo_that_may_as_well_be_refused() -> None:
    judged = judged_of(ranking_of([[0.25], [0.25]]), [0, 1], [0])
    found = fit_static(judged, "euclidean")
    assert found.f1 == 0.5
    assert found.distance == pytest.approx(0.125)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(-8, 8))
def test_scaling_all_distances_scales_the_threshold(seed: int, power: int) -> None:
    judged = random_case(seed)
    scaled = RelevanceMatrix(
        judged.queries,
        judged.groups,
        judged.right,
        judged.distances * np.float32(2.0**power),
        judged.relevant,
        judged.wrong,
    )
    one, other = fit_static(judged, "euclidean"), fit_static(scaled, "euclidean")
    assert other.f1 == one.f1
    if judged.distances.any():  # beyond distances that are all 0 there is no scale
        assert other.distance == pytest.approx(one.distance * 2.0**power)


def test_what_it_rests_on_is_said() -> None:
    _, _, judged = judged_people(1)
    basis = fit_static(judged, "euclidean").basis
    assert (basis.metric, basis.count, basis.people) == ("euclidean", 24, 12)


def test_a_ranking_cut_short_is_refused() -> None:
    ranking, _, _ = judged_people(2)
    short = type(ranking)(
        ranking.queries, ranking.gallery, ranking.indices[:, :5], ranking.distances[:, :5], ranking.metric
    )
    judged = judged_of(short, [0] * 24, [0] * 27)
    with pytest.raises(FacematchError, match="a tuned threshold needs the whole ranking"):
        fit_static(judged, "euclidean")


def test_without_a_query_or_a_photo_there_is_no_threshold() -> None:
    with pytest.raises(FacematchError, match="there are 0 queries"):
        fit_static(judged_of(ranking_of(np.empty((0, 3))), [], [0, 0, 0]), "euclidean")
    with pytest.raises(FacematchError, match="no gallery photo"):
        fit_static(judged_of(ranking_of([[], []]), [0, 1], []), "euclidean")
