"""Fused rankings against plain loops over the definitions, and the laws they keep."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.ranking.fusion import distance_matrix, fuse, reciprocal_ranks, z_scores
from facematch.ranking.ranking import Ranking
from facematch.settings.ensemble import Method

METHODS: tuple[Method, ...] = ("z-score", "reciprocal-rank")


def ranking(queries: Sequence[str], gallery: Sequence[str], distances: Sequence[Sequence[float]]) -> Ranking:
    """A ranking from a table of distances, NaN where a photo is not ranked."""
    table = np.asarray(distances, dtype=np.float64).reshape(len(queries), len(gallery))
    names = np.array(gallery)
    order = np.array([sorted(range(len(gallery)), key=lambda i: (np.nan_to_num(row[i], nan=np.inf), names[i]))
                      for row in table], dtype=np.int64).reshape(table.shape)  # fmt: skip
    sorted_ = np.nan_to_num(np.take_along_axis(table, order, 1), nan=np.inf).astype(np.float32)
    return Ranking(tuple(queries), tuple(gallery), np.where(np.isfinite(sorted_), order, -1), sorted_, "euclidean")


def made(seed: int, queries: int = 4, gallery: int = 7) -> Ranking:
    rng = np.random.default_rng(seed)
    names = [f"g{number}" for number in range(gallery)]
    return ranking([f"q{number}" for number in range(queries)], names, rng.random((queries, gallery)).round(2))


def naive(rankings: Sequence[Ranking], weights: Sequence[float], method: Method, query: str) -> dict[str, float]:
    """The fused value of each gallery photo that any system ranked for one query."""
    total: dict[str, float] = {}
    share = sum(weight for each, weight in zip(rankings, weights, strict=True) if query in each.queries)
    seen = [dict(_row(each, query)) for each in rankings if query in each.queries]
    for row, weight in zip(
        seen, [w for r, w in zip(rankings, weights, strict=True) if query in r.queries], strict=True
    ):
        mean = sum(row.values()) / len(row)
        spread = math.sqrt(sum((value - mean) ** 2 for value in row.values()) / len(row))
        for name in {name for each in seen for name in each}:
            if method == "z-score":
                of = row.get(name, max(row.values()))
                value = (of - mean) / spread if spread else 0.0
            elif name in row:
                before = sum(other < row[name] for other in row.values())
                equal = sum(other == row[name] for other in row.values())
                value = 1 - 61 / (60 + before + (1 + equal) / 2)
            else:
                value = 1.0
            total[name] = total.get(name, 0.0) + weight / share * value
    return total


def _row(each: Ranking, query: str) -> list[tuple[str, float]]:
    row = each.queries.index(query)
    return [(name, float(each.distances[row, place])) for place, name in enumerate(each.names(row))]


@pytest.mark.parametrize("method", METHODS)
def test_fused_values_are_those_of_the_definition(method: Method) -> None:
    second = ranking(["q1", "q9"], ["g2", "g8", "g1"], [[0.3, 0.1, 0.3], [math.nan, 0.5, 0.2]])
    parts, weights = [made(0), made(1), second], [1.0, 0.5, 2.0]
    found = fuse(parts, weights, method)
    assert found.queries == ("q0", "q1", "q2", "q3", "q9")
    assert found.gallery == ("g0", "g1", "g2", "g3", "g4", "g5", "g6", "g8")
    for row, query in enumerate(found.queries):
        expected = naive(parts, weights, method, query)
        assert dict(_row(found, query)) == pytest.approx(expected, abs=1e-6)
        order = sorted(expected, key=lambda name: (np.float32(round(expected[name], 6)), name))
        assert list(found.names(row)) == order


def test_reciprocal_rank_fusion_orders_as_published() -> None:
    # Cormack et al. 2009: the sum over systems of 1 / (60 + rank), the largest first.
    parts = [made(seed, queries=3, gallery=9) for seed in (5, 6, 7)]
    found = fuse(parts, method="reciprocal-rank")
    for row, query in enumerate(found.queries):
        places = [{name: place for place, name in enumerate(each.names(row), start=1)} for each in parts]
        score = {name: sum(1 / (60 + each[name]) for each in places) for name in found.gallery}
        ties = any(len(set(each.distances[row].tolist())) < len(each.gallery) for each in parts)
        if not ties:
            assert list(found.names(row)) == sorted(score, key=lambda name: (-round(score[name], 9), name)), query


@given(st.integers(0, 50), st.floats(0.1, 9), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_a_system_fused_with_itself_in_other_units_keeps_its_order(seed: int, scale: float, shift: float) -> None:
    one = made(seed)
    other = ranking(one.queries, one.gallery, scale * distance_matrix(one, one.gallery) + shift)
    for method in METHODS:
        assert [fuse([one, other], method=method).names(row) for row in range(4)] == [
            one.names(row) for row in range(4)
        ]


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_all_weight_on_one_system_is_that_system(seed: int) -> None:
    one, other = made(seed), made(seed + 1000)
    for method in METHODS:
        fused = fuse([one, other], [1.0, 0.0], method)
        assert [fused.names(row) for row in range(4)] == [one.names(row) for row in range(4)]


def test_what_nobody_ranked_is_left_out() -> None:
    alone = ranking(["a"], ["a", "b", "c"], [[math.nan, 0.2, 0.1]])  # leave-one-out: a does not answer itself
    fused = fuse([alone, alone])
    assert fused.names(0) == ("c", "b")
    assert fused.indices[0, -1] == -1
    assert np.isinf(fused.distances[0, -1])


def test_equal_distances_say_nothing_and_stand_by_name() -> None:
    flat = ranking(["q"], ["b", "c", "a"], [[0.5, 0.5, 0.5]])
    assert fuse([flat, flat]).names(0) == ("a", "b", "c")
    assert (z_scores(np.array([[0.5, 0.5, 0.5]])) == 0).all()
    assert reciprocal_ranks(np.array([[0.5, 0.5, 0.5]])) == pytest.approx(1 - 61 / 62)


def test_weights_that_make_no_ensemble_are_refused() -> None:
    one = made(0)
    for rankings, weights in (([], None), ([one], [1.0, 2.0])):
        with pytest.raises(FacematchError, match="cannot be fused"):
            fuse(rankings, weights)
    for weights in ([-1.0, 2.0], [0.0, 0.0]):
        with pytest.raises(FacematchError, match="not all 0"):
            fuse([one, one], weights)


def test_probabilities_are_averaged_where_they_are_very_small_and_nearly_1() -> None:
    # P(same) itself stands for the distance; the second system has not ranked c, which then has probability 0.
    tables = [[[0.9, 1e-12, 0.2, 1 - 1e-9]], [[0.5, 3e-12, math.nan, 1 - 3e-9]]]
    parts = [ranking(["q"], ["a", "b", "c", "d"], table) for table in tables]
    scale = [lambda distances: np.where(np.isnan(distances), 0.0, distances)] * 2
    # Distances of a ranking are float32: what is near 1 is made of what is near 0.
    flip = [ranking(["q"], ["d"], [[value]]) for value in (1e-9, 3e-9)]
    fused = fuse(parts, [3.0, 1.0], "probability", scale)
    means = {"a": 0.8, "b": 1.5e-12, "c": 0.15, "d": 1.0}
    for name, found in _row(fused, "q")[1:]:
        assert found == pytest.approx(math.log((1 - means[name]) / means[name]), abs=1e-4)
    assert fused.names(0) == ("d", "a", "c", "b")
    (sure,) = fuse(flip, [3.0, 1.0], "probability", [lambda distances: 1 - distances] * 2).distances[0]
    assert sure == pytest.approx(math.log(1.5e-9), abs=1e-4)
    nothing = fuse(parts[:1], None, "probability", [np.zeros_like])
    assert np.isfinite(nothing.distances).all()
    with pytest.raises(ValueError, match="argument"):
        fuse(parts, method="probability")
