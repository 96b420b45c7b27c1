"""Training people as a value: who is left out, what its digest notices, distances against the estimator's."""

from dataclasses import replace

import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.ranking.metrics import VECTOR_METRICS, Metric
from facematch.refine.known import KnownPeople, distances_between
from known_helpers import embeddings, made, plain

KNOWN = KnownPeople(embeddings(np.eye(4), "t"), ("ann", "bob", "ann", "cid"))


def test_people_are_left_out_with_all_their_photos() -> None:
    left = KNOWN.without({"ann", "dan"})
    assert (left.people, left.embeddings.names) == (("bob", "cid"), ("t001", "t003"))
    assert KNOWN.without({"dan"}) is KNOWN
    with pytest.raises(FacematchError, match="all 3 of them are among those who are judged"):
        KNOWN.without({"ann", "bob", "cid"})


def test_nobody_is_refused() -> None:
    with pytest.raises(FacematchError, match="there is no photo of any"):
        KnownPeople(embeddings(np.zeros((0, 4)), "t"), ())
    with pytest.raises(ValueError, match="4 photos but 1 people"):
        KnownPeople(KNOWN.embeddings, ("ann",))


def test_the_digest_notices_names_people_and_vectors() -> None:
    vectors = KNOWN.embeddings.vectors + np.float32(1e-3)
    changed = [
        replace(KNOWN, people=("ann", "bob", "ann", "dan")),
        replace(KNOWN, embeddings=replace(KNOWN.embeddings, names=("t000", "t001", "t002", "t009"))),
        replace(KNOWN, embeddings=replace(KNOWN.embeddings, vectors=vectors)),
        KNOWN.without({"cid"}),
    ]
    assert len({KNOWN.digest, *(each.digest for each in changed)}) == 5


@pytest.mark.parametrize("metric", VECTOR_METRICS)
def test_distances_are_the_estimators(metric: Metric) -> None:
    query, gallery, _ = made(3, 6, 8)
    found = distances_between(query, gallery, metric)(np.array([4, 0]))
    assert found == pytest.approx(plain(query, gallery, metric)[[4, 0]], rel=1e-6)
