"""As many validation people as the score to expect needs, the same for every system."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.expectation import expect
from facematch.evaluation.outcomes import task_outcomes
from facematch.evaluation.task import leave_one_out
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile
from facematch.pipeline.people import ValidationPeople, enough_people
from facematch.ranking.embeddings import Embeddings


def people(counts: dict[str, int]) -> ValidationPeople:
    pairs = [
        (PhotoFile(f"{name}/{number}.jpg", Path(name)), name)
        for name, count in counts.items()
        for number in range(count)
    ]
    return ValidationPeople(LabelledPhotos.of(pairs), LabelledPhotos.of([(PhotoFile("d.jpg", Path("d")), "d")]))


@given(
    counts=st.lists(st.integers(1, 400), min_size=1, max_size=30), photos=st.integers(1, 4000), seed=st.integers(0, 9)
)
def test_whole_people_until_there_are_as_many_photos_as_the_task_has(counts: list[int], photos: int, seed: int) -> None:
    everyone = people({f"p{number}": count for number, count in enumerate(counts)})
    chosen, of = enough_people(everyone, photos, seed)
    enough, drawn = max(photos, 800), len(chosen.queries.files)
    if sum(counts) <= enough:
        assert (chosen, of) == (everyone, None)
        return
    assert of == len(counts)
    assert drawn >= enough
    assert drawn - max(chosen.queries.counts.values()) < enough  # not one more than it takes
    assert chosen.queries.counts.items() <= everyone.queries.counts.items()  # each with all photos
    assert chosen.distractors == everyone.distractors


@settings(max_examples=20)
@given(seed=st.integers(0, 9), seen=st.sets(st.integers(0, 49), max_size=20))
def test_who_is_drawn_does_not_depend_on_who_else_is_there(seed: int, seen: set[int]) -> None:
    # A network that has seen some of the people is compared on those that are left, most of them the same.
    counts = {f"p{number}": 40 for number in range(50)}
    all_drawn = set(enough_people(people(counts), 800, seed)[0].queries.people)
    left = {name: count for name, count in counts.items() if int(name[1:]) not in seen}
    assert all_drawn & left.keys() <= set(enough_people(people(left), 800, seed)[0].queries.people)


def test_another_seed_draws_others() -> None:
    everyone = people({f"p{number}": 20 for number in range(100)})
    drawn = [enough_people(everyone, 800, seed)[0].queries.people for seed in range(3)]
    assert len({tuple(each) for each in drawn}) == 3


@pytest.mark.parametrize("seed", [1, 2])
def test_the_interval_is_hardly_wider_than_with_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = {f"p{number}": 4 for number in range(500)}
    everyone = people(counts)
    centre = dict(zip(counts, rng.normal(size=(500, 8)), strict=True))

    def width(labelled: LabelledPhotos) -> float:
        who = labelled.identities
        vectors = np.stack([centre[name] for name in who]).astype(np.float32)
        noise = np.stack([np.random.default_rng([seed, *file.name.encode()]).normal(size=8) for file in labelled.files])
        names = tuple(file.name for file in labelled.files)
        found = Embeddings(names, (vectors + 0.4 * noise).astype(np.float32), "euclidean", Fingerprint({}))
        validated = task_outcomes(leave_one_out(dict(zip(names, who, strict=True)), names), found)
        told = expect(validated, queries=150, gallery=550, weights=(600, 300, 100), seed=seed)
        assert told is not None
        assert told.interval is not None
        return told.interval[1] - told.interval[0]

    some, _ = enough_people(everyone, 700, seed)
    assert len(some.queries.files) == 800
    assert width(some.queries) < 1.3 * width(everyone.queries)
