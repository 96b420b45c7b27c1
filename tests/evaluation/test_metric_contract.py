"""One contract for every retrieval figure and every figure of sets, on models whose answers are known beforehand.

Exactly 1 for an ideal model, between 0 and 1 or not defined for any, bounded by the worst and the best order
of equal distances, and untouched by the scale of the distances and the order of the queries.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.classes import SetScores, class_figures, set_scores, top_k_accepted
from facematch.evaluation.relevance import RelevanceMatrix, Ties
from facematch.evaluation.retrieval import RETRIEVAL_METRICS, hit_at, precision_at, recall_at, retrieval_figures
from facematch.tasks.protocols.revisited import revisited_precision_at
from judged_rankings import judged_by_identity
from plain_set_metrics import SET_METRICS

Metric = Callable[[RelevanceMatrix], Floats]
Model = tuple[NDArray[np.float32], list[int], list[int]]  # distances, whom queries show, whom gallery photos show


def nearer_than_half(judged: RelevanceMatrix) -> NDArray[np.bool_]:
    """A threshold that moves with the scale of the distances."""
    return judged.distances <= judged.distances.max(initial=0, where=np.isfinite(judged.distances)) / 2


def of_sets(metric: Callable[[SetScores], float], answer: Callable[[RelevanceMatrix], NDArray[np.bool_]]) -> Metric:
    return lambda judged: np.array([metric(set_scores(judged, answer(judged)))])


EACH_QUERY: dict[str, Metric] = {
    **RETRIEVAL_METRICS,
    "top-3": partial(hit_at, k=3),
    "precision@1": partial(precision_at, k=1),
    "recall@3": partial(recall_at, k=3),
    "ROxford's mP@1": partial(revisited_precision_at, k=1),
    "ROxford's mP@10": partial(revisited_precision_at, k=10),
}
SETS: dict[str, Metric] = {
    f"{name} of {what}": of_sets(metric, answer)
    for name, metric in SET_METRICS.items()
    for what, answer in (("the first 3", partial(top_k_accepted, k=3)), ("a threshold", nearer_than_half))
}
EVERY = EACH_QUERY | SETS
every_metric = pytest.mark.parametrize("metric", EVERY.values(), ids=EVERY.keys())


def ideal(shown: list[int], gallery: list[int]) -> Model:
    """Right photos at distance 0, in a tie; all others at 1."""
    return (np.array(shown)[:, None] != np.array(gallery)).astype(np.float32), shown, gallery


def random_model(seed: int, queries: int = 12, photos: int = 20, levels: int = 6) -> Model:
    rng = np.random.default_rng(seed)
    distances = rng.integers(1, 1 + levels, (queries, photos)).astype(np.float32)
    return distances, rng.integers(0, 6, queries).tolist(), rng.integers(0, 5, photos).tolist()


PEOPLE = [person for person in range(5) for _ in range(1 + 3 * person)]  # 1, 4, 7, 10 and 13 photos
MODELS: dict[str, Model] = {
    "ideal": ideal([0, 1, 2, 3, 4, 4], PEOPLE),
    "random": random_model(0),
    "one identity": (np.arange(15, dtype=np.float32).reshape(3, 5), [0, 0, 0], [0, 0, 0, 0, 0]),
    "one photo in the gallery": (np.ones((3, 1), np.float32), [0, 0, 1], [0]),
    "no positives": (random_model(1)[0], [9] * 12, random_model(1)[2]),
    "all ties": (np.ones((12, 20), np.float32), *random_model(2)[1:]),
    "no queries": (np.zeros((0, 20), np.float32), [], random_model(3)[2]),
}


def in_bounds(model: Model, metric: Metric) -> bool:
    """Whether every value lies in [0, 1] and between those of the worst and the best order of ties."""
    orders: tuple[Ties, ...] = ("worst", "name", "best")
    worst, name, best = (metric(judged_by_identity(*model, ties=ties)) for ties in orders)
    undefined = np.isnan(name)
    same = np.array_equal(undefined, np.isnan(worst)) and np.array_equal(undefined, np.isnan(best))
    rising = np.stack([np.zeros(len(name)), worst, name, best, np.ones(len(name))])[:, ~undefined]
    return same and bool((np.diff(rising, axis=0) >= -1e-12).all())


@every_metric
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_values_lie_between_0_and_1_and_between_the_worst_and_the_best_order(model: Model, metric: Metric) -> None:
    assert in_bounds(model, metric)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 12), st.integers(1, 6))
def test_the_order_of_ties_bounds_any_model(seed: int, queries: int, photos: int, levels: int) -> None:
    model = random_model(seed, queries, photos, levels)
    assert [name for name, metric in EVERY.items() if not in_bounds(model, metric)] == []


@pytest.mark.parametrize("metric", EACH_QUERY.values(), ids=EACH_QUERY.keys())
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_a_query_without_a_right_photo_leaves_every_mean(model: Model, metric: Metric) -> None:
    judged = judged_by_identity(*model)
    values = metric(judged)
    assert (values.shape, values.dtype) == ((len(judged),), np.dtype(np.float64))
    assert np.array_equal(np.isnan(values), ~judged.answerable)


@pytest.mark.parametrize("metric", EACH_QUERY.values(), ids=EACH_QUERY.keys())
def test_an_ideal_model_is_exactly_1(metric: Metric) -> None:
    model = MODELS["ideal"]
    relevant = np.array([model[2].count(person) for person in model[1]])
    expected = np.ones(len(relevant))
    if isinstance(metric, partial) and metric.func is precision_at:
        expected = np.minimum(relevant, metric.keywords["k"]) / metric.keywords["k"]
    if isinstance(metric, partial) and metric.func is recall_at:
        expected = np.minimum(relevant, metric.keywords["k"]) / relevant
    assert metric(judged_by_identity(*model)).tolist() == expected.tolist()


@pytest.mark.parametrize("metric", SET_METRICS.values(), ids=SET_METRICS.keys())
def test_an_ideal_threshold_is_exactly_1(metric: Callable[[SetScores], float]) -> None:
    judged = judged_by_identity(*MODELS["ideal"])
    assert metric(set_scores(judged, judged.distances < 0.5)) == 1


@pytest.mark.parametrize("metric", EACH_QUERY.values(), ids=EACH_QUERY.keys())
def test_a_model_that_ranks_every_right_photo_last_is_worse_than_random(metric: Metric) -> None:
    distances, shown, gallery = random_model(4, 40, 40, 30)
    worst = (np.array(shown)[:, None] == np.array(gallery)).astype(np.float32)
    assert np.nanmean(metric(judged_by_identity(worst, shown, gallery))) < np.nanmean(
        metric(judged_by_identity(distances, shown, gallery))
    )


@pytest.mark.parametrize("name", EACH_QUERY)
def test_one_identity_is_always_right(name: str) -> None:
    # Five photos, all right: only a fixed number of places leaves some out or stays empty.
    expected = {"precision@10": 5 / 10, "recall@3": 3 / 5}.get(name, 1.0)
    values = EACH_QUERY[name](judged_by_identity(*MODELS["one identity"]))
    assert values.tolist() == pytest.approx([expected] * 3)


@every_metric
@pytest.mark.parametrize("scale", [0.125, 2, 4096])
def test_the_scale_of_the_distances_changes_nothing(metric: Metric, scale: float) -> None:
    distances, shown, gallery = MODELS["random"]
    values = metric(judged_by_identity(distances, shown, gallery))
    scaled = metric(judged_by_identity(distances * np.float32(scale), shown, gallery))
    assert np.array_equal(values, scaled, equal_nan=True)


@every_metric
def test_the_order_of_the_queries_is_that_of_the_values(metric: Metric) -> None:
    distances, shown, gallery = MODELS["random"]
    order = np.random.default_rng(0).permutation(len(shown))
    values = metric(judged_by_identity(distances, shown, gallery))
    permuted = metric(judged_by_identity(distances[order], [shown[i] for i in order], gallery))
    if len(values) == len(order):
        values = values[order]
    np.testing.assert_allclose(permuted, values)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_every_figure_has_a_value_or_says_why(model: Model) -> None:
    judged = judged_by_identity(*model)
    sets = set_scores(judged, top_k_accepted(judged, 3))
    for figure in [*retrieval_figures(judged, rounds=20), *class_figures(sets, judged.groups, rounds=20)]:
        assert figure.value is None or 0 <= figure.value <= 1
        assert figure.interval is not None or figure.note.startswith("insufficient data")
