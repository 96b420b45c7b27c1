"""The split by person: nobody on both sides, the same for the same seed, whatever the order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.identities.split import split_identities, split_photos
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile


def people(counts: list[int]) -> LabelledPhotos:
    """Return person i with `counts[i]` photos."""
    return LabelledPhotos.of(
        (PhotoFile(f"{i}/{n}.jpg", Path(f"{i}/{n}.jpg")), f"person {i}")
        for i, count in enumerate(counts)
        for n in range(count)
    )


some_people = st.lists(st.integers(1, 6), min_size=4, max_size=60)


@settings(max_examples=200, deadline=None)
@given(counts=some_people, share=st.floats(0.01, 0.99), seed=st.integers(0, 2**31 - 1))
def test_no_person_is_ever_on_both_sides(counts: list[int], share: float, seed: int) -> None:
    labelled = people(counts)
    train, validation = split_identities(labelled, share, seed)
    assert not set(train.people) & set(validation.people)
    assert not {file.path for file in train.files} & {file.path for file in validation.files}
    assert sorted((*train.files, *validation.files), key=str) == sorted(labelled.files, key=str)
    assert set(train.people) | set(validation.people) == set(labelled.people)
    assert min(len(train.people), len(validation.people)) >= 2
    assert all(labelled.counts[who] == n for side in (train, validation) for who, n in side.counts.items())


@settings(max_examples=50, deadline=None)
@given(counts=some_people, seed=st.integers(0, 1000), order=st.integers(0, 1000))
def test_order_of_the_files_does_not_matter(counts: list[int], seed: int, order: int) -> None:
    labelled = people(counts)
    shuffled = LabelledPhotos.of(
        labelled.pairs[i] for i in np.random.default_rng(order).permutation(len(labelled.files))
    )
    first, second = split_identities(labelled, 0.3, seed), split_identities(shuffled, 0.3, seed)
    assert [side.people for side in first] == [side.people for side in second]


@settings(max_examples=100, deadline=None)
@given(counts=some_people, share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_validation_takes_people_with_several_photos(counts: list[int], share: float, seed: int) -> None:
    several = sum(count >= 2 for count in counts)
    train, validation = split_identities(people(counts), share, seed)
    with_several = sum(count >= 2 for count in validation.counts.values())
    if several >= 4:
        assert with_several == len(validation.people)
        assert sum(count >= 2 for count in train.counts.values()) >= 2
    else:
        assert with_several == min(several, len(validation.people))


@pytest.mark.parametrize(("number", "share", "expected"), [(100, 0.2, 20), (10, 0.25, 2), (10, 0.01, 2), (10, 0.99, 8)])
def test_share_of_the_people(number: int, share: float, expected: int) -> None:
    train, validation = split_identities(people([3] * number), share, 1)
    assert len(validation.people) == expected
    assert len(train.people) == number - expected


def test_share_is_of_people_with_several_photos() -> None:
    """100 people with one photo and 10 with two: a fifth of the ten, so that training keeps eight."""
    train, validation = split_identities(people([1] * 100 + [2] * 10), 0.2, 1)
    assert len(validation.people) == 2
    assert len(train.people) == 108


def test_seed_changes_the_split() -> None:
    labelled = people([2] * 40)
    sides = {split_identities(labelled, 0.5, seed)[1].people for seed in range(10)}
    assert len(sides) == 10


def test_everyone_is_drawn_about_equally_often() -> None:
    labelled = people([2] * 20)
    drawn = [who for seed in range(400) for who in split_identities(labelled, 0.25, seed)[1].people]
    times = [drawn.count(who) for who in labelled.people]
    assert min(times) > 60
    assert max(times) < 145


def test_a_person_more_moves_few_others() -> None:
    before = set(split_identities(people([2] * 50), 0.2, 7)[1].people)
    after = set(split_identities(people([2] * 51), 0.2, 7)[1].people)
    assert len(before ^ after) <= 2


def test_photos_keep_their_order() -> None:
    labelled = people([3] * 10)
    train, _ = split_identities(labelled, 0.2, 1)
    places = [labelled.files.index(file) for file in train.files]
    assert places == sorted(places)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_too_few_people(number: int) -> None:
    with pytest.raises(FacematchError, match=f"needs 4 people, 2 for each; there are {number}") as caught:
        split_identities(people([5] * number), 0.2, 1)
    assert "identities.validation=FOLDER" in caught.value.hint


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=20), share=st.floats(0.01, 0.99), seed=st.integers(0, 9)
)
def test_by_photo_every_class_stays_and_gives_its_share(counts: list[int], share: float, seed: int) -> None:
    labelled = people(counts)
    if max(counts) < 3:
        with pytest.raises(FacematchError, match="fewer than 3 photos each"):
            split_photos(labelled, share, seed)
        return
    kept, out = split_photos(labelled, share, seed)
    assert sorted((*kept.pairs, *out.pairs), key=str) == sorted(labelled.pairs, key=str)
    for who, count in labelled.counts.items():
        held_out = out.counts.get(who, 0)
        assert held_out == max(0, min(max(1, round(share * count)), count - 2))
        assert kept.counts[who] == count - held_out >= min(count, 2)


def test_by_photo_the_order_of_files_decides_nothing_and_the_seed_does() -> None:
    labelled = people([9, 5, 3])
    turned = LabelledPhotos.of(reversed(labelled.pairs))
    for one, other in zip(split_photos(labelled, 0.4, 1), split_photos(turned, 0.4, 1), strict=True):
        assert set(one.pairs) == set(other.pairs)
    assert len({frozenset(split_photos(labelled, 0.4, seed)[1].files) for seed in range(20)}) > 5
