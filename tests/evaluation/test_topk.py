"""Top-k figures against a naive count, an ideal model, and the published example."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.relevance import relevance_matrix
from facematch.evaluation.score import people_of_truth
from facematch.evaluation.task import by_truth, leave_one_out, two_sides
from facematch.evaluation.topk import Figures, Places, figures_from_dict, first_places, truth_places
from facematch.ranking.embeddings import Embeddings, joined
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, distance_estimator

WEIGHTS = (600, 300, 100)


def topk_figures(
    places: NDArray[np.int64], people: Sequence[Hashable], gallery: int, weights: Sequence[float] = WEIGHTS
) -> Figures:
    """Return the figures of queries without names."""
    return Places(("",) * len(places), places, tuple(people), gallery).figures(weights)


def embeddings(vectors: NDArray[np.float32], prefix: str = "p") -> Embeddings:
    names = tuple(f"{prefix}{i:04d}" for i in range(len(vectors)))
    return Embeddings(names, np.asarray(vectors, dtype=np.float32), "euclidean", Fingerprint())


def each_photo_a_query(side: Embeddings, people: list[str], asked: list[bool], metric: Metric) -> Figures:
    task = leave_one_out(
        dict(zip(side.names, people, strict=True)), [name for name, asks in zip(side.names, asked, strict=True) if asks]
    )
    return first_places(rank_task(task, replace(side, metric=metric), k=10).judged).figures(WEIGHTS)


def naive(vectors: NDArray[np.float32], people: list[str], asked: list[bool], k: int) -> tuple[float, int]:
    """Every asked photo a query against all others, by plain loops."""
    hits = queries = 0
    for i, person in enumerate(people):
        if not asked[i] or people.count(person) < 2:
            continue
        others = sorted(
            (np.float32(np.linalg.norm(vectors[i].astype(float) - vectors[j].astype(float))), j)
            for j in range(len(people))
            if j != i
        )
        queries += 1
        hits += any(people[j] == person for _, j in others[:k])
    return hits / queries, queries


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(0, 5))
def test_equals_a_naive_count(seed: int, identities: int, distractors: int) -> None:
    rng = np.random.default_rng(seed)
    people = [f"id{i}" for i in range(identities) for _ in range(rng.integers(1, 5))]
    people += ["id0"]  # at least one query
    people += [f"other{i}" for i in range(distractors)]
    asked = [person.startswith("id") for person in people]
    vectors = rng.normal(size=(len(people), 3)).astype(np.float32)
    figures = each_photo_a_query(embeddings(vectors), people, asked, "euclidean")
    for k, got in ((1, figures.top1), (5, figures.top5), (10, figures.top10)):
        expected, queries = naive(vectors, people, asked, k)
        assert got == pytest.approx(expected)
        assert figures.queries == queries
    assert figures.gallery == len(people) - 1


def test_an_ideal_model_is_right_every_time() -> None:
    people = [f"id{i // 3}" for i in range(30)]
    vectors = np.repeat(np.eye(10, dtype=np.float32), 3, axis=0)
    figures = each_photo_a_query(embeddings(vectors), people, [True] * 30, "cosine")
    assert (figures.top1, figures.top5, figures.top10, figures.score) == (1, 1, 1, 1000)
    assert figures.interval == (pytest.approx(0.025**0.1), 1.0)  # ten people, all right, are no certainty


def test_a_photo_is_never_its_own_match() -> None:
    # Each photo is nearest to itself, second nearest to another person.
    vectors = np.array([[0, 0], [10, 0], [0.1, 0], [10.1, 0]], np.float32)
    figures = each_photo_a_query(embeddings(vectors), ["a", "a", "b", "b"], [True] * 4, "euclidean")
    assert figures.top1 == 0


def test_nobody_with_two_photos_is_an_error() -> None:
    with pytest.raises(FacematchError, match="nothing to score"):
        each_photo_a_query(embeddings(np.ones((3, 2), np.float32)), ["a", "b", "c"], [True] * 3, "euclidean")
    with pytest.raises(FacematchError, match="nothing to score"):
        each_photo_a_query(embeddings(np.ones((3, 2), np.float32)), ["a", "a", "c"], [False] * 3, "euclidean")


def test_the_published_answer_of_a_server_is_reached() -> None:
    places = np.zeros(107, np.int64)
    places[:12], places[12:23], places[23:34] = 1, 3, 9
    figures = topk_figures(places, [str(i) for i in range(107)], 1500)
    assert [figures.top1, figures.top5, figures.top10] == [
        0.11214953271028037,
        0.21495327102803738,
        0.3177570093457944,
    ]
    assert figures.score == pytest.approx(600 * 12 / 107 + 300 * 23 / 107 + 100 * 34 / 107)


def test_places_count_from_one() -> None:
    indices = np.array([[0, 1, 2], [2, 1, 0]])
    ranking = Ranking(("q", "r"), ("a", "b", "c"), indices, np.zeros((2, 3), np.float32), "euclidean")
    assert first_places(relevance_matrix(ranking, [{"c"}, {"z"}])).places.tolist() == [3]
    assert first_places(relevance_matrix(ranking, [{"a", "b"}, {"a", "b"}])).places.tolist() == [1, 2]


def test_what_a_server_cannot_find_counts_as_wrong() -> None:
    query = embeddings(np.array([[0.0, 0], [5, 5], [1, 1]], np.float32), "q")
    gallery = embeddings(np.array([[0.0, 0], [5, 5], [9, 9]], np.float32), "g")
    truth = {"q0000": {"g0000"}, "q0001": {"g0001"}, "not embedded": {"g0002"}, "q0002": set[str]()}
    task = by_truth(truth, list(truth), gallery.names)
    found = truth_places(task, rank_task(task, joined([query, gallery]), k=10).judged)
    assert found.places.tolist() == [1, 1, 0, 0]
    assert (found.queries, found.gallery) == (tuple(truth), 3)
    assert found.figures(WEIGHTS).top1 == 0.5


def test_figures_survive_json() -> None:
    figures = topk_figures(np.array([1, 0, 5, 10, 1]), list("abcde"), 9, (1, 20, 300))
    assert figures.score == pytest.approx(0.4 + 20 * 0.6 + 300 * 0.8)
    assert figures_from_dict(figures.as_dict()) == figures


def test_queries_without_a_right_photo_leave_the_figures() -> None:
    rng = np.random.default_rng(0)
    query, gallery = embeddings(rng.normal(size=(30, 3)), "q"), embeddings(rng.normal(size=(40, 3)), "g")
    right = [frozenset({f"g{rng.integers(40):04d}"}) if i % 3 else frozenset() for i in range(30)]
    ranking = distance_estimator(query, gallery, 40)
    figures = first_places(relevance_matrix(ranking, right, [i // 2 for i in range(30)])).figures(WEIGHTS)
    kept = [i for i in range(30) if right[i]]
    places = np.array([1 + ranking.names(i).index(*right[i]) for i in kept])
    assert figures == topk_figures(places, [i // 2 for i in kept], 40)


def test_queries_that_share_right_photos_show_one_person() -> None:
    truth = {"q1": {"a", "b"}, "q2": {"c", "b"}, "q3": {"c"}, "q4": {"d"}, "q5": set[str](), "q6": {"e", "d"}}
    assert people_of_truth(truth) == {"q1": "a", "q2": "a", "q3": "a", "q4": "d", "q5": "q5", "q6": "d"}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("qrstuvw"), st.sets(st.sampled_from("abcdefg"), max_size=3)))
def test_people_of_a_truth_are_what_a_plain_search_joins(truth: dict[str, set[str]]) -> None:
    for query, names in truth.items():
        joined_names, before = set(names), -1
        while len(joined_names) > before:
            before = len(joined_names)
            joined_names |= {name for others in truth.values() if others & joined_names for name in others}
        assert people_of_truth(truth)[query] == (min(joined_names) if names else query)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_two_sides_equal_the_whole_ranking(seed: int) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = (embeddings(rng.normal(size=(n, 3)), side) for n, side in ((9, "q"), (14, "g")))
    asked, shown = (list(rng.choice(list(letters), n)) for letters, n in (("abcz", 9), ("abc", 14)))
    people = dict(zip(query.names + gallery.names, asked + shown, strict=True))
    places = first_places(
        rank_task(two_sides(query.names, gallery.names, people), joined([query, gallery]), k=10).judged
    )
    if not set(asked) & set(shown):
        with pytest.raises(FacematchError, match="no query with a right answer"):
            places.figures(WEIGHTS)
        return
    right = [{name for name, other in zip(gallery.names, shown, strict=True) if other == who} for who in asked]
    whole = first_places(relevance_matrix(distance_estimator(query, gallery, 14), right, asked))
    assert places.figures(WEIGHTS) == replace(whole, places=np.where(whole.places <= 10, whole.places, 0)).figures(
        WEIGHTS
    )
    assert len(places.queries) == sum(who in shown for who in asked)


def test_validations_are_compared_by_the_figure_asked_for() -> None:
    figures = topk_figures(np.array([1, 0]), ["a", "b"], 5)
    assert (figures.chosen_by("top-1"), figures.chosen_by("mAP")) == (0.5, 0.0)
    better = figures_from_dict({**figures.as_dict(), "mean_average_precision": 0.25})
    assert better.chosen_by("mAP") == 0.25
    before = {key: value for key, value in figures.as_dict().items() if key != "mean_average_precision"}
    assert figures_from_dict(before) == figures  # written before there was one
