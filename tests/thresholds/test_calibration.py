"""Probabilities against fits in plain NumPy and SciPy, and their laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from facematch.core.errors import FacematchError
from facematch.thresholds.calibration import (
    CalibratedThreshold,
    Fit,
    Isotonic,
    Platt,
    fit_isotonic,
    fit_platt,
    with_prior,
)
from facematch.thresholds.values import Basis, accepted_mask
from probability_fits import falling_fit, sigmoid_fit
from threshold_helpers import ranking_of

BASIS = Basis("euclidean", 100, 20)
FITS: list[Fit] = [fit_isotonic, fit_platt]


def some_pairs(seed: int, count: int = 200, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Distances with P(same) = 1/(1 + exp(4·(d − 1))), rounded to `levels` values where they are to tie."""
    rng = np.random.default_rng(seed)
    distances = rng.uniform(0, 2, count)
    if levels is not None:
        distances = np.round(distances * levels) / levels
    same = rng.random(count) < 1 / (1 + np.exp(4 * (distances - 1)))
    same[:10], same[10:20] = True, False
    return distances, same


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(25, 300), st.sampled_from([1, 3, None]))
def test_isotonic_is_pool_adjacent_violators(seed: int, count: int, levels: int | None) -> None:
    distances, same = some_pairs(seed, count, levels)
    ours = fit_isotonic(distances, same, 20, "euclidean")
    knots, values = falling_fit(distances, same.astype(np.float64), np.ones(count))
    assert ours.distances == tuple(knots.tolist())
    assert ours.probabilities == pytest.approx(values, abs=1e-12)
    assert len(ours.distances) <= len(np.unique(distances))


@pytest.mark.parametrize("seed", range(5))
def test_the_reference_is_the_least_squares_fit_under_its_constraint(seed: int) -> None:
    # The minimax formula of isotonic regression: max over later ends of min over earlier starts of means.
    rng = np.random.default_rng(seed)
    y, w = rng.random(9), rng.uniform(0.2, 3, 9)
    knots, values = falling_fit(np.arange(9.0), y, w)
    for i in range(9):
        naive = min(
            max(np.average(y[start : end + 1], weights=w[start : end + 1]) for end in range(i, 9))
            for start in range(i + 1)
        )
        assert np.interp(i, knots, values) == pytest.approx(naive)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(FITS), st.floats(0.01, 0.99))
def test_probability_never_rises_with_the_distance(seed: int, fit: Fit, prior: float) -> None:
    distances, same = some_pairs(seed, levels=7)
    model = with_prior(fit(distances, same, 20, "euclidean"), prior)
    found = model.probability(np.linspace(-1, 4, 500))
    assert (np.diff(found) <= 1e-12).all()
    assert ((found >= 0) & (found <= 1)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(25, 400), st.floats(-6, 6), st.floats(-1e3, 1e3))
def test_platt_is_newtons_method_on_its_targets(seed: int, count: int, power: float, shift: float) -> None:
    distances, same = some_pairs(seed, count)
    scaled = (distances + shift) * 10.0**power
    slope, offset = sigmoid_fit(scaled, same)
    if slope > 0:
        ours = fit_platt(scaled, same, 20, "euclidean")
        assert ours.slope == pytest.approx(slope, rel=1e-7)
        assert ours.slope * scaled + ours.offset == pytest.approx(slope * scaled + offset, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_platt_has_the_least_cross_entropy(seed: int) -> None:
    distances, same = some_pairs(seed)
    wanted = int(same.sum())
    targets = np.where(same, (wanted + 1) / (wanted + 2), 1 / (len(same) - wanted + 2))

    def loss(at: np.ndarray) -> float:
        p = 1 / (1 + np.exp(at[0] * distances + at[1]))
        return float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum())

    theirs = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000})
    found = fit_platt(distances, same, 20, "euclidean")
    ours = found.slope, found.offset
    assert ours == pytest.approx(theirs.x, rel=1e-4)
    assert loss(np.array(ours)) <= theirs.fun + 1e-9


def test_platt_is_finite_where_a_distance_parts_the_pairs_perfectly() -> None:
    distances = np.concatenate([np.linspace(0, 0.4, 30), np.linspace(0.6, 1, 30)])
    model = fit_platt(distances, distances < 0.5, 20, "euclidean")
    found = model.probability([0.0, 0.5, 1.0])
    assert found[0] > 0.9
    assert found[1] == pytest.approx(0.5)
    assert found[2] < 0.1
    assert model.probability([-1e6, 1e6]).tolist() == [1.0, 0.0]  # no overflow


def test_both_recover_the_probabilities_that_made_the_pairs() -> None:
    distances, same = some_pairs(0, 40_000)
    truth = 1 / (1 + np.exp(4 * (np.array([0.5, 1.0, 1.5]) - 1)))
    for fit in FITS:
        assert fit(distances, same, 20, "euclidean").probability([0.5, 1.0, 1.5]) == pytest.approx(truth, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(FITS), st.floats(0.001, 0.999))
def test_another_prior_multiplies_the_odds(seed: int, fit: Fit, prior: float) -> None:
    distances, same = some_pairs(seed)
    model = fit(distances, same, 20, "euclidean")
    assert model.prior == model.base_rate == pytest.approx(same.mean())
    moved, asked = with_prior(model, prior), np.linspace(0, 2, 50)
    before, after = model.probability(asked), moved.probability(asked)
    ratio = prior / (1 - prior) * (1 - model.base_rate) / model.base_rate
    for old, new in zip(before, after, strict=True):
        if 0 < old < 1:
            assert new / (1 - new) == pytest.approx(old / (1 - old) * ratio, rel=1e-6)
        else:
            assert new == old
    back = with_prior(moved, model.base_rate)
    assert back.probability(asked) == pytest.approx(before, abs=1e-12)
    assert (moved.base_rate, moved.basis) == (model.base_rate, model.basis)


def test_a_prior_is_right_for_a_sample_drawn_with_it() -> None:
    # The same pairs with the different ones thinned out: fitted there, or fitted on all and turned to that prior.
    distances, same = some_pairs(1, 60_000)
    kept = same | (np.random.default_rng(99).random(len(same)) < 0.1)
    whole = fit_platt(distances, same, 20, "euclidean")
    thinned = fit_platt(distances[kept], same[kept], 20, "euclidean")
    asked = np.linspace(0.2, 1.8, 9)
    turned = with_prior(whole, thinned.base_rate).probability(asked)
    assert turned == pytest.approx(thinned.probability(asked), abs=0.02)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(FITS),
    st.floats(0.02, 0.98),
    st.floats(0.05, 0.95),
    st.sampled_from([4, None]),
)
def test_photos_of_enough_probability_are_accepted(
    seed: int, fit: Fit, prior: float, probability: float, levels: int | None
) -> None:
    distances, same = some_pairs(seed, levels=levels)
    model = with_prior(fit(distances, same, 20, "euclidean"), prior)
    ranking = ranking_of(np.random.default_rng(seed).uniform(-0.5, 3, (4, 30)))
    limits = CalibratedThreshold(model, probability).limits(ranking)
    taken = accepted_mask(ranking.distances, limits)
    found = model.probability(ranking.distances)
    clear = np.abs(found - probability) > 1e-9
    assert (taken == (found >= probability))[clear].all()


def test_no_or_every_distance_may_be_probable_enough() -> None:
    ranking = ranking_of([[0.1, 5.0]])
    level = Isotonic((0.5, 1.0), (0.6, 0.4), 0.5, 0.5, BASIS)
    assert CalibratedThreshold(level, 0.7).limits(ranking).tolist() == [[-math.inf] * 2]
    assert CalibratedThreshold(level, 0.3).limits(ranking).tolist() == [[math.inf] * 2]
    assert CalibratedThreshold(level, 0.5).limits(ranking) == pytest.approx(np.array([[0.75, 0.75]]))
    assert CalibratedThreshold(level, 0.6).limits(ranking).tolist() == [[0.5, 0.5]]
    assert CalibratedThreshold(level, 0.4).limits(ranking).tolist() == [[math.inf] * 2]


@pytest.mark.parametrize("fit", FITS)
def test_too_few_pairs_or_people_give_no_probability(fit: Fit) -> None:
    distances, same = some_pairs(0)
    for people, kept in (
        (9, np.ones(200, dtype=bool)),
        (20, ~same | (np.cumsum(same) <= 9)),
        (20, same | (np.cumsum(~same) <= 9)),
    ):
        with pytest.raises(FacematchError, match="insufficient data: a calibration needs 10 same and 10 different"):
            fit(distances[kept], same[kept], people, "euclidean")


@pytest.mark.parametrize("fit", FITS)
def test_pairs_that_do_not_belong_together_are_refused(fit: Fit) -> None:
    distances, same = some_pairs(0)
    with pytest.raises(ValueError, match="N answers"):
        fit(distances[:-1], same, 20, "euclidean")
    with pytest.raises(ValueError, match="finite"):
        fit(np.where(distances > 1, np.inf, distances), same, 20, "euclidean")


def test_distances_that_say_nothing_give_no_sigmoid() -> None:
    distances, same = some_pairs(0)
    for bad in (2 - distances, np.ones(200)):
        with pytest.raises(FacematchError, match="says nothing about who is shown"):
            fit_platt(bad, same, 20, "euclidean")
    level = fit_isotonic(2 - distances, same, 20, "euclidean")
    assert level.probability([0.5, 1.5]) == pytest.approx(same.mean(), abs=0.1)


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.2, math.nan])
def test_a_prior_is_a_share(prior: float) -> None:
    model = fit_platt(*some_pairs(0), 20, "euclidean")
    with pytest.raises(FacematchError, match="lies between 0 and 1"):
        with_prior(model, prior)


def test_calibrations_check_themselves() -> None:
    with pytest.raises(ValueError, match="rising distances with falling"):
        Isotonic((0.1, 0.2), (0.4, 0.5), 0.5, 0.5, BASIS)
    with pytest.raises(ValueError, match="rising distances"):
        Isotonic((0.2, 0.2), (0.5, 0.4), 0.5, 0.5, BASIS)
    with pytest.raises(ValueError, match="falls with the distance"):
        Platt(0.0, 1.0, 0.5, 0.5, BASIS)
    with pytest.raises(ValueError, match="between 0 and 1"):
        CalibratedThreshold(Platt(1.0, 1.0, 0.5, 0.5, BASIS), 1.0)
