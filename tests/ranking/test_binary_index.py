"""Indexes over codes: the answers of plain loops, whatever finds them; and the recall of what may miss some."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking import binary
from facematch.ranking import choice as recalls
from facematch.ranking.binary import CodeIndexKind, build_index, nearest_codes, search
from facematch.ranking.codes import Codes, pack_codes
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.settings.ranking import CODE_INDEXES


def measured_recall(query: Codes, gallery: Codes, distances: Any, **options: int) -> recalls.Recall:
    k = np.shape(distances)[1]
    return recalls.measured_recall(distances, lambda rows: nearest_codes(query[rows], gallery, k)[1], **options)


def naive_bits(left: Codes, right: Codes) -> int:
    return sum((int(a) ^ int(b)).bit_count() for a, b in zip(left, right, strict=True))


def naive_nearest(query: Codes, gallery: Codes, k: int) -> tuple[list[list[int]], list[list[int]]]:
    rows = [sorted((naive_bits(q, g), position) for position, g in enumerate(gallery))[:k] for q in query]
    return [[position for _, position in row] for row in rows], [[bits for bits, _ in row] for row in rows]


def clustered(seed: int, count: int, bits: int, people: int, flipped: float) -> Codes:
    """Codes of people, each bit of a photo flipped with a probability; some photos share a code."""
    centres = np.random.default_rng(0).random((people, bits)) < 0.5
    rng = np.random.default_rng(seed)
    return np.packbits(centres[rng.integers(0, people, count)] ^ (rng.random((count, bits)) < flipped), axis=1)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_exact_search_and_hash_tables_give_the_answer_of_plain_loops(data: st.DataObject) -> None:
    bits, count = data.draw(st.sampled_from([8, 16, 24, 40, 64, 72, 96])), data.draw(st.integers(1, 150))
    people, flipped = data.draw(st.integers(1, 8)), data.draw(st.sampled_from([0.0, 0.02, 0.1, 0.5]))
    seed, k = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(1, min(count, 20)))
    gallery, query = clustered(seed, count, bits, people, flipped), clustered(seed + 1, 4, bits, people, flipped)
    expected = naive_nearest(query, gallery, k)
    for kind in ("exact", "multi-index-hashing"):
        positions, distances = search(build_index(gallery, kind), query, k)
        assert (positions.tolist(), distances.tolist()) == expected


@pytest.mark.parametrize("index", CODE_INDEXES)
def test_answers_stand_by_distance_and_position_and_name_each_photo_once(index: CodeIndexKind) -> None:
    gallery, query = clustered(1, 3000, 64, 100, 0.05), clustered(2, 300, 64, 100, 0.05)
    positions, distances = nearest_codes(query, gallery, 15, index)
    assert positions.shape == distances.shape == (300, 15)
    for row in range(300):
        found = [naive_bits(query[row], gallery[position]) for position in positions[row]]
        assert distances[row].tolist() == found
        order = list(zip(found, positions[row].tolist(), strict=True))
        assert order == sorted(set(order))
    assert measured_recall(query, gallery, distances, sample=300).value >= (0.97 if index == "hnsw" else 1)


def test_near_photos_are_found_in_hash_tables_without_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, query = clustered(1, 4000, 64, 40, 0.03), clustered(2, 600, 64, 40, 0.03)
    positions, distances = nearest_codes(query, gallery, 10)
    tables = build_index(gallery, "multi-index-hashing")
    compared = []

    def scanned(left: Codes, *_: Any) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        compared.append(len(left))
        return np.empty((len(left), 10), np.int64), np.empty((len(left), 10), np.int32)

    monkeypatch.setattr(binary, "_scanned", scanned)
    found = search(tables, query, 10)
    assert compared == [0]
    assert (found[0] == positions).all()
    assert (found[1] == distances).all()
    search(tables, ~gallery[:7], 10)  # as far from their own people as codes can be
    assert compared[-1] == 7


def test_a_graph_finds_codes_that_many_photos_share() -> None:
    gallery = clustered(1, 200, 64, 20, 0.08)[np.random.default_rng(0).integers(0, 200, 20_000)]
    query = clustered(2, 100, 64, 20, 0.08)
    distances = nearest_codes(query, gallery, 10, "hnsw")[1]
    assert measured_recall(query, gallery, distances).value >= 0.98


class Forgetful:
    """A graph that finds one code of a query in three, and nothing at all for every fifth query."""

    ntotal = 500

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def search(self, query: Codes, width: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        near, codes = self.graph.search(query, width)
        codes[::3, 1:] = codes[::5] = -1
        return near, codes


def test_rows_that_come_back_short_are_completed_exactly() -> None:
    gallery, query = clustered(1, 500, 32, 30, 0.3), clustered(2, 30, 32, 30, 0.3)
    index = build_index(gallery, "hnsw")
    positions, distances = search(replace(index, faiss=Forgetful(index.faiss)), query, 8)
    expected = naive_nearest(query, gallery, 8)
    short = sorted({*range(0, 30, 3), *range(0, 30, 5)})
    assert positions[short].tolist() == [expected[0][row] for row in short]
    assert distances.tolist() == expected[1]


@pytest.mark.parametrize("index", CODE_INDEXES)
def test_a_gallery_of_one_code_and_a_whole_ranking(index: CodeIndexKind) -> None:
    same = np.full((50, 3), 9, np.uint8)
    positions, distances = nearest_codes(same[:2] ^ 1, same, 7, index)
    assert positions.tolist() == [list(range(7))] * 2
    assert (distances == 3).all()
    assert nearest_codes(same[:2], same[:1], 1, index)[0].tolist() == [[0], [0]]
    gallery, query = clustered(1, 90, 16, 5, 0.4), clustered(2, 9, 16, 5, 0.4)
    positions, distances = nearest_codes(query, gallery, 90, index)
    assert (positions.tolist(), distances.tolist()) == naive_nearest(query, gallery, 90)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_recall_counts_distances_as_often_as_exact_search_has_them(queries: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gallery, query = rng.integers(0, 4, (20, 2), dtype=np.uint8), rng.integers(0, 4, (queries, 2), dtype=np.uint8)
    answered = [sorted(naive_bits(q, gallery[g]) for g in rng.permutation(20)[:k]) for q in query]
    exact = naive_nearest(query, gallery, k)[1]
    found = [(Counter(a) & Counter(e)).total() / k for a, e in zip(answered, exact, strict=True)]
    assert measured_recall(query, gallery, answered).value == pytest.approx(sum(found) / queries)
    assert measured_recall(query, gallery, exact).value == 1


def test_a_missing_nearest_photo_is_missed_and_another_one_as_near_is_not() -> None:
    gallery = np.array([[1], [3], [5], [9], [255]], np.uint8)  # 1, 2, 2, 2 and 8 bits from the query
    query = np.zeros((1, 1), np.uint8)
    for answered, value in (([1, 2, 2], 1), ([2, 2, 2], 2 / 3), ([1, 2, 8], 2 / 3), ([1, 2, np.inf], 2 / 3)):
        assert measured_recall(query, gallery, [answered]).value == pytest.approx(value)


def test_recall_is_told_with_its_sample_and_is_the_same_again() -> None:
    gallery, query = clustered(1, 500, 32, 30, 0.1), clustered(2, 157, 32, 30, 0.1)
    distances = nearest_codes(query, gallery, 10)[1]
    distances[::2, 5:] = 31  # too far
    recall = measured_recall(query, gallery, distances)
    assert (recall.sampled, recall.queries, recall.k) == (100, 157, 10)
    assert 0.6 < recall.value < 0.9
    assert recall == measured_recall(query, gallery, distances)
    assert recall != measured_recall(query, gallery, distances, seed=1)
    assert str(recall) == f"recall@10 {recall.value:.3f} on 100 of 157 queries"


def test_mistakes_are_named() -> None:
    codes = np.zeros((5, 2), np.uint8)
    for k in (0, 6):
        with pytest.raises(ValueError, match=f"k is {k}; a search among 5 codes finds 1 to 5"):
            nearest_codes(codes, codes, k)
    with pytest.raises(ValueError, match="codes of 24 and 16 bits cannot be compared"):
        nearest_codes(np.zeros((1, 3), np.uint8), codes, 1)
    with pytest.raises(ValueError, match="one of exact, multi-index-hashing, hnsw over at least 1 code; found flat, 5"):
        build_index(codes, "flat")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="found hnsw, 0"):
        build_index(codes[:0], "hnsw")
    for wrong in (np.zeros((0, 3)), np.zeros(5), np.zeros((5, 0))):
        with pytest.raises(ValueError, match=r"an answer has Q×k distances, Q ≥ 1; found shape"):
            recalls.measured_recall(wrong, lambda rows: rows)


def sides(count: int) -> tuple[Embeddings, Embeddings]:
    """Queries that are every 15th photo of a gallery of 20 people."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 32))
    codes = pack_codes(np.repeat(centres, count // 20, axis=0) + rng.normal(scale=0.3, size=(count, 32)))
    names = tuple(f"{number:04d}.jpg" for number in rng.permutation(count))
    gallery = Embeddings(names, codes, "hamming", Fingerprint())
    return gallery.at(range(0, count, 15)), gallery


@pytest.mark.parametrize("k", [1, 10, 599, 600])
def test_a_ranking_is_the_same_through_an_index(k: int) -> None:
    query, gallery = sides(600)
    exact = distance_estimator(query, gallery, k, exclude_same_name=True)
    for index in CODE_INDEXES:
        ranking = distance_estimator(query, gallery, k, exclude_same_name=True, index=index)
        if index != "hnsw" or k >= 599:  # with the photo left out, 599 are all
            assert (ranking.indices == exact.indices).all()
        assert (ranking.distances == exact.distances).mean() > 0.97


def test_an_index_of_codes_cannot_search_vectors() -> None:
    three = Embeddings(("a", "b", "c"), np.ones((3, 8), np.float32), "euclidean", Fingerprint())
    with pytest.raises(FacematchError, match="index multi-index-hashing does not search by the metric euclidean"):
        distance_estimator(three, three, 1, index="multi-index-hashing")
    with pytest.raises(FacematchError, match="index 'flat' is not known; known are auto, exact, multi"):
        distance_estimator(three, three, 1, index="flat")  # type: ignore[arg-type]
