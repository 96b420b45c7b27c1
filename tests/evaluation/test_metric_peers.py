"""Retrieval figures against scikit-learn and pytorch-metric-learning, and where their definitions part.

Importing pytorch-metric-learning brings in torch, so the comparison has this file to itself.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn.metrics import average_precision_score, precision_recall_curve, top_k_accuracy_score

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.evaluation import retrieval
from facematch.evaluation.relevance import Ties, relevance_matrix
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from judged_rankings import judged_by_identity, ranked

NAMES = {
    "precision_at_1": "top-1",
    "r_precision": "R-precision",
    "mean_average_precision_at_r": "mAP@R",
    "mean_average_precision": "mAP",
    "mean_reciprocal_rank": "MRR",
}


def people_in_space(seed: int, photos: int = 60, people: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings that lie loosely around their person's, and whom they show."""
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, people, photos)
    return (rng.normal(size=(people, 8))[shown] + rng.normal(size=(photos, 8))).astype(np.float32), shown


def peer(query: np.ndarray, shown: np.ndarray, gallery: np.ndarray, others: np.ndarray, same: bool) -> dict[str, float]:
    calculator = AccuracyCalculator(include=tuple(NAMES), device=torch.device("cpu"))
    tensors = [torch.tensor(each) for each in (query, shown, gallery, others)]
    return calculator.get_accuracy(*tensors, ref_includes_query=same)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("same", [False, True])
def test_figures_equal_those_of_pytorch_metric_learning(seed: int, same: bool) -> None:
    # With k=None, the whole gallery, all five definitions agree, and queries without a right photo leave its
    # means as ours. With a smaller k its mean_average_precision and mean_reciprocal_rank take what lies
    # beyond as never found, where ours refuse; and it computes the reciprocal rank in float32.
    vectors, shown = people_in_space(seed)
    query, asked = (vectors, shown) if same else (vectors[:20], shown[:20])
    gallery, others = (vectors, shown) if same else (vectors[20:], np.where(shown[20:] == shown[0], 99, shown[20:]))
    side = [
        Embeddings(tuple(f"{prefix}{i:03}" for i in range(len(part))), part, "euclidean", Fingerprint({}))
        for prefix, part in (("p" if same else "q", query), ("p", gallery))
    ]
    ranking = distance_estimator(*side, len(gallery), exclude_same_name=same)
    relevant = [
        {f"p{i:03}" for i in np.flatnonzero(others == person)} - ({f"p{row:03}"} if same else set())
        for row, person in enumerate(asked)
    ]
    judged = relevance_matrix(ranking, relevant, ignored=[{name} for name in ranking.queries] if same else None)
    assert same or not judged.answerable.all()
    theirs = peer(query, asked, gallery, others, same)
    for their_name, name in NAMES.items():
        ours = float(np.nanmean(retrieval.RETRIEVAL_METRICS[name](judged)))
        assert ours == pytest.approx(theirs[their_name], abs=1e-6), name


def test_a_short_ranking_is_refused_where_pytorch_metric_learning_counts_less() -> None:
    distances = np.arange(4, dtype=np.float32)[None]
    calculator = AccuracyCalculator(include=("mean_average_precision",), k=2, device=torch.device("cpu"))
    query, gallery = torch.zeros(1, 1), torch.tensor(distances.T)
    theirs = calculator.get_accuracy(query, torch.tensor([0]), gallery, torch.tensor([0, 1, 1, 0]))
    assert theirs["mean_average_precision"] == pytest.approx(1 / 2)  # of (1 + 2/4)/2 in the whole gallery
    with pytest.raises(FacematchError, match="needs the whole ranking"):
        retrieval.average_precision(judged_by_identity(distances, [0], [0, 1, 1, 0], k=2))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_average_precision_equals_scikit_learn_without_ties(seed: int, photos: int) -> None:
    rng = np.random.default_rng(seed)
    distances = rng.permutation(photos).astype(np.float32)[None]
    gallery = [0, *rng.integers(0, 3, photos - 1).tolist()]
    judged = judged_by_identity(distances, [0], gallery)
    theirs = average_precision_score(np.array(gallery) == 0, -distances[0])
    assert retrieval.average_precision(judged)[0] == pytest.approx(theirs)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_scikit_learn_takes_photos_at_equal_distance_as_one_step(seed: int, photos: int) -> None:
    # scikit-learn's curve has one point for each *different* score: all right photos of a tie get the precision
    # at the end of the tie. Ours stand in order of name, as submitted. Theirs is never below the worst
    # order, but no mean over orders and no bound: after many wrong photos it is above even the best.
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, 4, (1, photos)).astype(np.float32)
    gallery = np.array([0, *rng.integers(0, 3, photos - 1).tolist()])
    right = gallery == 0
    by_step = sum(right[distances[0] <= distances[0, i]].mean() for i in np.flatnonzero(right)) / right.sum()
    assert average_precision_score(right, -distances[0]) == pytest.approx(by_step)
    worst = retrieval.average_precision(judged_by_identity(distances, [0], gallery.tolist(), ties="worst"))[0]
    assert by_step >= worst - 1e-9


def test_scikit_learns_tie_may_be_below_ours_or_above_the_best_order() -> None:
    def both(distances: list[float], gallery: list[int], ties: Ties) -> tuple[float, float]:
        judged = judged_by_identity(np.array([distances], np.float32), [0], gallery, ties=ties)
        theirs = average_precision_score(np.array(gallery) == 0, -np.array(distances))
        return float(retrieval.average_precision(judged)[0]), float(theirs)

    assert both([0, 0], [0, 1], "name") == (1.0, 0.5)
    assert both([0, 1, 1], [1, 0, 0], "best") == pytest.approx(((1 / 2 + 2 / 3) / 2, 2 / 3))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(3, 25))
def test_interpolated_precision_is_the_upper_edge_of_scikit_learns_curve(seed: int, photos: int) -> None:
    # scikit-learn returns the raw curve; the interpolated one is its highest precision at that recall or more.
    # Its last point, precision 1 at recall 0, is made up and left out.
    rng = np.random.default_rng(seed)
    distances = rng.permutation(photos).astype(np.float32)[None]
    gallery = np.array([0, *rng.integers(0, 3, photos - 1).tolist()])
    precision, recall, _ = precision_recall_curve(gallery == 0, -distances[0])
    levels, found = retrieval.precision_recall_curve(judged_by_identity(distances, [0], gallery.tolist()), 11)
    for level, value in zip(levels, found, strict=True):
        assert value == pytest.approx(precision[:-1][recall[:-1] >= level - 1e-9].max())


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_of_one_photo_each_is_scikit_learns_top_k_accuracy(k: int) -> None:
    # Where every gallery photo shows another person, ranking photos is classifying queries.
    rng = np.random.default_rng(0)
    distances, shown = rng.random((40, 12)).astype(np.float32), rng.integers(0, 12, 40).tolist()
    judged = judged_by_identity(distances, shown, list(range(12)))
    theirs = top_k_accuracy_score(shown, -distances, k=k, labels=range(12))
    assert retrieval.hit_at(judged, k).mean() == pytest.approx(theirs)
    assert retrieval.cmc(judged, 5)[k - 1] == pytest.approx(theirs)


def test_the_rankings_of_these_tests_stand_by_distance_then_name() -> None:
    assert ranked(np.array([[1, 0, 1, 0]], np.float32)).names(0) == ("g001", "g003", "g000", "g002")
