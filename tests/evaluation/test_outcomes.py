"""Ranks of right photos against a plain count, and their way to JSON and back."""

import json
from itertools import compress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.outcomes import Outcomes, outcomes_from_json, places_of, task_outcomes
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.task import RetrievalTask, leave_one_out
from facematch.evaluation.topk import first_places
from facematch.ranking.embeddings import Embeddings


def photos(seed: int, ties: bool = False) -> tuple[Embeddings, list[str], list[bool]]:
    rng = np.random.default_rng(seed)
    identities = [f"id{i}" for i in range(5) for _ in range(rng.integers(1, 5))] + ["id0", "other", "other"]
    vectors = rng.integers(0, 2, (len(identities), 2)) if ties else rng.normal(size=(len(identities), 3))
    names = tuple(f"p{i:03d}" for i in rng.permutation(len(identities)))
    embeddings = Embeddings(names, vectors.astype(np.float32), "euclidean", Fingerprint())
    return embeddings, identities, [person != "other" for person in identities]


def outcomes(embeddings: Embeddings, identities: list[str], asked: list[bool]) -> Outcomes:
    shown = dict(zip(embeddings.names, identities, strict=True))
    return task_outcomes(leave_one_out(shown, list(compress(embeddings.names, asked))), embeddings)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_equals_a_plain_count_with_ties_by_name(seed: int, ties: bool) -> None:
    embeddings, identities, asked = photos(seed, ties)
    found = outcomes(embeddings, identities, asked)
    number = 0
    for i, person in enumerate(identities):
        if not asked[i] or identities.count(person) < 2:
            continue
        ranked = sorted(
            (j for j in range(len(identities)) if j != i),
            key=lambda j: (
                np.float32(np.linalg.norm((embeddings.vectors[i] - embeddings.vectors[j]).astype(float))),
                embeddings.names[j],
            ),
        )
        expected = [
            sum(identities[other] != person for other in ranked[:place])
            for place, j in enumerate(ranked)
            if identities[j] == person
        ]
        assert found.queries[number] == embeddings.names[i]
        assert found.identities[number] == person
        assert list(found.closer[number]) == expected
        assert found.others[number] == sum(other != person for other in identities)
        number += 1
    assert number == len(found)


def test_agrees_with_the_figures_of_validation() -> None:
    embeddings, identities, asked = photos(3)
    found = outcomes(embeddings, identities, asked)
    shown = dict(zip(embeddings.names, identities, strict=True))
    ranked = rank_task(leave_one_out(shown, list(compress(embeddings.names, asked))), embeddings, k=10)
    assert places_of(found).figures((6, 3, 1)) == first_places(ranked.judged).figures((6, 3, 1))


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = outcomes(*photos(4))
    monkeypatch.setattr(RetrievalTask.blocks, "__defaults__", (20,))
    assert outcomes(*photos(4)) == whole


def test_nobody_with_two_photos_gives_no_query() -> None:
    embeddings = Embeddings(("a", "b"), np.ones((2, 2), np.float32), "euclidean", Fingerprint())
    assert len(outcomes(embeddings, ["x", "y"], [True, True])) == 0
    assert len(outcomes(embeddings, ["x", "x"], [False, False])) == 0
    alone = outcomes(embeddings, ["x", "x"], [True, True])  # one identity, nobody else
    assert (alone.closer, alone.others, alone.people) == (((0,), (0,)), (0, 0), 1)


def test_survives_json() -> None:
    found = outcomes(*photos(2))
    assert outcomes_from_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("broken", [{}, {"queries": ["a"]}, {"queries": 1, "identities": 2, "closer": 3, "others": 4}])
def test_other_json_is_an_error(broken: dict[str, object]) -> None:
    with pytest.raises(FacematchError, match="outcomes of a validation cannot be read"):
        outcomes_from_json(broken)


@pytest.mark.parametrize("closer", [(), (2, 1), (-1,), (8,)])
def test_impossible_outcomes_are_an_error(closer: tuple[int, ...]) -> None:
    with pytest.raises(FacematchError, match="outcome of query a is not possible"):
        Outcomes(("a",), ("x",), (closer,), (7,))


def test_lists_of_unequal_length_are_an_error() -> None:
    with pytest.raises(FacematchError, match="unequal length"):
        Outcomes(("a", "b"), ("x",), ((0,),), (7,))
