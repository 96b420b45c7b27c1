"""Queries a second: who is timed, how often, and on how many threads. No time is asserted."""

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.task import leave_one_out, two_sides
from facematch.ranking.embeddings import Embeddings, joined
from facematch.tasks.hashing import data as hash_timing
from facematch.tasks.hashing.codes import HashPhotos
from facematch.tasks.hashing.data import machine_words, time_rankings

Call = tuple[str, int, bool, int, tuple[tuple[str, ...], int]]


def sides(queries: int, photos: int, *, alone: bool = False) -> HashPhotos:
    def made(count: int, name: str) -> Embeddings:
        vectors = np.random.default_rng(count).uniform(-1, 1, (count, 16)).astype(np.float32)
        return Embeddings(tuple(f"{name}{row:05d}" for row in range(count)), vectors, "euclidean", Fingerprint())

    gallery = made(photos, "g")
    if alone:
        return HashPhotos(leave_one_out(dict.fromkeys(gallery.names, "class"), gallery.names), gallery)
    query = made(queries, "q")
    shown = dict.fromkeys(query.names + gallery.names, "class")
    return HashPhotos(two_sides(query.names, gallery.names, shown), joined([query, gallery]))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """Metric, queries, whether a photo's own row is left out, threads, and names of every ranking."""
    seen: list[Call] = []
    true = hash_timing.distance_estimator

    def noting(query: Embeddings, gallery: Embeddings, k: int, *, exclude_same_name: bool) -> Any:
        names = (*query.names[:1], *query.names[-1:]), len(set(query.names))
        seen.append((query.metric, len(query), exclude_same_name, faiss.omp_get_max_threads(), names))
        return true(query, gallery, k, exclude_same_name=exclude_same_name)

    monkeypatch.setattr(hash_timing, "distance_estimator", noting)
    monkeypatch.setattr(hash_timing, "_LONG", 0.0)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    yield seen
    assert faiss.omp_get_max_threads() == 2  # what a program had set comes back, whatever happened
    faiss.omp_set_num_threads(before)


def test_all_take_turns_on_one_thread(calls: list[Call]) -> None:
    speeds = time_rankings([sides(5, 9), sides(5, 30, alone=True), sides(5, 9)], [True, False, True])
    turn = ["euclidean", "hamming", "euclidean", "euclidean", "hamming"]
    assert [metric for metric, *_ in calls] == turn * (1 + 7)  # a warm-up and seven rounds
    assert {threads for *_, threads, _ in calls} == {1}
    assert [own for _, _, own, *_ in calls[:5]] == [False, False, True, False, False]
    assert [(speed.queries, speed.gallery) for speed in speeds] == [(5, 9), (30, 30), (5, 9)]
    assert [(len(speed.floats), len(speed.codes)) for speed in speeds] == [(7, 7), (7, 0), (7, 7)]
    assert all(seconds > 0 for speed in speeds for seconds in (*speed.floats, *speed.codes))


def test_of_many_queries_some_are_timed_from_first_to_last(calls: list[Call]) -> None:
    (speed,) = time_rankings([sides(2500, 12)], [True])
    assert speed.queries == 1000
    assert {queries for _, queries, *_ in calls} == {1000}
    assert {names for *_, names in calls} == {(("q00000", "q02499"), 1000)}


def test_threads_come_back_after_an_error(calls: list[Call]) -> None:
    with pytest.raises(Exception, match="there are no query embeddings"):
        time_rankings([sides(0, 9)], [False])


def test_the_machine_is_named() -> None:
    assert machine_words().startswith("one thread of ")
    assert machine_words().endswith(" cores")
