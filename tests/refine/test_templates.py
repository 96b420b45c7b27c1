"""Templates against a plain mean."""

import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.refine.templates import average_templates

PEOPLE = {"a": "ann", "b": "bob", "c": "ann", "d": "dan", "e": "bob", "f": "ann"}


def gallery(seed: int = 0) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(6, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(tuple(PEOPLE), vectors, "euclidean", Fingerprint())


@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_each_photo_moves_towards_its_persons_mean(weight: float) -> None:
    before = gallery()
    after = average_templates(before, PEOPLE, weight)
    for row, name in enumerate(before.names):
        rows = [i for i, other in enumerate(before.names) if PEOPLE[other] == PEOPLE[name]]
        mean = before.vectors[rows].astype(float).mean(axis=0)
        mean /= np.linalg.norm(mean)
        assert after.vectors[row] == pytest.approx((1 - weight) * before.vectors[row] + weight * mean, abs=1e-6)
    assert after.names == before.names


def test_a_single_photo_is_its_own_template() -> None:
    assert average_templates(gallery(), PEOPLE).vectors[3] == pytest.approx(gallery().vectors[3], abs=1e-6)


def test_a_photo_that_nobody_knows_is_an_error() -> None:
    known = {name: person for name, person in PEOPLE.items() if name != "d"}
    with pytest.raises(FacematchError, match="1 of 6 are not named, first d") as caught:
        average_templates(gallery(), known)
    assert "people: LIST.txt" in caught.value.hint
