"""Figures of codes beside their floats, against plain loops over every query, photo and bit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.task import RetrievalTask, leave_one_out, two_sides
from facematch.ranking.embeddings import Embeddings, joined
from facematch.tasks.hashing.codes import (
    CodeFigures,
    HashPhotos,
    code_figures,
    float_figures,
    require_answerable,
)


def made(vectors: np.ndarray, name: str) -> Embeddings:
    names = tuple(f"{name}/{number:03d}" for number in range(len(vectors)))
    return Embeddings(names, vectors.astype(np.float32), "euclidean", Fingerprint())


def random_sides(seed: int, *, queries: int = 9, photos: int = 25, bits: int = 8, alone: bool = False) -> HashPhotos:
    """Labels that mean something to half of the bits; the last class has no gallery photo."""
    rng = np.random.default_rng(seed)
    labels, asked = rng.integers(0, 4, photos), rng.integers(0, 5, queries)
    look = rng.standard_normal((5, bits))
    gallery = np.tanh(look[labels] + rng.standard_normal((photos, bits)))
    shown = tuple(f"class{label}" for label in labels)
    if alone:
        return each_other(made(gallery, "g"), shown)
    query = np.tanh(look[asked] + rng.standard_normal((queries, bits)))
    return apart(made(query, "q"), made(gallery, "g"), [f"class{a}" for a in asked], shown)


def each_other(gallery: Embeddings, shown: Sequence[str]) -> HashPhotos:
    people = dict(zip(gallery.names, shown, strict=True))
    return HashPhotos(leave_one_out(people, gallery.names, closed=False), gallery)


def apart(query: Embeddings, gallery: Embeddings, asked: Sequence[str], shown: Sequence[str]) -> HashPhotos:
    people = dict(zip(query.names + gallery.names, (*asked, *shown), strict=True))
    return HashPhotos(two_sides(query.names, gallery.names, people), joined([query, gallery]))


def naive_queries(sides: HashPhotos, *, codes: bool) -> list[list[tuple[float, bool]]]:
    """Distance and rightness of every gallery photo but its own, for each query."""
    found = []
    shown = sides.task.shown
    for vector, query in zip(sides.query.vectors, sides.query.names, strict=True):
        row = []
        for other, name in zip(sides.gallery.vectors, sides.gallery.names, strict=True):
            if name == query:
                continue
            bits = sum((a >= 0) != (b >= 0) for a, b in zip(vector, other, strict=True))
            length = np.float32(np.sqrt(((vector.astype(float) - other.astype(float)) ** 2).sum()))
            row.append((float(bits if codes else length), shown[query] == shown[name]))
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


def naive_means(sides: HashPhotos, *, codes: bool) -> dict[str, float]:
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
        monkeypatch.setattr(RetrievalTask.blocks, "__defaults__", (3 * len(sides.gallery),))
        assert np.array_equal(float_figures(sides).per_query, whole.per_query, equal_nan=True)


def test_other_metrics_compare_by_their_own_distance() -> None:
    sides = random_sides(7)
    longer = replace(sides.gallery, vectors=sides.gallery.vectors * np.linspace(0.1, 9, 25, dtype=np.float32)[:, None])

    def of(metric: str, gallery: Embeddings) -> float | None:
        both = [replace(each, metric=metric) for each in (sides.query, gallery)]
        figures = float_figures(replace(sides, embeddings=joined(both)))
        assert figures.metric == metric
        return figures.mean_ap.value

    assert of("cosine", longer) == pytest.approx(of("cosine", sides.gallery))  # lengths have no part in it
    assert of("euclidean", longer) != pytest.approx(of("euclidean", sides.gallery))


def test_a_query_without_a_right_photo_leaves_every_figure() -> None:
    sides = random_sides(1)
    shown = [sides.task.shown[name] for name in sides.gallery.names]
    unknown = apart(sides.query, sides.gallery, ["nobody", *sides.task.identities[1:]], shown)
    floats = float_figures(unknown)
    assert np.isnan(floats.per_query[0])
    codes = code_figures(unknown, floats)
    assert np.isnan(codes.per_query[0])
    assert codes.mean_ap.count == floats.mean_ap.count == codes.cost.queries


def test_without_a_right_photo_there_is_nothing_to_report() -> None:
    sides = random_sides(2)
    require_answerable(sides)
    shown = [sides.task.shown[name] for name in sides.gallery.names]
    with pytest.raises(FacematchError, match="none of 9 queries has a right photo among 25 gallery photos"):
        require_answerable(apart(sides.query, sides.gallery, ["nobody"] * 9, shown))
    with pytest.raises(FacematchError, match="none of 25"):  # each photo is right for itself only
        require_answerable(each_other(sides.gallery, list(map(str, range(25)))))


def test_json_has_no_nan() -> None:
    vectors = np.concatenate([np.full((2, 8), 0.9), np.full((2, 8), -0.9)])
    # Each query's own class is 8 bits away: within smaller radii lies nothing, which has no precision.
    asked, near = ("a", "a", "b", "b"), made(np.full((4, 8), -0.9), "g")
    sides = apart(made(vectors, "q"), made(-vectors, "g"), asked, asked)
    told = code_figures(apart(sides.query, near, asked, asked), float_figures(sides)).as_dict()
    curve = told["by radius"]
    assert isinstance(curve, dict)
    assert curve["answered"] == pytest.approx([0.5] * 8 + [1.0])
    lonely = apart(made(vectors[:1], "q"), made(-vectors[:1], "g"), "a", "a")
    curve = code_figures(lonely, float_figures(lonely)).as_dict()["by radius"]
    assert isinstance(curve, dict)
    assert curve["precision"] == [None] * 8 + [1.0]


def test_without_a_figure_there_are_no_bounds() -> None:
    sides = random_sides(4)
    codes = code_figures(sides, float_figures(sides))
    undefined = replace(codes.mean_ap, value=None)
    assert isinstance(codes, CodeFigures)
    assert replace(codes, variants=(undefined,) * 3).bounds is None
