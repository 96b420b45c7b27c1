"""A judged ranking against plain loops: right places, junk taken out, ties in both directions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import RelevanceMatrix, pooled, relevance_matrix
from facematch.ranking.ranking import Ranking

GALLERY = tuple(f"g{i}" for i in range(6))


def ranking(rng: np.random.Generator, queries: int, k: int, levels: int = 3) -> Ranking:
    """A ranking with many ties."""
    distances = np.sort(rng.integers(0, levels, (queries, len(GALLERY))).astype(np.float32), axis=1)[:, :k]
    indices = np.stack([rng.permutation(len(GALLERY))[:k] for _ in range(queries)]) if queries else np.empty((0, k))
    return Ranking(tuple(f"q{i}" for i in range(queries)), GALLERY, indices.astype(np.int64), distances, "euclidean")


def naive(found: Ranking, query: int, relevant: set[str], ignored: set[str]) -> tuple[list[bool], list[float]]:
    kept = [
        (name in relevant, float(distance))
        for name, distance in zip(found.names(query), found.distances[query], strict=True)
        if name not in ignored
    ]
    return [right for right, _ in kept], [distance for _, distance in kept]


names = st.sets(st.sampled_from([*GALLERY, "elsewhere"]))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(names, names), max_size=4), st.integers(1, 6))
def test_equals_a_naive_judgement(seed: int, answers: list[tuple[set[str], set[str]]], k: int) -> None:
    found = ranking(np.random.default_rng(seed), len(answers), k)
    judged = relevance_matrix(found, [a for a, _ in answers], ignored=[b for _, b in answers])
    for query, (relevant, ignored) in enumerate(answers):
        right, distances = naive(found, query, relevant, ignored)
        assert judged.right[query].tolist() == right + [False] * (k - len(right))
        assert judged.distances[query].tolist() == distances + [np.inf] * (k - len(right))
        there = set(GALLERY) - ignored
        assert judged.relevant[query] == len(relevant & there)
        assert judged.wrong[query] == len(there - relevant)
        assert judged.answerable[query] == bool(relevant & there)


@given(st.integers(0, 2**32 - 1))
def test_ties_move_only_within_equal_distances(seed: int) -> None:
    found = ranking(np.random.default_rng(seed), 3, 6)
    answers = [{"g1", "g4"}, {"g0"}, set(GALLERY)]
    plain = relevance_matrix(found, answers)
    for ties, first in (("worst", False), ("best", True)):
        judged = relevance_matrix(found, answers, ties=ties)  # type: ignore[arg-type]
        for query in range(3):
            for distance in set(found.distances[query]):
                at = found.distances[query] == distance
                assert sorted(judged.right[query][at]) == sorted(plain.right[query][at])
                assert judged.right[query][at].tolist() == sorted(judged.right[query][at], reverse=first)


def test_ties_of_a_short_ranking_are_refused() -> None:
    found = ranking(np.random.default_rng(0), 2, 3)
    with pytest.raises(FacematchError, match="needs the whole ranking; that of q0 ends after 3 of 6 photos"):
        relevance_matrix(found, [{"g0"}, {"g1"}], ties="worst")


@pytest.mark.parametrize("excluded", [True, False])
@pytest.mark.parametrize("k", [6, 5, 3])
def test_a_query_that_stands_in_the_gallery_is_neither_right_nor_wrong(excluded: bool, k: int) -> None:
    # Whether the ranking left it out already or not, and whether it is named among the right ones or not.
    order = [1, 2, 3, 4, 5, -1] if excluded else [1, 2, 0, 3, 4, 5]
    distances = np.array([[1, 2, 3, 4, 5, np.inf]] if excluded else [[1, 2, 2, 3, 4, 5]], np.float32)
    ranking = Ranking(("g0",), GALLERY, np.array([order])[:, :k], distances[:, :k], "euclidean")
    for right in ({"g1"}, {"g0", "g1"}):
        for ignored in ({"g0"}, {"g0", "elsewhere"}):
            judged = relevance_matrix(ranking, [right], ignored=[ignored])
            assert (judged.relevant.tolist(), judged.wrong.tolist()) == ([1], [4])
            assert judged.right.tolist() == [[True] + [False] * (k - 1)]
            there = k - (k == 6 or not excluded)
            assert np.isfinite(judged.distances).sum() == there
            if there == 5:
                judged.require_complete("this")


def test_answers_of_another_number_are_an_error() -> None:
    found = ranking(np.random.default_rng(0), 2, 3)
    with pytest.raises(FacematchError, match="a ranking of 2 queries was judged with 1 answers"):
        relevance_matrix(found, [{"g0"}])


def test_pooled_parts_keep_their_rows() -> None:
    rng = np.random.default_rng(0)
    short = relevance_matrix(ranking(rng, 2, 3), [{"g0"}, {"g1"}], ["ann", "bob"])
    long = relevance_matrix(ranking(rng, 1, 6), [{"g2"}], ["cid"])
    both: RelevanceMatrix = pooled([short, long])
    assert both.groups == ("ann", "bob", "cid")
    assert both.right.shape == both.distances.shape == (3, 6)
    assert both.right[0, :3].tolist() == short.right[0].tolist()
    assert np.isinf(both.distances[0, 3:]).all()
    assert both.relevant.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="no judged ranking"):
        pooled([])
