"""Normalisation with a cohort against a loop over pairs, and the hubs it is made for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.ranking.metrics import VECTOR_METRICS, Metric
from facematch.ranking.ranking import distance_estimator
from facematch.refine.cohort import cohort_figures, normalise_by_cohort
from facematch.refine.known import KnownPeople
from known_helpers import embeddings, made, plain


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(VECTOR_METRICS), st.integers(2, 20))
def test_equals_a_loop_over_pairs(seed: int, metric: Metric, nearest: int) -> None:
    query, gallery, known = made(seed)
    found = normalise_by_cohort(query, gallery, len(gallery), metric, known, nearest=nearest)
    assert found.metric == f"{metric} cohort"
    d = plain(query, gallery, metric)
    near = [[sorted(row)[:nearest] for row in plain(side, known.embeddings, metric)] for side in (query, gallery)]
    for q in range(len(query)):
        for place, g in enumerate(found.indices[q]):
            own = near[0][q], near[1][g]
            parts = [(d[q, g] - np.mean(each)) / max(np.std(each), np.mean(each) / 1000) for each in own]
            assert found.distances[q, place] == pytest.approx(np.mean(parts), rel=1e-3, abs=1e-3)


def test_a_picture_that_is_near_to_everybody_steps_back() -> None:
    # g000 lies among all of the cohort; g001 is a little farther from the query, and far from everybody else.
    query, gallery = embeddings([[1.0, 0]], "q"), embeddings([[0.1, 0], [2.0, 0]], "g")
    cohort = embeddings([[0, 0.5], [0, -0.5], [-0.3, 0.4], [-0.3, -0.4]], "t")
    known = KnownPeople(cohort, tuple("abcd"))
    assert distance_estimator(query, gallery, 2).names(0) == ("g000", "g001")
    assert normalise_by_cohort(query, gallery, 2, "euclidean", known).names(0) == ("g001", "g000")


def test_blocks_and_the_order_of_the_cohort_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery, known = made(0, 30, 40, 60)
    whole = normalise_by_cohort(query, gallery, 40, "cosine", known, nearest=7)
    monkeypatch.setattr("facematch.refine.known._CELLS", 100)
    turned = KnownPeople(known.embeddings.at(range(59, -1, -1)), known.people[::-1])
    parts = normalise_by_cohort(query, gallery, 40, "cosine", turned, nearest=7)
    assert (parts.indices == whole.indices).all()
    assert parts.distances == pytest.approx(whole.distances, abs=1e-5)


def test_copies_in_the_cohort_give_no_infinity() -> None:
    query, gallery, _ = made(0)
    for photo in (query.vectors[0], np.zeros(4)):
        known = KnownPeople(embeddings([photo] * 3, "t"), ("ann", "ann", "bob"))
        assert np.isfinite(normalise_by_cohort(query, gallery, 9, "euclidean", known).distances).all()
        assert (cohort_figures(query, known, "euclidean", 3)[1] > 0).all()


def test_one_photo_is_refused() -> None:
    query, gallery, known = made(0)
    one = replace(known, embeddings=known.embeddings.at([0]), people=("ann",))
    with pytest.raises(FacematchError, match="mean and deviation"):
        normalise_by_cohort(query, gallery, 9, "euclidean", one)
