"""People are divided, never one person's photographs, and names tell nothing."""

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.tasks.sample.plan import FACES, GALLERY, QUERY, Plan, PlannedPhoto, make_plan

SEEDS = st.integers(0, 2**40)


def _in(plan: Plan, folder: str) -> list[PlannedPhoto]:
    return [photo for photo in plan.photos if photo.path.startswith(f"{folder}/")]


def _name(photo: PlannedPhoto) -> str:
    return photo.path.rsplit("/", 1)[1]


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_no_person_is_in_training_and_in_the_competition(seed: int) -> None:
    plan = make_plan(seed)
    training = {photo.person for photo in _in(plan, FACES)}
    competition = {photo.person for photo in [*_in(plan, QUERY), *_in(plan, GALLERY)]}
    assert not training & competition
    assert training | competition == set(range(100))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_truth_of_a_query_is_all_gallery_photos_of_the_same_person(seed: int) -> None:
    plan = make_plan(seed)
    gallery = _in(plan, GALLERY)
    expected = {
        _name(query): sorted(_name(photo) for photo in gallery if photo.person == query.person)
        for query in _in(plan, QUERY)
    }
    assert plan.truth == expected
    assert all(len(names) == 4 for names in plan.truth.values())


def test_numbers_of_people_and_photographs() -> None:
    plan = make_plan(2026)
    assert set(Counter(photo.person for photo in _in(plan, FACES)).values()) == {8}
    assert set(Counter(photo.person for photo in _in(plan, QUERY)).values()) == {2}
    assert Counter(Counter(photo.person for photo in _in(plan, GALLERY)).values()) == {4: 25, 2: 15}
    assert plan.counts == {
        "people": 60,
        "photos": 480,
        "queries": 50,
        "query_people": 25,
        "gallery": 130,
        "gallery_people": 40,
    }


def test_a_folder_holds_one_person_and_a_person_has_one_folder() -> None:
    pairs = {(photo.path.split("/")[1], photo.person) for photo in _in(make_plan(5), FACES)}
    assert len(pairs) == len({folder for folder, _ in pairs}) == len({person for _, person in pairs}) == 60
    assert {folder for folder, _ in pairs} == {f"person_{number:03d}" for number in range(1, 61)}


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_no_photograph_is_planned_twice(seed: int) -> None:
    photos = make_plan(seed).photos
    assert len({(photo.person, photo.number) for photo in photos}) == len(photos) == 660
    assert len({_name(photo) for photo in photos}) == 660


def test_names_are_32_hex_digits_and_in_order() -> None:
    plan = make_plan(2026)
    assert all(re.fullmatch(r"[0-9a-f]{32}\.jpg", _name(photo)) for photo in plan.photos)
    assert [photo.path for photo in plan.photos] == sorted(photo.path for photo in plan.photos)
    assert list(plan.truth) == sorted(plan.truth)


def test_neighbours_by_name_are_rarely_the_same_person() -> None:
    people = [photo.person for photo in _in(make_plan(2026), GALLERY)]
    same = sum(one == other for one, other in pairwise(people))
    assert same <= 13, "by chance about 3 of 129 neighbours are of one person"


def test_the_seed_decides_the_plan() -> None:
    assert make_plan(7) == make_plan(7)
    one, other = make_plan(7), make_plan(8)
    assert {photo.person for photo in _in(one, FACES)} != {photo.person for photo in _in(other, FACES)}
    assert not {_name(photo) for photo in one.photos} & {_name(photo) for photo in other.photos}


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(FacematchError, match="seed: found -1, expected 0 or more") as caught:
        make_plan(-1)
    assert "--seed" in caught.value.hint
