"""The list of tie-aware figures holds what its parts say, and says how mAP was cut, as hashing toolboxes compute it."""

from math import nan

import numpy as np
import pytest

from facematch.evaluation.retrieval import average_precision, average_precision_bound, precision_at
from facematch.evaluation.tie_groups import TieGroups, groups_of_codes, groups_of_judged
from facematch.evaluation.tied_figures import map_figures, map_variants, tied_figures
from facematch.ranking.codes import hamming_distances, pack_codes
from judged_rankings import random_judged
from tied_cases import tie_groups

ROWS = [[(2, 1), (0, 0), (1, 1), (4, 0)], [(0, 0), (0, 0), (0, 0), (7, 2)]]


def test_every_figure_has_its_name_and_value() -> None:
    figures = {each.name: each.value for each in tied_figures(tie_groups(ROWS))}
    assert figures["mAP"] == pytest.approx(float(np.mean(average_precision(tie_groups(ROWS)))))
    assert figures["top-1"] == pytest.approx((1 / 2 + 2 / 7) / 2)
    assert figures["precision@10"] == pytest.approx((2 + 2) / 20)
    assert figures["precision within radius 2"] == pytest.approx((2 / 3 + 0) / 2)
    assert figures["queries with nothing within radius 2"] == 0.5


@pytest.mark.parametrize(("photos", "cut"), [(7, 10), (100, 10), (101, 100), (1000, 100), (1001, 1000)])
def test_map_is_cut_below_the_gallery(photos: int, cut: int) -> None:
    names = [each.name for each in tied_figures(tie_groups([[(photos, 3)]]), rounds=10)]
    assert f"mAP@{cut} over all relevant" in names


def test_a_perfect_model_scores_1_and_all_equal_codes_score_about_chance() -> None:
    perfect = tie_groups([[(4, 4), (8, 0)]])
    for variant in map_variants(4).values():
        assert variant.values(perfect).item() == pytest.approx(1)
    useless = tie_groups([[(1000, 100)]])
    assert average_precision(useless).item() == pytest.approx(0.1, abs=0.01)
    assert precision_at(useless, 10).item() == pytest.approx(0.1)
    assert average_precision_bound(useless, "best").item() == pytest.approx(1)


# What toolboxes compute. `CalcTopMap` as DeepHash-pytorch and most others have it counts a query without a
# hit as 0; the original of HashNet, `mean_average_precision`, drops it. Both leave ties to argsort.


def toolbox_precisions(distances: np.ndarray, right: np.ndarray, k: int, rng: np.random.Generator) -> list[float]:
    """Each query's AP over those found in the top k, NaN without a hit; ties in random order."""
    values = []
    for row_distances, row_right in zip(distances, right, strict=True):
        shuffled = rng.permutation(len(row_right))
        top = row_right[shuffled][np.argsort(row_distances[shuffled], kind="stable")][:k]
        places = np.flatnonzero(top) + 1.0
        values.append(float(np.mean(np.arange(1, len(places) + 1) / places)) if len(places) else nan)
    return values


def codes_and_labels(seed: int, bits: int = 16) -> tuple[TieGroups, np.ndarray, np.ndarray]:
    """Tie groups of loosely clustered codes, their Hamming distances, and which photos are right."""
    rng = np.random.default_rng(seed)
    shown, asked = rng.integers(0, 12, 150), rng.integers(0, 12, 40)
    centres = rng.normal(size=(12, bits))
    query, gallery = (pack_codes(centres[who] + 2 * rng.normal(size=(len(who), bits))) for who in (asked, shown))
    right = asked[:, None] == shown
    assert right.any(axis=1).all()
    return groups_of_codes(query, gallery, asked, shown), hamming_distances(query, gallery), right


def test_the_mean_of_calc_top_map_over_random_tie_orders_is_the_expectation() -> None:
    tied, distances, right = codes_and_labels(0)
    rng, k, draws = np.random.default_rng(1), 6, 400
    drawn = np.array([toolbox_precisions(distances, right, k, rng) for _ in range(draws)])
    assert (np.isnan(drawn).any(axis=0) & ~np.isnan(drawn).all(axis=0)).any()  # tie order decides some hits
    counted = np.nan_to_num(drawn).mean(axis=1)
    error = counted.std() / np.sqrt(draws)
    assert error > 0.0001
    assert abs(counted.mean() - average_precision(tied, k, over="found").mean()) < 4 * error
    # Dropped: a ratio of expectations, close to the expected ratio of 40 queries.
    assert np.nanmean(drawn, axis=1).mean() == pytest.approx(ratio(tied, k), abs=0.005)
    assert ratio(tied, k) > counted.mean() + 0.1


def ratio(tied: TieGroups, k: int) -> float:
    variant = map_variants(k)[f"mAP@{k} over found, queries without a hit dropped"]
    assert variant.weights is not None
    return float(np.nansum(variant.values(tied)) / np.nansum(variant.weights(tied)))


def test_where_no_ties_cross_both_toolbox_figures_are_equal() -> None:
    rng = np.random.default_rng(3)
    # Photo d differs from the query's code in d bits: every distance once.
    gallery = pack_codes(np.where(np.arange(64) < np.arange(64)[:, None], -1, 1))[rng.permutation(64)]
    query = pack_codes(np.ones((30, 64)))
    asked, shown = rng.integers(0, 9, 30), rng.integers(0, 9, 64)
    tied = groups_of_codes(query, gallery, asked, shown)
    assert tied.answerable.all()
    for k in (3, 10, 64):
        theirs = toolbox_precisions(hamming_distances(query, gallery), asked[:, None] == shown, k, rng)
        assert np.isnan(theirs).any() == (k < 64)
        np.testing.assert_allclose(average_precision(tied, k, over="found"), np.nan_to_num(theirs), rtol=1e-12)
        assert ratio(tied, k) == pytest.approx(np.nanmean(theirs))


def test_figures_of_every_definition_with_intervals() -> None:
    tied = groups_of_judged(random_judged(2, 80, 50, people=14, levels=6))
    assert not tied.answerable.all()
    figures = {figure.name: figure for figure in map_figures(tied, 10, rounds=200)}
    assert list(figures) == list(map_variants(10))
    assert set(figures) == {
        "mAP",
        "mAP, ties at their worst",
        "mAP, ties at their best",
        "mAP@10 over all relevant",
        "mAP@10 over min(10, relevant)",
        "mAP@10 over found, queries without a hit 0",
        "mAP@10 over found, queries without a hit dropped",
    }
    for name, figure in figures.items():
        assert figure.count == tied.answerable.sum()
        assert figure.people == len({g for g, there in zip(tied.groups, tied.answerable, strict=True) if there})
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval[0] < figure.value < figure.interval[1]
        if "dropped" in name:
            assert figure.value == pytest.approx(ratio(tied, 10))
        else:
            assert figure.value == pytest.approx(np.nanmean(map_variants(10)[name].values(tied)))
    whole, worst, best, _, _, counted, dropped = (figure.value for figure in figures.values())
    assert worst < whole < best
    assert counted < dropped


def test_without_a_hit_there_is_nothing_to_keep() -> None:
    figures = {figure.name: figure for figure in map_figures(tie_groups([[(3, 0), (1, 1)]] * 12), 3)}
    assert figures["mAP@3 over found, queries without a hit 0"].value == 0
    assert figures["mAP@3 over found, queries without a hit dropped"].value is None
    for figure in map_figures(tie_groups([[(3, 0)]]), 3):
        assert figure.value is None
        assert figure.note.startswith("insufficient data")


def test_without_a_query_no_map_has_a_value() -> None:
    assert all(figure.value is None for figure in map_figures(groups_of_judged(random_judged(0, 0, 5)), 3))
