"""The tie-aware mAP of embeddings: codes counted, vectors ranked, and both against the plain definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.task import RetrievalTask, leave_one_out, two_sides
from facematch.evaluation.tied_figures import mean_ap
from facematch.ranking.embeddings import Embeddings, joined


def photos(values: np.ndarray, prefix: str) -> Embeddings:  # type: ignore[type-arg]
    names = tuple(f"{prefix}{i:03}" for i in range(len(values)))
    return Embeddings(names, values.astype(np.float32), "euclidean", Fingerprint())


def naive(query: Embeddings, gallery: Embeddings, asked: list[str], shown: list[str], own: list[int]) -> float:
    """mAP over the mean of very many random orders of the gallery, each ranked by a stable sort."""
    rng = np.random.default_rng(0)
    precisions = []
    for row, who in enumerate(asked):
        others = [i for i in range(len(gallery)) if i != own[row]]
        if not any(shown[i] == who for i in others):
            continue
        distances = ((query.as_floats()[row] - gallery.as_floats()[others]) ** 2).sum(axis=1)
        right = np.array([shown[i] == who for i in others])
        found = []
        for _ in range(400):
            order = rng.permutation(len(others))
            ranked = right[order][np.argsort(distances[order], kind="stable")]
            places = np.flatnonzero(ranked) + 1
            found.append(float((np.arange(1, len(places) + 1) / places).mean()))
        precisions.append(np.mean(found))
    return float(np.mean(precisions))


def case(seed: int) -> tuple[Embeddings, Embeddings, list[str], list[str]]:
    rng = np.random.default_rng(seed)
    query, gallery = (photos(rng.normal(size=(count, 8)), side) for count, side in ((6, "q"), (15, "g")))
    return query, gallery, list(rng.choice(list("abcz"), 6)), list(rng.choice(list("abc"), 15))


def between(query: Embeddings, gallery: Embeddings, asked: list[str], shown: list[str]) -> float:
    people = dict(zip(query.names + gallery.names, asked + shown, strict=True))
    return mean_ap(two_sides(query.names, gallery.names, people), joined([query, gallery]))


def among(gallery: Embeddings, shown: list[str], asked: int) -> RetrievalTask:
    return leave_one_out(dict(zip(gallery.names, shown, strict=True)), gallery.names[:asked])


@pytest.mark.parametrize("coded", [True, False])
def test_equals_the_mean_over_orders(coded: bool) -> None:
    query, gallery, asked, shown = case(1)
    if coded:
        query, gallery = query.as_codes(), gallery.as_codes()
    wanted = naive(query, gallery, asked, shown, [-1] * 6)
    assert between(query, gallery, asked, shown) == pytest.approx(wanted, abs=0.01 if coded else 1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_counting_codes_equals_ranking_their_signs(seed: int) -> None:
    query, gallery, asked, shown = case(seed)
    query, gallery = query.as_codes(), gallery.as_codes()
    signs = [photos(side.as_floats(), side.names[0][0]) for side in (query, gallery)]
    counted, ranked = (between(*sides, asked, shown) for sides in ((query, gallery), signs))
    assert counted == pytest.approx(ranked, rel=1e-12)
    counted, ranked = (mean_ap(among(side, shown, 10), side) for side in (gallery, signs[1]))
    assert counted == pytest.approx(ranked, rel=1e-12)


@pytest.mark.parametrize("coded", [True, False])
def test_a_photo_is_not_its_own_hit(coded: bool) -> None:
    _, gallery, _, shown = case(3)
    gallery = gallery.as_codes() if coded else gallery
    wanted = naive(gallery, gallery, shown, shown, list(range(15)))
    found = mean_ap(among(gallery, shown, 15), gallery)
    assert found == pytest.approx(wanted, abs=0.01 if coded else 1e-9)


def test_without_a_right_photo_it_is_nothing() -> None:
    query, gallery, _, shown = case(4)
    assert between(query.as_codes(), gallery.as_codes(), ["nobody"] * 6, shown) == 0
