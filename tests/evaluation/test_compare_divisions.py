"""Who asks whom, by names; and rankings completed with what a system did not embed."""

import numpy as np
import pytest

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.divisions import (
    FAR,
    Division,
    completed,
    divide_by_people,
    fold_divisions,
    judge_divisions,
    leave_one_out_division,
    rank_division,
)
from facematch.evaluation.folds import make_folds
from facematch.evaluation.retrieval import average_precision, hit_at
from facematch.evaluation.topk import each_photo_a_query
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, distance_estimator

PEOPLE = {"a1": "ann", "a2": "ann", "a3": "ann", "b1": "bob", "b2": "bob", "c1": "cy", "d1": "dee"}
NAMES = tuple(PEOPLE)
ASKED = [name[0] != "d" for name in NAMES]


def embedded(names: tuple[str, ...] = NAMES, seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    vectors = {name: rng.standard_normal(4) for name in NAMES}
    return Embeddings(names, np.array([vectors[name] for name in names], np.float32), "euclidean", Fingerprint())


def test_leave_one_out_asks_everybody_with_another_photo() -> None:
    division = leave_one_out_division(NAMES, PEOPLE, ASKED)
    assert division.asks == ("a1", "a2", "a3", "b1", "b2")  # cy has one photo, dee is a distractor
    assert division.answers == NAMES
    assert division.relevant[0] == {"a2", "a3"}
    assert division.people == ("ann", "ann", "ann", "bob", "bob")
    assert division.leave_one_out


def test_nothing_missing_gives_the_figures_of_validate() -> None:
    division, side = leave_one_out_division(NAMES, PEOPLE, ASKED), embedded()
    judged, lost = judge_divisions([rank_division(side, distance_estimator_of, division, None)], [division])
    figures = each_photo_a_query(side, [PEOPLE[name] for name in NAMES], ASKED, "euclidean")
    assert [hit_at(judged, k).mean() for k in (1, 5)] == pytest.approx([figures.top1, figures.top5])
    assert not lost.any()
    assert (judged.relevant + judged.wrong == len(NAMES) - 1).all()


def test_folds_are_those_of_the_embedded_photos_and_do_not_move_when_some_are_missing() -> None:
    divisions = fold_divisions(NAMES, PEOPLE, ASKED)
    folds = make_folds(embedded(), [PEOPLE[name] for name in NAMES], ASKED)
    assert [division.asks for division in divisions] == [fold.query.names for fold in folds]
    assert [list(division.relevant) for division in divisions] == [fold.relevant for fold in folds]
    assert sorted(name for division in divisions for name in division.asks) == ["a1", "a2", "a3", "b1", "b2"]
    assert not any(division.leave_one_out for division in divisions)
    rankings = [rank_division(embedded(NAMES[1:]), distance_estimator_of, division, None) for division in divisions]
    judged, lost = judge_divisions(rankings, divisions)
    assert [name for name, gone in zip(judged.queries, lost, strict=True) if gone] == ["a1"]


def test_what_was_not_embedded_stands_behind_all_and_a_lost_query_is_wrong() -> None:
    division = divide_by_people(["a1", "b1"], ["a2", "a3", "b2", "c1", "d1"], PEOPLE)
    side = embedded(("a1", "a3", "c1", "d1"))  # b1, a2 and b2 are missing
    ranking = rank_division(side, distance_estimator_of, division, None)
    assert ranking.queries == ("a1",)
    whole = completed(ranking, division)
    assert whole.names(0)[:3] == ranking.names(0)
    assert whole.names(0)[3:] == ("a2", "b2")
    assert whole.names(1) == ("a2", "a3", "b2", "c1", "d1")
    assert whole.distances[0, 3:].tolist() == [FAR, FAR]
    judged, lost = judge_divisions([ranking], [division])
    assert lost.tolist() == [False, True]
    assert judged.relevant.tolist() == [2, 1]
    place = ranking.names(0).index("a3") + 1
    assert average_precision(judged)[0] == pytest.approx((1 / place + 2 / 4) / 2)


def test_a_lost_photo_of_leave_one_out_is_lost_on_both_sides() -> None:
    division = leave_one_out_division(NAMES, PEOPLE, ASKED)
    ranking = rank_division(embedded(NAMES[1:]), distance_estimator_of, division, None)
    whole = completed(ranking, division)
    assert all(name not in whole.names(row) for row, name in enumerate(division.asks))
    assert all(len(whole.names(row)) == len(NAMES) - 1 for row in range(len(division.asks)))
    assert all(whole.names(row)[-1] == "a1" for row in range(1, 5))
    judged, lost = judge_divisions([ranking], [division])
    assert lost.tolist() == [True, False, False, False, False]
    assert (judged.right.sum(axis=1) == judged.relevant).all()


def test_a_system_that_embeds_no_query_ranks_nobody() -> None:
    division = Division(("q",), ("a1",), (frozenset({"a1"}),), ("ann",))
    ranking = rank_division(embedded(("a1",)), distance_estimator_of, division, None)
    assert ranking.queries == ()
    judged, lost = judge_divisions([ranking], [division])
    assert lost.all()
    assert judged.distances.tolist() == [[FAR]]


def distance_estimator_of(query: Embeddings, gallery: Embeddings, k: int, people: object) -> Ranking:
    return distance_estimator(query, gallery, k)
