"""The way over a known person against a triple loop, its laws, and a case it is made for."""

import tracemalloc
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import VECTOR_METRICS, Metric
from facematch.ranking.ranking import distance_estimator
from facematch.refine.bridge import bridge, nearest_photos, power_mean
from facematch.refine.known import KnownPeople
from known_helpers import embeddings, made, plain

SEEDS = st.integers(0, 2**32 - 1)


def mean_of(b: float, d: float, weight: float, power: float) -> float:
    if power == 0:
        return b**weight * d ** (1 - weight)
    return (weight * b**power + (1 - weight) * d**power) ** (1 / power)


def over_persons(
    query: Embeddings, gallery: Embeddings, known: KnownPeople, metric: Metric = "euclidean"
) -> NDArray[np.float64]:
    """b, loop by loop."""
    asking, answering = (plain(side, known.embeddings, metric) for side in (query, gallery))
    b = np.full((len(query), len(gallery)), np.inf)
    for q, g, person in product(range(len(query)), range(len(gallery)), set(known.people)):
        own = [row for row, each in enumerate(known.people) if each == person]
        b[q, g] = min(b[q, g], max(min(asking[q, own]), min(answering[g, own])))
    return b


def rank(query: Embeddings, gallery: Embeddings, known: KnownPeople, weight: float) -> NDArray[np.float32]:
    """Distances Q×G, in the order of the gallery."""
    found = bridge(query, gallery, len(gallery), "euclidean", known, weight=weight)
    distances = np.empty(found.distances.shape, np.float32)
    np.put_along_axis(distances, found.indices, found.distances, 1)
    return distances


@settings(max_examples=60, deadline=None)
@given(
    SEEDS, st.sampled_from(VECTOR_METRICS), st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.sampled_from([1.0, 2.0, 0.0, -4.0, 20.0]),
)  # fmt: skip
def test_equals_a_loop_over_pairs_and_persons(seed: int, metric: Metric, weight: float, power: float) -> None:
    query, gallery, known = made(seed)
    found = bridge(query, gallery, len(gallery), metric, known, weight=weight, power=power)
    assert found.metric == f"{metric} bridge"
    b, d = over_persons(query, gallery, known, metric), plain(query, gallery, metric)
    for row in range(len(query)):
        expected = [mean_of(b[row, g], d[row, g], weight, power) for g in range(len(gallery))]
        assert sorted(found.indices[row]) == list(range(len(gallery)))
        assert found.distances[row] == pytest.approx([expected[g] for g in found.indices[row]], rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(VECTOR_METRICS))
def test_without_weight_it_is_the_plain_ranking(seed: int, metric: Metric) -> None:
    query, gallery, known = made(seed)
    found, expected = bridge(query, gallery, 6, metric, known, weight=0), distance_estimator(query, gallery, 6, metric)
    assert (found.indices == expected.indices).all()
    assert found.distances == pytest.approx(expected.distances, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_with_all_weight_it_is_the_way_over_a_person_alone(seed: int) -> None:
    query, gallery, known = made(seed)
    assert rank(query, gallery, known, 1) == pytest.approx(over_persons(query, gallery, known), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_another_person_makes_no_way_longer(seed: int) -> None:
    query, gallery, known = made(seed)
    fewer = known.without({known.people[0]})
    assert (rank(query, gallery, known, 1) <= rank(query, gallery, fewer, 1) + 1e-6).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_order_of_training_photos_does_not_matter(seed: int) -> None:
    query, gallery, known = made(seed)
    order = np.random.default_rng(seed).permutation(len(known.people)).tolist()
    turned = KnownPeople(known.embeddings.at(order), tuple(known.people[row] for row in order))
    assert rank(query, gallery, turned, 0.5) == pytest.approx(rank(query, gallery, known, 0.5), rel=1e-6)
    assert turned.digest == known.digest


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 1e3, width=32), st.floats(0, 1e3, width=32), st.floats(0, 1), st.floats(-20, 20)
)  # fmt: skip
def test_a_power_mean_lies_between_the_two(one: float, other: float, weight: float, power: float) -> None:
    mean = float(power_mean(np.array([one], np.float32), np.array([other], np.float32), weight, power)[0])
    assert min(one, other) * (1 - 1e-6) - 1e-30 <= mean <= max(one, other) * (1 + 1e-6) + 1e-30


def test_it_finds_a_drawing_that_is_far_from_the_photograph() -> None:
    # Two axes say who it is, the third what kind of picture; a stranger's drawing resembles the photograph more.
    query = embeddings([[1, 0, 0]], "q")
    gallery = embeddings([[0.2, 0.9, 2], [1, 0, 2.6]], "g")
    known = KnownPeople(
        embeddings([[1, 0.1, 0], [1, 0.1, 2.5], [0, 1, 0], [0.1, 1, 2.1]], "t"), ("ann", "ann", "bob", "bob")
    )
    assert distance_estimator(query, gallery, 2).names(0) == ("g000", "g001")
    assert bridge(query, gallery, 2, "euclidean", known).names(0) == ("g001", "g000")
    for power in (-4.0, 2.0):
        assert bridge(query, gallery, 2, "euclidean", known, power=power).names(0)[0] == "g001"


def test_equal_photos_stand_by_name() -> None:
    query, gallery = embeddings(np.eye(3)[:1], "q"), embeddings(np.eye(3)[[1, 0, 0, 0]], "g")
    known = KnownPeople(embeddings(np.eye(3)[2:], "t"), ("ann",))
    assert bridge(query, gallery, 4, "euclidean", known).names(0) == ("g001", "g002", "g003", "g000")
    turned = replace(gallery, names=("d", "c", "b", "a"))
    assert bridge(query, turned, 3, "cosine", known).names(0) == ("a", "b", "c")
    assert bridge(query, gallery, 4, "euclidean", known, weight=0.0).distances[0, 0] == 0


def test_blocks_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery, known = made(0, 30, 40, 60)
    whole = {metric: bridge(query, gallery, 40, metric, known) for metric in VECTOR_METRICS}
    monkeypatch.setattr("facematch.refine.known._CELLS", 100)
    for metric, expected in whole.items():
        parts = bridge(query, gallery, 40, metric, known)
        assert (parts.indices == expected.indices).all()
        assert parts.distances == pytest.approx(expected.distances, rel=1e-6)


def test_memory_stays_far_below_all_pairs_and_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    query, gallery, photos = (embeddings(rng.normal(size=(600, 4)), each) for each in "qgt")
    known = KnownPeople(photos, tuple(f"{row // 2}" for row in range(600)))
    monkeypatch.setattr("facematch.refine.known._CELLS", 20_000)
    tracemalloc.start()
    bridge(query, gallery, 10, "euclidean", known)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 600 * 300 * 4 + 3_000_000  # of Q×P and G×P, and blocks: Q×G×P alone were 432 MB


def test_nearest_photos_are_each_persons() -> None:
    side = embeddings([[0, 0], [5, 0]], "x")
    known = KnownPeople(embeddings([[1, 0], [9, 0], [3, 0]], "t"), ("bob", "ann", "bob"))
    assert nearest_photos(side, known, "euclidean").tolist() == [[9, 1], [4, 2]]  # ann, bob


def test_people_embedded_in_another_way_are_refused() -> None:
    query, gallery, known = made(0)
    other = replace(known.embeddings, fingerprint=Fingerprint({"faces.margin": 0.5}))
    with pytest.raises(FacematchError, match=r"faces.margin is .*those of training people"):
        bridge(query, gallery, 3, "euclidean", replace(known, embeddings=other))
