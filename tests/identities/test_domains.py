"""Domains: told by a folder, by names or by a column, and kept by whatever takes some of the photos."""

from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.identities.domains import PHOTO, Domains
from facematch.identities.sources import load_identities, load_many
from facematch.identities.split import split_identities
from facematch.identities.values import LabelledPhotos

GLOBS = Domains("names", {"synthetic": ("synthetic_*", "made/*"), "drawn": ("*.png",)})


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def told(labelled: LabelledPhotos) -> dict[str, str]:
    return {file.name: file.domain for file in labelled.files}


@pytest.mark.parametrize(
    ("below", "domain"),
    [
        ("1.jpg", PHOTO),
        ("synthetic_1.jpg", "synthetic"),
        ("old/synthetic_1.jpg", "synthetic"),
        ("made/1.jpg", "synthetic"),
        ("made/1.png", "synthetic"),  # the first that matches
        ("1.png", "drawn"),
        ("Synthetic_1.jpg", PHOTO),
    ],
)
def test_by_names(below: str, domain: str) -> None:
    assert GLOBS.of(below) == domain


def test_by_the_folder_below_the_persons(tmp_path: Path) -> None:
    put(tmp_path, "ann/1.jpg", "ann/synthetic/1.jpg", "ann/synthetic/x/2.jpg", "bob/drawn/1.jpg")
    labelled, problems = load_identities(tmp_path, None, Domains("folder"))
    assert told(labelled) == {
        "ann/1.jpg": PHOTO,
        "ann/synthetic/1.jpg": "synthetic",
        "ann/synthetic/x/2.jpg": "synthetic",
        "bob/drawn/1.jpg": "drawn",
    }
    assert labelled.people == ("ann", "bob")
    assert problems == []


def test_without_a_rule_nobody_says(tmp_path: Path) -> None:
    put(tmp_path, "ann/synthetic/1.jpg")
    assert told(load_identities(tmp_path)[0]) == {"ann/synthetic/1.jpg": ""}


@pytest.mark.parametrize(
    "text",
    [
        "1.jpg ann photo\nd/1.jpg ann drawn\n",
        "1.jpg\tann\tphoto\nd/1.jpg\tann\tdrawn",
        '"1.jpg",ann,photo\nd/1.jpg,ann,drawn',
    ],
)
def test_a_column_of_a_list(tmp_path: Path, text: str) -> None:
    put(tmp_path, "1.jpg", "d/1.jpg")
    (tmp_path / "list.txt").write_text(text)
    labelled, problems = load_identities(tmp_path / "list.txt", None, Domains("column"))
    assert told(labelled) == {"1.jpg": "photo", "d/1.jpg": "drawn"}
    assert labelled.identities == ("ann", "ann")
    assert problems == []


def test_a_line_without_the_column_is_named(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "list.txt").write_text("1.jpg ann photo\n2.jpg ann\n")
    labelled, (problem,) = load_identities(tmp_path / "list.txt", None, Domains("column"))
    assert told(labelled) == {"1.jpg": "photo"}
    assert problem.remedy == "write `<photo> <person> <domain>`"
    (tmp_path / "list.txt").write_text("2.jpg ann\n")
    with pytest.raises(FacematchError, match=r"none of its 1 lines is `<photo> <person> <domain>`"):
        load_identities(tmp_path / "list.txt", None, Domains("column"))


def test_names_and_folders_of_a_list(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "made/2.jpg")
    (tmp_path / "list.txt").write_text("1.jpg ann\nmade/2.jpg ann\n")
    for domains, other in ((GLOBS, "synthetic"), (Domains("folder"), "made")):
        labelled, _ = load_identities(tmp_path / "list.txt", None, domains)
        assert told(labelled) == {"1.jpg": PHOTO, "made/2.jpg": other}


def test_several_sources_and_splits_keep_them(tmp_path: Path) -> None:
    for source in ("one", "two"):
        put(tmp_path / source, *(f"{who}/{name}" for who in "abcd" for name in ("1.jpg", "made/1.jpg")))
    labelled, _ = load_many([tmp_path / "one", tmp_path / "two"], None, GLOBS)
    assert set(told(labelled)) >= {"one/a/1.jpg", "two/a/made/1.jpg"}
    for part in (labelled, *split_identities(labelled, 0.5, 1), labelled.only(["a"])):
        assert {name: "synthetic" if "made" in name else PHOTO for name in told(part)} == told(part)
