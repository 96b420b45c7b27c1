"""The check before a run: what is dropped, what is kept, what is said."""

import hashlib
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.identities import check as room
from facematch.identities.check import Checked, check_identities, require_disjoint
from facematch.identities.sources import load_identities
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, digest_of

LIMITS = PhotoLimits()


def labelled_folder(folder: Path, photos: dict[str, str]) -> LabelledPhotos:
    """Write files `name: content`; a person is the first part of the name."""
    for name, content in photos.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return load_identities(folder)[0]


def kinds(checked: Checked) -> list[tuple[str, str]]:
    return [(problem.kind, problem.text) for problem in checked.problems]


def test_nothing_wrong(tmp_path: Path) -> None:
    labelled = labelled_folder(tmp_path, {"ann/1": "a", "ann/2": "b", "bob/1": "c", "bob/2": "d"})
    checked = check_identities(labelled, LIMITS, 2)
    assert checked.labelled == labelled
    assert checked.problems == ()
    assert checked.sha256 == {
        name: hashlib.sha256(content.encode()).hexdigest()
        for name, content in {"ann/1": "a", "ann/2": "b", "bob/1": "c", "bob/2": "d"}.items()
    }


def test_the_same_bytes_twice_under_one_person_count_once(tmp_path: Path) -> None:
    photos = {"ann/2": "a", "ann/1": "a", "ann/3": "b", "bob/1": "c", "bob/2": "d"}
    checked = check_identities(labelled_folder(tmp_path, photos), LIMITS, 2)
    assert [file.name for file in checked.labelled.files] == ["ann/1", "ann/3", "bob/1", "bob/2"]
    assert kinds(checked) == [("same bytes twice", "ann/1 = ann/2")]
    assert set(checked.sha256) == {"ann/1", "ann/3", "bob/1", "bob/2"}


def test_the_same_bytes_under_two_people_are_dropped_from_both(tmp_path: Path) -> None:
    photos = {"ann/1": "a", "ann/2": "b", "ann/3": "x", "ann/4": "x", "bob/1": "c", "bob/2": "d", "bob/3": "x"}
    checked = check_identities(labelled_folder(tmp_path, photos), LIMITS, 2)
    assert [file.name for file in checked.labelled.files] == ["ann/1", "ann/2", "bob/1", "bob/2"]
    assert kinds(checked) == [
        ("same bytes under two identities", "ann/3 = ann/4"),
        ("same bytes under two identities", "ann/3 = bob/3"),
    ]
    assert "keep the copy whose person is right" in checked.problems[0].remedy


def test_unreadable_files_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = {"ann/1": "a", "ann/2": "b", "ann/3": "bad", "bob/1": "c", "bob/2": "d"}
    labelled = labelled_folder(tmp_path, photos)
    read = digest_of

    def read_but_one(file: PhotoFile, limits: PhotoLimits) -> str | Unreadable:
        return Unreadable(file.name, "the disk says no") if file.name == "ann/3" else read(file, limits)

    monkeypatch.setattr(room, "digest_of", read_but_one)
    checked = check_identities(labelled, LIMITS, 2)
    assert checked.labelled == labelled_without(labelled, "ann/3")
    assert kinds(checked) == [("unreadable file", "ann/3 (the disk says no)")]


def labelled_without(labelled: LabelledPhotos, name: str) -> LabelledPhotos:
    return LabelledPhotos.of(pair for pair in labelled.pairs if pair[0].name != name)


def test_empty_files_are_dropped(tmp_path: Path) -> None:
    photos = {"ann/1": "a", "ann/2": "b", "bob/1": "c", "bob/2": "d", "bob/3": ""}
    checked = check_identities(labelled_folder(tmp_path, photos), LIMITS, 2)
    assert [file.name for file in checked.labelled.files] == ["ann/1", "ann/2", "bob/1", "bob/2"]
    assert [(problem.kind, problem.text) for problem in checked.problems] == [("unreadable file", "bob/3 (empty file)")]


def test_files_above_the_limit_are_dropped(tmp_path: Path) -> None:
    photos = {"ann/1": "a", "ann/2": "b", "bob/1": "c", "bob/2": "d", "bob/3": "e" * 101}
    checked = check_identities(labelled_folder(tmp_path, photos), PhotoLimits(max_bytes=100), 2)
    assert [problem.kind for problem in checked.problems] == ["unreadable file"]
    assert checked.problems[0].text.startswith("bob/3 (0.000101 MB")


def test_people_with_too_few_photos_are_left_out(tmp_path: Path) -> None:
    photos = {"ann/1": "a", "ann/2": "b", "bob/1": "c", "bob/2": "d", "carl/1": "e", "dora/1": "f", "dora/2": "f"}
    checked = check_identities(labelled_folder(tmp_path, photos), LIMITS, 2)
    assert checked.labelled.people == ("ann", "bob")
    assert kinds(checked)[1:] == [("single photo", "carl"), ("single photo", "dora")]
    assert "identities.min_photos: 1" in checked.problems[1].remedy
    assert set(checked.sha256) == {"ann/1", "ann/2", "bob/1", "bob/2"}


def test_the_number_of_photos_asked_for(tmp_path: Path) -> None:
    photos = {f"{who}/{n}": f"{who}{n}" for who, count in {"ann": 3, "bob": 3, "carl": 2}.items() for n in range(count)}
    checked = check_identities(labelled_folder(tmp_path, photos), LIMITS, 3)
    assert checked.labelled.people == ("ann", "bob")
    assert kinds(checked) == [("too few photos", "carl (2)")]
    assert "identities.min_photos: 2" in checked.problems[0].remedy


def test_a_person_who_lost_every_photo(tmp_path: Path) -> None:
    photos = {"ann/1": "a", "bob/1": "b", "carl/1": "x", "dora/1": "x"}
    checked = check_identities(labelled_folder(tmp_path, photos), LIMITS, 1)
    assert checked.labelled.people == ("ann", "bob")
    assert kinds(checked)[1:] == [("no photo left", "carl"), ("no photo left", "dora")]


def test_too_few_people(tmp_path: Path) -> None:
    photos = {"ann/1": "a", "ann/2": "b", "bob/1": "c", "carl/1": "d"}
    with pytest.raises(FacematchError) as caught:
        check_identities(labelled_folder(tmp_path, photos), LIMITS, 2)
    assert caught.value.message == (
        "1 of 3 people and 2 of 4 photos can be used, 2 people are needed: 2 people with a single photo: bob, carl."
    )
    assert "Training needs 2 people with 2 photos each" in caught.value.hint


def test_one_person_may_be_enough(tmp_path: Path) -> None:
    labelled = labelled_folder(tmp_path, {"ann/1": "a"})
    assert check_identities(labelled, LIMITS, 1, min_people=1).labelled == labelled
    with pytest.raises(FacematchError, match=r"1 of 1 people and 1 of 1 photos can be used, 2 people are needed\."):
        check_identities(labelled, LIMITS, 1)


def test_every_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = labelled_folder(tmp_path, {f"{who}/{n}": f"{who}{n}" for who in "abc" for n in range(20)})
    seen: list[str] = []
    read = digest_of

    def counted(file: PhotoFile, limits: PhotoLimits) -> str | Unreadable:
        seen.append(file.name)
        return read(file, limits)

    monkeypatch.setattr(room, "digest_of", counted)
    check_identities(labelled, LIMITS, 2)
    assert sorted(seen) == sorted(file.name for file in labelled.files)


# --- training and validation ----------------------------------------------------------------------


def checked_folder(folder: Path, photos: dict[str, str]) -> Checked:
    return check_identities(labelled_folder(folder, photos), LIMITS, 1)


def test_disjoint_people_with_different_photos(tmp_path: Path) -> None:
    train = checked_folder(tmp_path / "train", {"ann/1": "a", "bob/1": "b"})
    validation = checked_folder(tmp_path / "validation", {"carl/1": "c", "dora/1": "d"})
    require_disjoint(train, validation)


def test_person_on_both_sides(tmp_path: Path) -> None:
    train = checked_folder(tmp_path / "train", {"ann/1": "a", "bob/1": "b"})
    validation = checked_folder(tmp_path / "validation", {"bob/9": "c", "dora/1": "d"})
    with pytest.raises(FacematchError, match="1 person is in training and in validation: bob") as caught:
        require_disjoint(train, validation)
    assert "Take them out of one" in caught.value.hint


def test_several_people_on_both_sides(tmp_path: Path) -> None:
    photos = {f"{who}/1": who for who in "abcdefg"}
    train, validation = checked_folder(tmp_path / "1", photos), checked_folder(tmp_path / "2", photos)
    with pytest.raises(FacematchError, match="7 people are in training and in validation: a, b, c, d, e, …"):
        require_disjoint(train, validation)


def test_photo_on_both_sides_under_another_name(tmp_path: Path) -> None:
    train = checked_folder(tmp_path / "train", {"ann/1": "a", "bob/1": "b"})
    validation = checked_folder(tmp_path / "validation", {"carl/7": "b", "dora/1": "d"})
    with pytest.raises(FacematchError, match=r"1 photo is in training and, .* in validation: bob/1 = carl/7") as caught:
        require_disjoint(train, validation)
    assert "cannot show two people" in caught.value.hint
