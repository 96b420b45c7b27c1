"""Dynamic thresholds against plain loops over n, w and T, and the law that a query's answer is its own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import pooled
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, distance_estimator
from facematch.thresholds.dynamic import (
    DynamicRule,
    Of,
    fit_dynamic,
    gallery_neighbourhood,
    neighbourhood_adjustments,
)
from facematch.thresholds.static import fit_static
from facematch.thresholds.values import Basis, accept, accepted_mask
from threshold_helpers import judged_of, judged_people, macro_f1, people_embeddings, ranking_of, thresholds_between

BOTH: list[Of] = ["gallery", "query"]


def naive_distance(left: np.ndarray, right: np.ndarray, metric: str) -> float:
    q, g = left.astype(np.float64), right.astype(np.float64)
    if metric == "cosine":
        return float(1 - q @ g / np.sqrt((q @ q) * (g @ g)))
    return float(np.abs(q - g).sum()) if metric == "manhattan" else float(np.sqrt(((q - g) ** 2).sum()))


def naive_neighbourhood(vector: np.ndarray, others: list[np.ndarray], n: int, metric: str, squared: bool) -> float:
    nearest = sorted(naive_distance(vector, other, metric) for other in others)[:n]
    return sum(distance**2 if squared else distance for distance in nearest) / n


def naive_limits(rule: DynamicRule, ranking: Ranking, query: Embeddings, gallery: Embeddings) -> list[list[float]]:
    """T + w·(m − M) of every place, in the rule's own kind of distance."""
    vectors, n, metric = list(gallery.vectors), rule.neighbours, rule.basis.metric
    around = [
        naive_neighbourhood(vector, vectors[:i] + vectors[i + 1 :], n, metric, rule.squared)
        for i, vector in enumerate(vectors)
    ]
    middle = sum(around) / len(around)
    rows = []
    for row, vector in enumerate(query.vectors):
        own = naive_neighbourhood(vector, vectors, n, metric, rule.squared)
        rows.append(
            [
                rule.distance + rule.weight * ((own if rule.of == "query" else around[int(photo)]) - middle)
                for photo in ranking.indices[row]
            ]
        )
    return rows


def some_rule(of: Of, squared: bool, metric: str = "euclidean", n: int = 3, weight: float = -0.7) -> DynamicRule:
    return DynamicRule(1.3, weight, n, of, squared, 0.5, Basis(metric, 24, 12))


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_neighbourhood_is_the_mean_distance_to_the_nearest_others(n: int, squared: bool) -> None:
    gallery, _ = people_embeddings(4, 2, seed=3)
    found = gallery_neighbourhood(gallery, n, "euclidean", squared=squared)
    for i, vector in enumerate(gallery.vectors):
        others = [other for j, other in enumerate(gallery.vectors) if j != i]
        assert found[i] == pytest.approx(naive_neighbourhood(vector, others, n, "euclidean", squared), rel=1e-6)


@pytest.mark.parametrize("metric", ["cosine", "manhattan"])
def test_neighbourhoods_are_by_the_metric_asked_for(metric: Metric) -> None:
    gallery, _ = people_embeddings(3, 2, seed=4)
    found = gallery_neighbourhood(gallery, 2, metric)
    vectors = list(gallery.vectors)
    naive = [naive_neighbourhood(v, vectors[:i] + vectors[i + 1 :], 2, metric, False) for i, v in enumerate(vectors)]
    assert found == pytest.approx(naive, rel=1e-5)


def test_copies_of_a_photo_are_its_neighbours_and_it_is_not() -> None:
    gallery, _ = people_embeddings(1, 4, seed=1)
    same = replace(gallery, vectors=np.ones_like(gallery.vectors))
    assert gallery_neighbourhood(same, 3, "euclidean").tolist() == [0, 0, 0, 0]
    assert (gallery_neighbourhood(gallery, 1, "euclidean") > 0).all()


def test_too_small_a_gallery_is_said() -> None:
    gallery, _ = people_embeddings(1, 3)
    with pytest.raises(FacematchError, match="at least 4; it has 3"):
        gallery_neighbourhood(gallery, 3, "euclidean")
    with pytest.raises(FacematchError, match="insufficient data"):
        some_rule("gallery", False).on(gallery)


@pytest.mark.parametrize("of", BOTH)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("weight", [-0.7, 1.6])
def test_limits_are_those_of_plain_loops(of: Of, squared: bool, weight: float) -> None:
    ranking, gallery, _ = judged_people(5)
    query, _ = people_embeddings(12, 2, seed=5, prefix="q")
    rule = some_rule(of, squared, weight=weight)
    naive = np.array(naive_limits(rule, ranking, query, gallery))
    limits = rule.on(gallery).limits(ranking)
    if squared:
        assert limits[naive >= 0] ** 2 == pytest.approx(naive[naive >= 0], rel=1e-5)
        assert (limits[naive < 0] == -np.inf).all()
    else:
        assert limits == pytest.approx(naive, rel=1e-5, abs=1e-6)
    assert len(np.unique(np.round(limits, 9))) > 3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(BOTH), st.booleans())
def test_the_weight_0_is_exactly_the_static_threshold(seed: int, of: Of, squared: bool) -> None:
    ranking, gallery, judged = judged_people(seed)
    adjustments = neighbourhood_adjustments([ranking], [gallery], of=of, squared=squared)
    rule = fit_dynamic(judged, adjustments, "euclidean", of=of, squared=squared, weights=[0.0])
    static = fit_static(judged, "euclidean")
    assert rule.weight == 0
    assert rule.f1 == static.f1
    mask = accepted_mask(ranking.distances, rule.on(gallery).limits(ranking))
    assert macro_f1(judged, mask) == pytest.approx(static.f1)
    if not squared:  # of equally good ranges another may be the widest in squares
        assert rule.distance == static.distance
        assert (mask == accepted_mask(ranking.distances, static.limits(ranking))).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(BOTH), st.booleans())
def test_what_was_tuned_is_what_is_used(seed: int, of: Of, squared: bool) -> None:
    ranking, gallery, judged = judged_people(seed)
    adjustments = neighbourhood_adjustments([ranking], [gallery], of=of, squared=squared)
    rule = fit_dynamic(judged, adjustments, "euclidean", of=of, squared=squared)
    mask = accepted_mask(ranking.distances, rule.on(gallery).limits(ranking))
    assert macro_f1(judged, mask) == pytest.approx(rule.f1)
    assert rule.f1 >= fit_static(judged, "euclidean").f1
    assert (rule.of, rule.squared, rule.basis) == (of, squared, Basis("euclidean", 24, 12))


@pytest.mark.parametrize("of", BOTH)
@pytest.mark.parametrize("squared", [False, True])
def test_no_n_w_and_t_of_the_grid_are_better(of: Of, squared: bool) -> None:
    ranking, gallery, judged = judged_people(11, people=6)
    adjustments = neighbourhood_adjustments([ranking], [gallery], [1, 4], of=of, squared=squared)
    assert list(adjustments) == [1, 4]
    weights = (-1.0, -0.5, 0.5, 1.0)
    rule = fit_dynamic(judged, adjustments, "euclidean", of=of, squared=squared, weights=weights)
    powers = ranking.distances.astype(np.float64) ** (2 if squared else 1)
    reached: dict[tuple[float, int], float] = {}
    for weight in (0.0, *weights):
        for n in (1, 4):
            scores = powers - weight * adjustments[n]
            cuts = thresholds_between(scores.ravel().tolist())
            reached[weight, n] = max(macro_f1(judged, scores <= cut) for cut in cuts)
    assert rule.f1 == pytest.approx(max(reached.values()))
    equal = [pair for pair, f1 in reached.items() if f1 > rule.f1 - 1e-9]
    assert (rule.weight, rule.neighbours) == min(equal, key=lambda pair: (abs(pair[0]), pair[1], -pair[0]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(BOTH), st.booleans())
def test_a_querys_answer_does_not_depend_on_the_others(seed: int, of: Of, squared: bool) -> None:
    ranking, gallery, _ = judged_people(seed)
    query, _ = people_embeddings(12, 2, seed=seed, prefix="q")
    threshold = some_rule(of, squared).on(gallery)
    limits = threshold.limits(ranking)
    together = accept(ranking, limits)
    for row, name in enumerate(query.names):
        one = replace(query, names=(name,), vectors=query.vectors[row : row + 1])
        alone = distance_estimator(one, gallery, len(gallery))
        own = threshold.limits(alone)
        assert accept(alone, own)[name] == together[name]
        assert (own[0] == limits[row]).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_the_order_of_the_gallery_changes_no_answer(seed: int, squared: bool) -> None:
    _, gallery, _ = judged_people(seed)
    query, _ = people_embeddings(12, 2, seed=seed, prefix="q")
    lot = np.random.default_rng(seed).permutation(len(gallery)).tolist()
    other = replace(gallery, names=tuple(gallery.names[i] for i in lot), vectors=gallery.vectors[lot])
    answers = []
    for each in (gallery, other):
        ranking = distance_estimator(query, each, len(each))
        answers.append(accept(ranking, some_rule("gallery", squared).on(each).limits(ranking)))
    assert answers[0] == answers[1]


def test_a_short_ranking_has_the_limits_of_the_whole_one() -> None:
    ranking, gallery, _ = judged_people(8)
    short = replace(ranking, indices=ranking.indices[:, :4], distances=ranking.distances[:, :4])
    for of in BOTH:
        threshold = some_rule(of, False).on(gallery)
        assert (threshold.limits(short) == threshold.limits(ranking)[:, :4]).all()
    too_short = replace(ranking, indices=ranking.indices[:, :2], distances=ranking.distances[:, :2])
    with pytest.raises(FacematchError, match="its 3 nearest gallery photos"):
        some_rule("query", False).on(gallery).limits(too_short)


def test_folds_with_galleries_of_their_own_are_tuned_together() -> None:
    parts = [judged_people(seed, people=people) for seed, people in ((1, 12), (2, 8))]
    rankings, galleries, judged = zip(*parts, strict=True)
    adjustments = neighbourhood_adjustments(rankings, galleries)
    together = pooled(judged)
    assert {each.shape for each in adjustments.values()} == {together.distances.shape}
    rule = fit_dynamic(together, adjustments, "euclidean")
    scores = [
        macro_f1(one, accepted_mask(ranking.distances, rule.on(gallery).limits(ranking))) * len(one)
        for ranking, gallery, one in parts
    ]
    assert sum(scores) / len(together) == pytest.approx(rule.f1)


def test_too_many_neighbours_for_a_gallery_are_not_tried() -> None:
    ranking, gallery, _ = judged_people(1, people=4, photos=2)
    assert len(gallery) == 6
    assert list(neighbourhood_adjustments([ranking], [gallery], [1, 5, 6, 20])) == [1, 5]
    with pytest.raises(FacematchError, match="insufficient data"):
        neighbourhood_adjustments([ranking], [gallery], [20, 6])


def test_where_nothing_is_gained_there_is_no_weight() -> None:
    # Every person alone at a corner: any threshold between the two distances is perfect.
    query, shown = people_embeddings(6, 1, prefix="q", spread=0)
    gallery, _ = people_embeddings(6, 2, spread=0)
    ranking = distance_estimator(query, gallery, len(gallery))
    renamed = replace(ranking, gallery=tuple(f"g{i:03}" for i in range(12)))
    judged = judged_of(renamed, shown, [i // 2 for i in range(12)])
    rule = fit_dynamic(judged, neighbourhood_adjustments([ranking], [gallery]), "euclidean")
    assert (rule.f1, rule.weight, rule.neighbours) == (1.0, 0.0, 1)


def test_of_two_opposite_weights_the_one_above_0_is_taken() -> None:
    # Each query has its right photo behind five wrong ones; either weight brings one of the two to the front.
    distances = [[0.3, 0.2, 0.2, 0.2, 0.2, 0.2]] * 2
    ranking = ranking_of(distances)
    judged = judged_of(ranking, [0, 0], [0, 1, 1, 1, 1, 1])
    apart = np.where(judged.right, [[1.0], [-1.0]], 0.0)
    rule = fit_dynamic(judged, {1: apart}, "euclidean", weights=[-0.5, 0.5])
    assert (rule.f1, rule.weight) == (0.5, 0.5)


def test_scores_that_only_rounding_parts_come_in_together() -> None:
    # With the weight ½ both scores are 0.25 but for a bit, which T + w·(m − M) could not be trusted to see.
    judged = judged_of(ranking_of([[0.5, 0.375]]), [0], [0, 1])
    right, wrong = 0.5, 0.25 - 2**-52
    rule = fit_dynamic(judged, {1: np.where(judged.right, right, wrong)}, "euclidean", weights=[0.5])
    assert 0.5 - 0.5 * right < 0.375 - 0.5 * wrong < 0.25 + 1e-15
    assert (rule.f1, rule.weight) == (pytest.approx(2 / 3), 0.0)


def test_another_gallery_is_refused() -> None:
    ranking, gallery, _ = judged_people(1)
    smaller = replace(gallery, names=gallery.names[:-1], vectors=gallery.vectors[:-1])
    with pytest.raises(FacematchError, match="fitted on a gallery of 26 photos") as caught:
        some_rule("gallery", False).on(smaller).limits(ranking)
    assert "DynamicRule.on(gallery)" in caught.value.hint
    with pytest.raises(ValueError, match="embeddings of its gallery"):
        neighbourhood_adjustments([ranking], [smaller])
    with pytest.raises(ValueError, match="embeddings of its gallery"):
        neighbourhood_adjustments([], [])


def test_squared_distances_are_euclidean() -> None:
    ranking, gallery, judged = judged_people(1)
    with pytest.raises(FacematchError, match="IndexFlatL2, so Euclidean; these are cosine"):
        gallery_neighbourhood(gallery, 2, "cosine", squared=True)
    with pytest.raises(FacematchError, match="these are cosine"):
        fit_dynamic(judged, neighbourhood_adjustments([ranking], [gallery]), "cosine", squared=True)
    with pytest.raises(ValueError, match="Euclidean"):
        some_rule("query", True, "cosine")


def test_re_ranked_distances_have_no_neighbourhoods() -> None:
    ranking, gallery, _ = judged_people(1)
    with pytest.raises(FacematchError, match="metric 'euclidean k-reciprocal' is not known"):
        neighbourhood_adjustments([replace(ranking, metric="euclidean k-reciprocal")], [gallery])


def test_adjustments_of_another_shape_are_refused() -> None:
    ranking, gallery, judged = judged_people(1)
    adjustments = neighbourhood_adjustments([ranking], [gallery], [1])
    with pytest.raises(ValueError, match="every place"):
        fit_dynamic(judged, {1: adjustments[1][:, :-1]}, "euclidean")
    with pytest.raises(ValueError, match="every place"):
        fit_dynamic(judged, {}, "euclidean")
