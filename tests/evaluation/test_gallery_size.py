"""Chances of a hit in other galleries against scipy's distributions and galleries really drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facematch.evaluation.gallery_size import BETAS, hit_chances, log_likelihoods, places, queries_of
from facematch.evaluation.outcomes import Outcomes
from facematch.evaluation.topk import KS


def made(closer: list[tuple[int, ...]], others: int) -> Outcomes:
    names = tuple(f"q{i}" for i in range(len(closer)))
    return Outcomes(names, names, tuple(closer), (others,) * len(closer))


@pytest.mark.parametrize("gallery", [2, 7, 30, 61])
def test_a_smaller_gallery_is_hypergeometric(gallery: int) -> None:
    closer = [0, 1, 4, 9, 10, 30, 60]
    chances = hit_chances(places(made([(d,) for d in closer], 60)), gallery)
    assert chances.shape == (1, len(closer), 3)
    for row, d in enumerate(closer):
        expected = [stats.hypergeom(60, d, gallery - 1).cdf(k - 1) for k in KS]
        assert chances[0, row] == pytest.approx(expected, abs=1e-9)


def test_the_same_gallery_gives_what_was_seen() -> None:
    found = places(made([(0,), (1,), (4,), (5,), (9,), (10,)], 40))
    expected = [[1, 1, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert hit_chances(found, 41)[0] == pytest.approx(np.array(expected, dtype=float))


@pytest.mark.parametrize("beta", [(0.02, 2.0), (0.5, 30.0), (3.0, 5.0)])
def test_a_larger_gallery_is_beta_binomial(beta: tuple[float, float]) -> None:
    a, b = beta
    closer = [0, 1, 4, 9, 10, 30]
    chances = hit_chances(places(made([(d,) for d in closer], 60)), 201, np.array([beta]))
    for row, d in enumerate(closer):
        further = stats.betabinom(140, a + d, b + 60 - d)
        assert chances[0, row] == pytest.approx([further.cdf(k - 1 - d) for k in KS], abs=1e-9)


def test_a_larger_gallery_of_beta_queries_is_foretold() -> None:
    rng = np.random.default_rng(0)
    share = rng.beta(0.2, 10, 4000)  # of all people's photos that are closer
    small = rng.binomial(100, share)
    large = small + rng.binomial(900, share)
    found = places(made([(int(d),) for d in small], 100))
    best = BETAS[[log_likelihoods(found).sum(axis=0).argmax()]]
    told = hit_chances(found, 1001, best)[0].mean(axis=0)
    assert told == pytest.approx([(large < k).mean() for k in KS], abs=0.04)
    binomial = np.where(small == 0, stats.binom.cdf(0, 900, small / 100), 0).mean()
    assert binomial > told[0] + 0.1  # once right, always right: what the beta distribution mends


def test_likelihoods_are_beta_binomial_up_to_ten() -> None:
    got = log_likelihoods(places(made([(0,), (9,), (10,), (50,)], 60)), np.array([(0.3, 7.0)]))[:, 0]
    law = stats.betabinom(60, 0.3, 7.0)
    assert got == pytest.approx([law.logpmf(0), law.logpmf(9), law.logsf(9), law.logsf(9)], abs=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_right_photos_that_are_queries_are_missing_from_the_gallery(share: float) -> None:
    # Drawn by hand: each of four right photos stays with chance 1 − share, at least one does.
    rng = np.random.default_rng(1)
    closer = (0, 3, 7, 20)
    stays = rng.random((200_000, 4)) >= share
    first = np.argmax(stays[stays.any(axis=1)], axis=1)
    found = places(made([closer], 400), share)
    chances = np.zeros(4)
    chances[[closer.index(d) for d in found.closer]] = found.chance
    assert chances == pytest.approx(np.bincount(first, minlength=4) / len(first), abs=0.01)
    assert found.chance.sum() == pytest.approx(1)


def test_without_a_share_the_best_right_photo_stays() -> None:
    found = places(made([(2, 5), (0, 1, 4)], 9))
    assert (found.closer.tolist(), found.chance.tolist(), found.right.tolist()) == ([2, 0], [1, 1], [2, 3])
    assert places(made([(2, 5)], 9), 1.0).chance.tolist() == [0.5, 0.5]


def test_queries_of_a_person_leave_one_photo_in_the_gallery() -> None:
    photos = np.array([2, 3, 5, 10])
    assert queries_of(photos, 0).tolist() == [1, 1, 1, 1]
    assert queries_of(photos, 0.3).tolist() == [1, 1, 2, 3]
    assert queries_of(photos, 1).tolist() == [1, 2, 4, 9]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 80), min_size=1, max_size=8), st.floats(0, 1), st.integers(2, 400))
def test_a_larger_gallery_is_never_easier(closer: list[int], share: float, gallery: int) -> None:
    found = places(made([tuple(sorted({d, min(80, 2 * d)})) for d in closer], 80), share)
    smaller, larger = hit_chances(found, gallery), hit_chances(found, gallery + 25)
    assert (larger <= smaller + 1e-9).all()
    assert (np.diff(larger, axis=-1) >= -1e-9).all()  # within 10 when within 5, within 5 when first
    assert larger.min() >= 0
    assert smaller.max() <= 1
