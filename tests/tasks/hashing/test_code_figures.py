"""Figures of codes beside their floats, against plain loops over every query, photo and bit."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.tasks.hashing import code_figures as module
from facematch.tasks.hashing.code_figures import (
    CodeFigures,
    Sides,
    code_figures,
    difference,
    float_figures,
    require_mated,
)


def made(vectors: np.ndarray, name: str) -> Embeddings:
    names = tuple(f"{name}/{number:03d}" for number in range(len(vectors)))
    return Embeddings(names, vectors.astype(np.float32), "euclidean", Fingerprint())


def random_sides(seed: int, *, queries: int = 9, photos: int = 25, bits: int = 8, alone: bool = False) -> Sides:
    """Labels that mean something to half of the bits; the last class has no gallery photo."""
    rng = np.random.default_rng(seed)
    labels, asked = rng.integers(0, 4, photos), rng.integers(0, 5, queries)
    look = rng.standard_normal((5, bits))
    gallery = np.tanh(look[labels] + rng.standard_normal((photos, bits)))
    shown = tuple(f"class{label}" for label in labels)
    if alone:
        return Sides(made(gallery, "g"), made(gallery, "g"), shown, shown, tuple(range(photos)))
    query = np.tanh(look[asked] + rng.standard_normal((queries, bits)))
    return Sides(made(query, "q"), made(gallery, "g"), tuple(f"class{a}" for a in asked), shown, (-1,) * queries)


def naive_queries(sides: Sides, *, codes: bool) -> list[list[tuple[float, bool]]]:
    """Distance and rightness of every gallery photo but its own, for each query."""
    found = []
    for vector, who, own in zip(sides.query.vectors, sides.asked, sides.own, strict=True):
        row = []
        for number, (other, label) in enumerate(zip(sides.gallery.vectors, sides.shown, strict=True)):
            if number == own:
                continue
            bits = sum((a >= 0) != (b >= 0) for a, b in zip(vector, other, strict=True))
            length = np.float32(np.sqrt(((vector.astype(float) - other.astype(float)) ** 2).sum()))
            row.append((float(bits if codes else length), who == label))
        found.append(row)
    return found


def chances(row: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """For each place: the chance that it is right, and the expected precision there if it is."""
    places, before, right_before = [], 0, 0
    for distance in sorted({distance for distance, _ in row}):
        tied = [right for each, right in row if each == distance]
        for place in range(len(tied)):
            others = place * (sum(tied) - 1) / max(1, len(tied) - 1)
            places.append((sum(tied) / len(tied), (right_before + 1 + others) / (before + place + 1)))
        before, right_before = before + len(tied), right_before + sum(tied)
    return places


def naive(row: list[tuple[float, bool]]) -> dict[str, float]:
    """The expected figures of one query; nothing where it has no right photo."""
    relevant = sum(right for _, right in row)
    if not relevant:
        return {}
    first = min(distance for distance, _ in row)
    nearest = [right for distance, right in row if distance == first]
    ball = [right for distance, right in row if distance <= 2]
    return {
        "mAP": sum(chance * precision for chance, precision in chances(row)) / relevant,
        "precision@10": sum(chance for chance, _ in chances(row)[:10]) / 10,
        "top-1": sum(nearest) / len(nearest),
        "precision within radius 2": sum(ball) / len(ball) if ball else 0.0,
        "nothing within radius 2": float(not ball),
    }


def naive_means(sides: Sides, *, codes: bool) -> dict[str, float]:
    each = [naive(row) for row in naive_queries(sides, codes=codes)]
    return {name: float(np.mean([one[name] for one in each if one])) for name in next(filter(None, each))}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_every_figure_is_that_of_plain_loops(seed: int, alone: bool) -> None:
    sides = random_sides(seed, alone=alone)
    floats = float_figures(sides)
    codes = code_figures(sides, floats)
    wanted, of_floats = naive_means(sides, codes=True), naive_means(sides, codes=False)
    for figure in (codes.mean_ap, codes.precision, codes.top1, codes.within, codes.empty):
        assert figure.value == pytest.approx(wanted[figure.name]), figure.name
    for figure in (floats.mean_ap, floats.precision, floats.top1):
        assert figure.value == pytest.approx(of_floats[figure.name]), figure.name
    assert codes.cost.difference == pytest.approx(wanted["mAP"] - of_floats["mAP"])
    assert codes.bounds is not None
    assert codes.bounds[0] <= wanted["mAP"] <= codes.bounds[1]
    counted = sum(bool(naive(row)) for row in naive_queries(sides, codes=True))
    assert codes.mean_ap.count == floats.mean_ap.count == codes.cost.queries == counted


def test_the_bits_described_are_those_of_the_gallery() -> None:
    sides = random_sides(0, photos=60)
    codes = code_figures(sides, float_figures(sides))
    signs = np.where(sides.gallery.vectors >= 0, 1.0, -1.0)
    assert codes.quality.balance == pytest.approx(((signs + 1) / 2).mean(axis=0))
    assert codes.quality.quantisation_gap == pytest.approx(((sides.gallery.vectors - signs) ** 2).mean(), rel=1e-6)
    assert codes.quality.distinct == len({tuple(row) for row in signs.tolist()})
    assert codes.quality.correlation == pytest.approx(np.corrcoef(signs.T))
    assert codes.curve.radii.tolist() == list(range(9))


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for alone in (False, True):
        sides = random_sides(5, alone=alone)
        whole = float_figures(sides)
        monkeypatch.setattr(module, "_CELLS", 3 * len(sides.gallery))
        assert np.array_equal(float_figures(sides).per_query, whole.per_query, equal_nan=True)


def test_other_metrics_compare_by_their_own_distance() -> None:
    sides = random_sides(7)
    longer = replace(sides.gallery, vectors=sides.gallery.vectors * np.linspace(0.1, 9, 25, dtype=np.float32)[:, None])

    def of(metric: str, gallery: Embeddings) -> float | None:
        query = replace(sides.query, metric=metric)
        figures = float_figures(replace(sides, query=query, gallery=replace(gallery, metric=metric)))
        assert figures.metric == metric
        return figures.mean_ap.value

    assert of("cosine", longer) == pytest.approx(of("cosine", sides.gallery))  # lengths have no part in it
    assert of("euclidean", longer) != pytest.approx(of("euclidean", sides.gallery))


def test_a_query_without_a_right_photo_leaves_every_figure() -> None:
    sides = random_sides(1)
    unknown = replace(sides, asked=("nobody", *sides.asked[1:]))
    floats = float_figures(unknown)
    assert np.isnan(floats.per_query[0])
    codes = code_figures(unknown, floats)
    assert np.isnan(codes.per_query[0])
    assert codes.mean_ap.count == floats.mean_ap.count == codes.cost.queries


def test_differences_are_taken_where_both_are_defined() -> None:
    found = difference(np.array([0.5, nan, 1.0, 0.25]), np.array([0.25, 0.5, nan, 0.5]), ["a", "b", "c", "d"])
    assert found.queries == 2
    assert found.difference == pytest.approx(0.0)


def test_without_a_right_photo_there_is_nothing_to_report() -> None:
    sides = random_sides(2)
    require_mated(sides)
    with pytest.raises(FacematchError, match="none of 9 queries has a right photo among 25 gallery photos"):
        require_mated(replace(sides, asked=("nobody",) * 9))
    alone = Sides(sides.gallery, sides.gallery, *[tuple(map(str, range(25)))] * 2, tuple(range(25)))
    with pytest.raises(FacematchError, match="none of 25"):  # each photo is right for itself only
        require_mated(alone)


def test_json_has_no_nan() -> None:
    vectors = np.concatenate([np.full((2, 8), 0.9), np.full((2, 8), -0.9)])
    # Each query's own class is 8 bits away: within smaller radii lies nothing, which has no precision.
    sides = Sides(made(vectors, "q"), made(-vectors, "g"), *[("a", "a", "b", "b")] * 2, (-1,) * 4)
    told = code_figures(replace(sides, gallery=made(np.full((4, 8), -0.9), "g")), float_figures(sides)).as_dict()
    curve = told["by radius"]
    assert isinstance(curve, dict)
    assert curve["answered"] == pytest.approx([0.5] * 8 + [1.0])
    lonely = Sides(made(vectors[:1], "q"), made(-vectors[:1], "g"), ("a",), ("a",), (-1,))
    curve = code_figures(lonely, float_figures(lonely)).as_dict()["by radius"]
    assert isinstance(curve, dict)
    assert curve["precision"] == [None] * 8 + [1.0]


def test_without_a_figure_there_are_no_bounds() -> None:
    sides = random_sides(4)
    codes = code_figures(sides, float_figures(sides))
    undefined = replace(codes.mean_ap, value=None)
    assert isinstance(codes, CodeFigures)
    assert replace(codes, variants=(undefined,) * 3).bounds is None
