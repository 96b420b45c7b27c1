"""The promised rate of false accepts, over thousands of draws, and what is refused."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.thresholds.conformal import fit_conformal, gallery_digest, least_people
from facematch.thresholds.values import accept, accepted_mask
from threshold_helpers import people_embeddings, ranking_of

GALLERY = ("g000", "g001")  # of `ranking_of` with two photos


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(9, 60), st.sampled_from([0.1, 0.2, 0.29, 0.5]), st.booleans())
def test_nearer_than_the_jth_smallest_score_is_accepted(seed: int, people: int, alpha: float, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 4, people) / 4 if tied else rng.random(people)).astype(np.float32)
    place = math.floor(Fraction(str(alpha)) * (people + 1))
    threshold = fit_conformal(scores, list(range(people)), alpha, "euclidean", GALLERY)
    wanted = sorted(scores.tolist())[place - 1]
    assert (threshold.place, threshold.distance) == (place, wanted)
    assert threshold.promised == place / (people + 1) <= alpha
    below, at = np.nextafter(np.float32(wanted), np.float32(-1)), np.float32(wanted)
    ranking = ranking_of([[below, 9.0], [at, 9.0]])
    assert [bool(names) for names in accept(ranking, threshold.limits(ranking)).values()] == [True, False]


@pytest.mark.parametrize(("people", "alpha"), [(99, 0.01), (49, 0.1), (57, 0.1), (19, 0.25)])
@pytest.mark.parametrize("kind", ["continuous", "tied", "constant"])
def test_over_many_draws_of_people_the_promise_is_kept(people: int, alpha: float, kind: str) -> None:
    rng, draws, false = np.random.default_rng(people), 4000, 0
    codes = list(range(people))
    for _ in range(draws):
        scores = rng.lognormal(0, 0.5, people + 1)
        if kind == "tied":
            scores = np.ceil(2 * scores) / 2
        elif kind == "constant":
            scores = np.ones(people + 1)
        threshold = fit_conformal(scores[:-1], codes, alpha, "euclidean", GALLERY)
        false += bool(scores[-1] < threshold.distance)
    promised = math.floor(Fraction(str(alpha)) * (people + 1)) / (people + 1)
    error = 4 * math.sqrt(promised * (1 - promised) / draws)
    assert false / draws <= promised + error
    if kind == "continuous":  # and nothing is given away
        assert false / draws >= promised - error
    if kind == "constant":
        assert false == 0


def test_from_photos_to_answers_the_promise_is_kept() -> None:
    false, asked, alpha = 0, 0, 0.2
    for seed in range(60):
        every, who = people_embeddings(60, 2, seed=seed, spread=0.8)
        names, people = np.array(every.names), np.array(who)

        def side(chosen: np.ndarray, names: np.ndarray = names, every: Embeddings = every) -> Embeddings:
            return replace(every, names=tuple(names[chosen].tolist()), vectors=every.vectors[chosen])

        gallery, known, unknown = side(people < 20), people[(people >= 20) & (people < 39)], people >= 39
        calibration = distance_estimator(side((people >= 20) & (people < 39)), gallery, 1)
        threshold = fit_conformal(
            calibration.distances[:, 0], known.tolist(), alpha, "euclidean", gallery.names, seed=seed
        )
        assert threshold.basis.people == 19
        assert threshold.basis.count == 38
        queries = side(unknown & (np.arange(len(people)) % 2 == 0))  # one photo of each
        ranking = distance_estimator(queries, gallery, len(gallery))
        false += sum(map(bool, accept(ranking, threshold.limits(ranking)).values()))
        asked += len(queries)
    assert asked == 60 * 21
    assert 0.1 < false / asked < alpha + 4 * math.sqrt(alpha * (1 - alpha) * (1 / 60 / 20 + 1 / asked))


def test_one_photo_of_each_person_is_drawn_whatever_its_distance() -> None:
    # Ten people with a near and a far photo: with one drawn by lot, half of all people count as near.
    nearest, people = np.tile([0.1, 0.9], 10), np.repeat(np.arange(10), 2).tolist()
    found = [fit_conformal(nearest, people, 0.5, "euclidean", GALLERY, seed=seed).distance for seed in range(400)]
    assert set(found) == {0.1, 0.9}
    # The 5-th smallest of ten is near when at least five of ten coins show it: 0.623.
    assert np.mean(np.array(found) == 0.1) == pytest.approx(0.623, abs=0.1)
    assert fit_conformal(nearest, people, 0.5, "euclidean", GALLERY, seed=3).basis.people == 10
    again = [fit_conformal(nearest, people, 0.5, "euclidean", GALLERY, seed=seed).distance for seed in range(400)]
    assert again == found


@pytest.mark.parametrize(("alpha", "people"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.29, 3), (0.5, 1), (0.03, 33)])
def test_the_least_number_of_people_is_just_enough(alpha: float, people: int) -> None:
    assert least_people(alpha) == people
    distances = np.linspace(1, 2, people)
    assert fit_conformal(distances, list(range(people)), alpha, "euclidean", GALLERY).place == 1
    with pytest.raises(FacematchError, match=f"needs at least {people} unknown people; there are {people - 1}"):
        fit_conformal(distances[1:], list(range(people - 1)), alpha, "euclidean", GALLERY)


def test_too_few_people_are_said_and_no_number_is_given() -> None:
    with pytest.raises(FacematchError, match="needs at least 99") as caught:
        fit_conformal(np.ones(57), list(range(57)), 0.01, "euclidean", GALLERY)
    expected = "insufficient data: promising 1 % needs at least 99 unknown people; there are 57."
    assert caught.value.message == expected
    # Photos do not make people.
    with pytest.raises(FacematchError, match="there are 5"):
        fit_conformal(np.ones(500), (list(range(5)) * 100), 0.01, "euclidean", GALLERY)


def test_decimal_rates_are_read_as_written() -> None:
    # 0.29 · 100 is 28.999… in binary, 0.07 · 100 is 7.000…1.
    for alpha, place in ((0.29, 29), (0.07, 7), (0.57, 57)):
        assert fit_conformal(np.arange(99.0), list(range(99)), alpha, "euclidean", GALLERY).place == place


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan, math.inf])
def test_a_promise_is_a_rate(alpha: float) -> None:
    with pytest.raises(FacematchError, match="between 0 and 1"):
        fit_conformal(np.ones(99), list(range(99)), alpha, "euclidean", GALLERY)


def test_distances_of_an_empty_gallery_are_refused() -> None:
    with pytest.raises(FacematchError, match="not finite"):
        fit_conformal(np.full(20, np.inf), list(range(20)), 0.1, "euclidean", GALLERY)
    with pytest.raises(ValueError, match="20 photos of unknown people"):
        fit_conformal(np.ones(19), list(range(20)), 0.1, "euclidean", GALLERY)


def test_another_gallery_has_no_promise() -> None:
    threshold = fit_conformal(np.ones(20), list(range(20)), 0.1, "euclidean", GALLERY)
    limits = threshold.limits(ranking_of([[0.5, 2.0]]))
    assert accepted_mask(ranking_of([[0.5, 2.0]]).distances, limits).tolist() == [[True, False]]
    with pytest.raises(FacematchError, match="the gallery it was calibrated in") as caught:
        threshold.limits(ranking_of([[0.5, 2.0, 2.0]]))
    assert "fit the threshold again" in caught.value.hint
    assert gallery_digest(["b", "a"]) == gallery_digest(["a", "b"]) != gallery_digest(["a", "b,"])


def test_a_scale_of_the_scores_scales_the_threshold() -> None:
    scores = np.random.default_rng(0).random(40)
    one = fit_conformal(scores, list(range(40)), 0.1, "euclidean", GALLERY)
    other = fit_conformal(scores * 4, list(range(40)), 0.1, "euclidean", GALLERY)
    assert other.distance == 4 * one.distance
