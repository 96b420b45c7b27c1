"""Figures of Hamming balls against plain loops over codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.evaluation.tie_groups import TieGroups, groups_of_codes
from facematch.evaluation.tied_figures import empty_ball, precision_within, radius_curve
from facematch.ranking.codes import hamming_distances, pack_codes
from tied_cases import tie_groups


def some_codes(seed: int, queries: int, photos: int, bits: int = 8) -> tuple[TieGroups, np.ndarray, np.ndarray]:
    """Tie groups, Hamming distances, and which photos are right; some queries show nobody of the gallery."""
    rng = np.random.default_rng(seed)
    query, gallery = (pack_codes(rng.normal(size=(count, bits))) for count in (queries, photos))
    asked, shown = rng.integers(0, 5, queries), rng.integers(0, 4, photos)
    return groups_of_codes(query, gallery, asked, shown), hamming_distances(query, gallery), asked[:, None] == shown


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 15), st.integers(-1, 9))
def test_balls_equal_plain_loops(seed: int, queries: int, photos: int, radius: int) -> None:
    tied, distances, right = some_codes(seed, queries, photos)
    for row, (precision, empty) in enumerate(
        zip(precision_within(tied, radius), empty_ball(tied, radius), strict=True)
    ):
        relevant = sum(right[row].tolist())
        if not relevant:
            assert np.isnan([precision, empty]).all()
            continue
        inside = [bool(r) for r, d in zip(right[row], distances[row], strict=True) if d <= radius]
        assert precision == pytest.approx(sum(inside) / len(inside) if inside else 0)
        assert empty == (not inside)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 15))
def test_curves_are_means_over_the_queries(seed: int, queries: int, photos: int) -> None:
    tied, distances, right = some_codes(seed, queries, photos)
    curve = radius_curve(tied, range(9))
    assert curve.radii.tolist() == list(range(9))
    if not tied.answerable.any():
        assert np.isnan([curve.precision, curve.recall, curve.answered]).all()
        return
    for radius in range(9):
        empty = empty_ball(tied, radius)
        kept = precision_within(tied, radius)[empty == 0]
        assert curve.answered[radius] == pytest.approx(1 - np.nanmean(empty))
        inside = (right & (distances <= radius)).sum(axis=1)[tied.answerable]
        assert curve.recall[radius] == pytest.approx((inside / right.sum(axis=1)[tied.answerable]).mean())
        assert curve.precision[radius] == pytest.approx(kept.mean() if len(kept) else np.nan, nan_ok=True)
    assert (np.diff(curve.recall) >= 0).all()
    assert curve.recall[-1] == 1
    assert curve.answered[-1] == 1


def test_the_curve_and_the_empty_ball_worked_out_by_hand() -> None:
    # One query has nothing within radius 0, another one right photo there, a third one right of four.
    tied = tie_groups([[(0, 0), (2, 2)], [(1, 1), (1, 1)], [(4, 1), (1, 1)]])
    assert precision_within(tied, 0).tolist() == [0, 1, 1 / 4]
    assert empty_ball(tied, 0).tolist() == [1, 0, 0]
    curve = radius_curve(tied, [0, 1])
    assert curve.precision.tolist() == pytest.approx([(1 + 1 / 4) / 2, (1 + 1 + 2 / 5) / 3])
    assert curve.recall.tolist() == pytest.approx([(0 + 1 / 2 + 1 / 2) / 3, 1])
    assert curve.answered.tolist() == pytest.approx([2 / 3, 1])


def test_a_radius_that_holds_nothing_has_no_precision() -> None:
    tied = tie_groups([[(0, 0), (2, 1)]])
    curve = radius_curve(tied, [0])
    assert np.isnan(curve.precision).all()
    assert curve.recall.tolist() == [0]
    assert curve.answered.tolist() == [0]


def test_no_radius_is_an_empty_curve() -> None:
    curve = radius_curve(tie_groups([[(2, 1)]]), [])
    assert [len(each) for each in (curve.radii, curve.precision, curve.recall, curve.answered)] == [0] * 4
