"""Rankings of a task: judged, led back to, and completed with what a system did not embed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.rank_task import FAR, judge_task, not_embedded, rank_divisions, rank_task
from facematch.evaluation.retrieval import average_precision, hit_at
from facematch.evaluation.task import Division, RetrievalTask, in_folds, leave_one_out, two_sides
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator

PEOPLE = {"a1": "ann", "a2": "ann", "a3": "ann", "b1": "bob", "b2": "bob", "c1": "cy", "d1": "dee"}
NAMES = tuple(PEOPLE)
ASKED = [name for name in NAMES if name != "d1"]


def embedded(names: tuple[str, ...] = NAMES, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    vectors = {name: rng.standard_normal(4) for name in NAMES}
    return Embeddings(names, np.array([vectors[name] for name in names], np.float32), "euclidean", Fingerprint())


def random_task(seed: int, ties: bool = False) -> tuple[RetrievalTask, Embeddings]:
    rng = np.random.default_rng(seed)
    people = [f"id{i}" for i in range(5) for _ in range(rng.integers(1, 5))] + ["id0", "other", "other"]
    vectors = rng.integers(0, 2, (len(people), 2)) if ties else rng.normal(size=(len(people), 3))
    names = [f"p{i:03d}" for i in rng.permutation(len(people))]
    shown = dict(zip(names, people, strict=True))
    task = leave_one_out(shown, [name for name in names if shown[name] != "other"])
    return task, Embeddings(tuple(names), vectors.astype(np.float32), "euclidean", Fingerprint())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_leave_one_out_equals_a_plain_sort_with_ties_by_name(seed: int, ties: bool) -> None:
    task, side = random_task(seed, ties)
    judged = rank_task(task, side).judged
    vectors = dict(zip(side.names, side.vectors.astype(float), strict=True))
    for row, query in enumerate(judged.queries):
        others = [name for name in side.names if name != query]
        ranked = sorted(others, key=lambda name: (np.float32(np.linalg.norm(vectors[query] - vectors[name])), name))
        right = [task.shown[name] == task.shown[query] for name in ranked]
        assert judged.right[row].tolist() == [*right, False]
        assert (judged.relevant[row], judged.wrong[row]) == (sum(right), len(right) - sum(right))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_blocks_and_few_places_hold_what_the_whole_ranking_holds(seed: int) -> None:
    task, side = random_task(seed)
    whole = rank_task(task, side).judged
    parts = [rank_task(part, side).judged for part in task.blocks(30)]
    np.testing.assert_array_equal(np.concatenate([part.right for part in parts]), whole.right)
    np.testing.assert_array_equal(np.concatenate([part.distances for part in parts]), whole.distances)
    few = rank_task(task, side, k=3).judged
    np.testing.assert_array_equal(few.right, whole.right[:, :3])
    for name in ("relevant", "wrong"):
        np.testing.assert_array_equal(getattr(few, name), getattr(whole, name))


def test_two_sides_meet_whoever_the_photos_show() -> None:
    shown = {**{f"q{i}": who for i, who in enumerate(("ann", "eve"))}, **PEOPLE}
    rng = np.random.default_rng(0)
    side = Embeddings(tuple(shown), rng.normal(size=(9, 3)).astype(np.float32), "cosine", Fingerprint())
    judged = rank_task(two_sides(["q0", "q1"], NAMES, shown), side).judged
    ranking = distance_estimator(side.at([0, 1]), side.at(range(2, 9)), 7)
    assert judged.right.tolist() == [[PEOPLE[name] == who for name in ranking.names(row)]
                                     for row, who in enumerate(("ann", "eve"))]  # fmt: skip
    assert judged.relevant.tolist() == [3, 0]


def test_rows_lead_back_to_their_ranking() -> None:
    found = rank_task(in_folds(PEOPLE, ASKED), embedded())
    for row, name in enumerate(found.judged.queries):
        ranking, inner = found.place(row)
        assert ranking.queries[inner] == name
        distances = found.judged.distances[row]
        assert distances[np.isfinite(distances)].tolist() == ranking.distances[inner].tolist()
    with pytest.raises(IndexError):
        found.place(len(found.judged))


def test_photos_without_an_embedding_are_left_out() -> None:
    found = rank_task(leave_one_out(PEOPLE, ASKED), embedded(NAMES[:4] + NAMES[5:]))
    assert found.judged.queries == ("a1", "a2", "a3")  # bob has one photo left
    assert (found.judged.relevant + found.judged.wrong == 5).all()
    with pytest.raises(FacematchError, match="no query with a right answer in the gallery"):
        rank_task(leave_one_out(PEOPLE, ASKED), embedded(("a1", "b1", "d1")))


def test_what_was_not_embedded_stands_behind_all_and_a_lost_query_finds_nothing() -> None:
    task = two_sides(["a1", "b1"], ["a2", "a3", "b2", "c1", "d1"], PEOPLE)
    side = embedded(("a1", "a3", "c1", "d1"))  # b1, a2 and b2 are missing
    rankings = rank_divisions(task, side)
    assert rankings[0].queries == ("a1",)
    judged = judge_task(task, rankings)
    place = rankings[0].names(0).index("a3")
    assert judged.right[0].tolist() == [place == 0, place == 1, place == 2, True, False]  # then a2, b2
    assert judged.right[1].tolist() == [False, False, True, False, False]  # all, by name
    assert judged.distances[0, 3:].tolist() == judged.distances[1, :2].tolist() == [FAR, FAR]
    assert not_embedded(task, rankings).tolist() == [False, True]
    assert judged.relevant.tolist() == [2, 1]
    assert average_precision(judged)[0] == pytest.approx((1 / (place + 1) + 2 / 4) / 2)


def test_a_lost_photo_of_leave_one_out_is_lost_on_both_sides() -> None:
    task = leave_one_out(PEOPLE, ASKED)
    rankings = rank_divisions(task, embedded(NAMES[1:]))
    judged = judge_task(task, rankings)
    assert not_embedded(task, rankings).tolist() == [True, False, False, False, False]
    assert (np.isfinite(judged.distances).sum(axis=1) == len(NAMES) - 1).all()
    assert judged.right[1:3, -2].all()  # a1, behind all others of a2 and a3
    assert (judged.right.sum(axis=1) == judged.relevant).all()


def test_nothing_missing_is_the_same_either_way() -> None:
    for task in (leave_one_out(PEOPLE, ASKED), in_folds(PEOPLE, ASKED)):
        judged = judge_task(task, rank_divisions(task, embedded()))
        assert hit_at(judged, 1).tolist() == hit_at(rank_task(task, embedded()).judged, 1).tolist()


def test_a_system_that_embeds_no_query_ranks_nobody() -> None:
    task = RetrievalTask((Division(("q",), ("a1",), (frozenset({"a1"}),), ("ann",)),), {}, "")
    rankings = rank_divisions(task, embedded(("a1",)))
    assert rankings[0].queries == ()
    assert not_embedded(task, rankings).all()
    assert judge_task(task, rankings).distances.tolist() == [[FAR]]
