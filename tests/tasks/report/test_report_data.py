"""What a report shows, against plain loops over the rankings."""

from dataclasses import replace

import numpy as np
import pytest

from facematch.evaluation.rank_task import Evaluated, judge_task
from facematch.evaluation.relevance import relevance_matrix
from facematch.evaluation.retrieval import hit_at
from facematch.evaluation.task import RetrievalTask
from facematch.evaluation.verification import pooled_pairs
from facematch.faces.values import FaceRecord
from facematch.ranking.ranking import Ranking
from facematch.tasks.report.data import (
    QueryRow,
    curves_of,
    known_people,
    missed_faces,
    query_rows,
    wanted_photos,
)
from facematch.tasks.report.embedding_map import EmbeddingMap
from report_samples import evaluation

NO_TASK = RetrievalTask((), {}, "")


def naive(evaluated: Evaluated, people: dict[str, str]) -> dict[str, tuple[float | None, int]]:
    """Average precision and place of the first right photo of each query, by loops."""
    found: dict[str, tuple[float | None, int]] = {}
    for ranking in evaluated.rankings:
        for query, name in enumerate(ranking.queries):
            places = [place for place, each in enumerate(ranking.names(query), 1) if people[each] == people[name]]
            precision = (
                sum((number + 1) / place for number, place in enumerate(places)) / len(places) if places else None
            )
            found[name] = (precision, places[0] if places else 0)
    return found


def halves(evaluated: Evaluated) -> Evaluated:
    """The same evaluation as two rankings, as validation in folds makes them."""
    (whole,), (division,) = evaluated.rankings, evaluated.task.divisions
    cut = len(whole.queries) // 3
    parts = [
        Ranking(whole.queries[at], whole.gallery, whole.indices[at], whole.distances[at], whole.metric)
        for at in (slice(0, cut), slice(cut, None))
    ]
    rows = range(len(whole.queries))
    task = replace(evaluated.task, divisions=(division.at(rows[:cut]), division.at(rows[cut:])))
    return Evaluated(task, tuple(parts), judge_task(task, parts))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("parts", [1, 2])
def test_the_worst_query_comes_first(seed: int, parts: int) -> None:
    evaluated, _, people = evaluation(seed=seed, noise=1.5)
    wanted = naive(evaluated, people)
    rows = query_rows(evaluated if parts == 1 else halves(evaluated))
    assert sorted(row.name for row in rows) == sorted(wanted)
    for row in rows:
        precision, place = wanted[row.name]
        assert row.answerable == (precision is not None)
        assert row.average_precision == (precision if precision is None else pytest.approx(precision))
        assert (row.first.place if row.first else 0) == place
        assert row.relevant == (3 if row.answerable else 0)
    known = [row for row in rows if row.answerable]
    assert [row.name for row in known] == sorted(
        (name for name, (precision, _) in wanted.items() if precision is not None),
        key=lambda name: (round(wanted[name][0] or 0, 12), -wanted[name][1], name),
    )
    assert rows[: len(known)] == known  # the unknown come last, the most tempting answer first
    tempting = [row.answers[0].distance for row in rows[len(known) :]]
    assert tempting == sorted(tempting)


def test_the_answers_are_those_of_the_ranking() -> None:
    evaluated, _, people = evaluation(noise=1.5)
    (ranking,) = evaluated.rankings
    missed = dict.fromkeys((1, 5, 10), 0)
    for row in query_rows(evaluated):
        query = ranking.queries.index(row.name)
        assert [each.name for each in row.answers] == list(ranking.names(query)[:10])
        for place, each in enumerate(row.answers):
            assert (each.place, each.distance) == (place + 1, ranking.distances[query, place])
            assert each.right == (people[each.name] == people[row.name])
        if row.first is not None:
            assert ranking.names(query)[row.first.place - 1] == row.first.name
            assert row.first.distance == ranking.distances[query, row.first.place - 1]
        for k in missed:
            missed[k] += row.missed(k)
    for k, count in missed.items():
        assert count == int((hit_at(evaluated.judged, k) == 0).sum())
    assert missed[1] > missed[10] > 0


def test_a_photo_left_out_of_its_own_ranking_is_no_answer() -> None:
    indices, distances = np.array([[1, -1]]), np.array([[0.5, np.inf]], np.float32)
    ranking = Ranking(("a",), ("a", "b"), indices, distances, "euclidean")
    (row,) = query_rows(Evaluated(NO_TASK, (ranking,), relevance_matrix(ranking, [{"b"}], ["x"], ignored=[{"a"}])))
    assert [each.name for each in row.answers] == ["b"]


def test_a_judgement_that_moved_places_is_refused() -> None:
    indices, distances = np.array([[0, 1]]), np.array([[0.1, 0.5]], np.float32)
    ranking = Ranking(("a",), ("a", "b"), indices, distances, "euclidean")
    with pytest.raises(ValueError, match="ignored"):
        query_rows(Evaluated(NO_TASK, (ranking,), relevance_matrix(ranking, [{"b"}], ["x"], ignored=[{"a"}])))


@pytest.mark.parametrize("parts", [1, 2])
def test_pairs_of_all_rankings_keep_their_people(parts: int) -> None:
    evaluated, _, people = evaluation()
    pairs = pooled_pairs((evaluated if parts == 1 else halves(evaluated)).rankings, people)
    (ranking,) = evaluated.rankings
    wanted = sorted(
        (float(distance), people[query] == people[ranking.gallery[index]])
        for query, row, line in zip(ranking.queries, ranking.indices, ranking.distances, strict=True)
        for index, distance in zip(row, line, strict=True)
    )
    assert sorted(zip(pairs.distances.tolist(), pairs.same.tolist(), strict=True)) == wanted
    assert pairs.people == len(set(people.values()))


def test_right_answers_tell_who_gallery_photos_show() -> None:
    evaluated, _, people = evaluation(unknown=1)
    hidden = {name: who if name.startswith("query") else "" for name, who in people.items()}
    told = known_people(replace(evaluated, task=replace(evaluated.task, shown=hidden)))
    assert told == people
    # A ground truth has no names: its people go by one of their photos.
    first = {who: min(name for name in people if people[name] == who) for who in people.values()}
    judged = replace(evaluated.judged, groups=tuple(first[str(who)] for who in evaluated.judged.groups))
    nobody = replace(evaluated.task, shown=dict.fromkeys(people, ""))
    by_photo = known_people(replace(evaluated, task=nobody, judged=judged))
    assert {name: who for name, who in by_photo.items() if name.startswith("gallery")} == {
        name: f"person of {first[people[name]]}" for name in people if name.startswith("gallery")
    }
    pairs = pooled_pairs(evaluated.rankings, dict.fromkeys(people, ""))
    assert not pairs.same.any()  # unknown people are everybody's own


def test_the_most_wanted_photos_come_first_and_once() -> None:
    evaluated, embeddings, _ = evaluation()
    rows = query_rows(evaluated)
    records = [FaceRecord("odd.jpg", "miss"), FaceRecord("cut.jpg", "unreadable"), FaceRecord("fine.jpg", "found")]
    names = wanted_photos(rows, records, EmbeddingMap(embeddings.names, np.zeros((len(embeddings), 2)), ""))
    assert names[0] == rows[0].name
    assert names[1:11] == tuple(each.name for each in rows[0].answers)
    assert len(set(names)) == len(names)
    assert set(names) == {*embeddings.names, "odd.jpg"}
    assert wanted_photos(rows, records, None).index("odd.jpg") == len(wanted_photos(rows, records, None)) - 1


def test_misses_are_what_shows_no_face() -> None:
    kinds = ("found", "whole", "centre", "miss", "unreadable")
    records = [FaceRecord(status, status) for status in kinds]
    assert [record.name for record in missed_faces(records)] == ["whole", "centre", "miss"]


def test_curves_have_the_length_of_a_small_gallery() -> None:
    evaluated, _, people = evaluation(people=4, answers=2, unknown=1)
    curves = curves_of(evaluated, pooled_pairs(evaluated.rankings, people))
    assert len(curves.cmc) == 6
    assert curves.cmc[-1] == 1
    assert curves.pairs == 8 * 6
    row = QueryRow("q", 0.5, 1, (), None)
    assert row.missed(10)
