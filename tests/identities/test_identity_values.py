"""Labelled photos as a value, and the summary of problems."""

from pathlib import Path

import pytest

from facematch.core.text import printable
from facematch.identities.values import LabelledPhotos, Problem, summarise_problems
from facematch.photos.photo import PhotoFile


def photo(name: str) -> PhotoFile:
    return PhotoFile(name, Path(name))


def test_people_counts_and_choice() -> None:
    files = (photo("b1"), photo("a1"), photo("b2"))
    labelled = LabelledPhotos(files, ("bob", "ann", "bob"))
    assert labelled.people == ("ann", "bob")
    assert list(labelled.counts.items()) == [("ann", 1), ("bob", 2)]
    assert labelled.pairs == ((files[0], "bob"), (files[1], "ann"), (files[2], "bob"))
    assert LabelledPhotos.of(labelled.pairs) == labelled
    assert labelled.only(["bob", "nobody"]) == LabelledPhotos((files[0], files[2]), ("bob", "bob"))
    assert labelled.only([]) == LabelledPhotos((), ())


def test_a_value_that_contradicts_itself() -> None:
    with pytest.raises(ValueError, match="2 photos but 1 identities"):
        LabelledPhotos((photo("a"), photo("b")), ("ann",))
    with pytest.raises(ValueError, match="two photos have one name"):
        LabelledPhotos((photo("a"), photo("a")), ("ann", "bob"))


def test_summary_has_a_line_for_each_kind() -> None:
    problems = [
        Problem("single photo", "ann", "add photos"),
        Problem("unreadable file", "x.jpg (empty)", "replace it"),
        Problem("single photo", "bob", "add photos"),
        Problem("something new", "a", "look"),
    ]
    assert summarise_problems(problems) == [
        "2 people with a single photo: ann, bob – add photos",
        "1 file that was not read: x.jpg (empty) – replace it",
        "1 something new: a – look",
    ]
    assert str(problems[1]) == "unreadable file: x.jpg (empty) – replace it"


def test_summary_is_cut() -> None:
    problems = [Problem("single photo", str(n), "add photos") for n in range(1200)]
    assert summarise_problems(problems, limit=3) == ["1,200 people with a single photo: 0, 1, 2, … – add photos"]
    assert summarise_problems(problems[:3], limit=3) == ["3 people with a single photo: 0, 1, 2 – add photos"]
    assert summarise_problems([]) == []


def test_summary_of_a_hostile_name_is_one_plain_line() -> None:
    (line,) = summarise_problems([Problem("single photo", "\x1b[2Jann\nbob", "add photos")])
    assert line == "1 person with a single photo: �[2Jann�bob – add photos"


def test_printable() -> None:
    assert printable("Zoë 李 🙂.jpg") == "Zoë 李 🙂.jpg"
    assert printable("a\x1b[31m\n\udce9b") == "a�[31m��b"
