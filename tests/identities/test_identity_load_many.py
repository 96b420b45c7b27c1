"""Several folders and lists as one set of labelled photos."""

from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.identities.sources import load_many
from facematch.identities.values import LabelledPhotos


def put(folder: Path, *names: str) -> Path:
    """Write a small file under each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"photo {path}".encode())
    return folder


def shown(labelled: LabelledPhotos) -> dict[str, str]:
    return {file.name: who for file, who in labelled.pairs}


def test_several_sources_are_one_set(tmp_path: Path) -> None:
    first = put(tmp_path / "first", "ann/1.jpg", "bob/1.jpg", "loose.jpg")
    second = put(tmp_path / "second", "ann/2.jpg", "carl/1.jpg")
    labelled, problems = load_many([first, second])
    assert labelled.counts == {"ann": 2, "bob": 1, "carl": 1}
    assert [file.name for file in labelled.files] == ["ann/1.jpg", "bob/1.jpg", "ann/2.jpg", "carl/1.jpg"]
    assert [problem.kind for problem in problems] == ["loose file"]


def test_names_that_clash_are_preceded_by_their_source(tmp_path: Path) -> None:
    first = put(tmp_path / "first", "ann/1.jpg")
    second = put(tmp_path / "second", "ann/1.jpg", "bob/1.jpg")
    labelled, _ = load_many([first, second])
    assert shown(labelled) == {
        "first/ann/1.jpg": "ann",
        "second/ann/1.jpg": "ann",
        "second/bob/1.jpg": "bob",
    }
    assert len({file.path for file in labelled.files}) == 3


def test_sources_of_one_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    first = put(tmp_path / "2023" / "faces", "ann/1.jpg")
    second = put(tmp_path / "2024" / "faces", "ann/1.jpg")
    labelled, _ = load_many([first, second])
    assert [file.name for file in labelled.files] == ["2023/faces/ann/1.jpg", "2024/faces/ann/1.jpg"]


def test_a_folder_and_a_list(tmp_path: Path) -> None:
    folder = put(tmp_path / "people", "ann/1.jpg")
    put(tmp_path / "flat", "1.jpg", "2.jpg", "3.jpg")
    listed = tmp_path / "list.txt"
    listed.write_text("1.jpg ann\n2.jpg ann\n3.jpg bob\n")
    labelled, _ = load_many([folder, listed], images=tmp_path / "flat")
    assert labelled.counts == {"ann": 3, "bob": 1}


def test_a_source_given_twice_counts_once(tmp_path: Path) -> None:
    first = put(tmp_path / "first", "ann/1.jpg")
    labelled, _ = load_many([first, tmp_path / "first" / ".." / "first"])
    assert [file.name for file in labelled.files] == ["ann/1.jpg"]


def test_no_source() -> None:
    with pytest.raises(FacematchError, match=r"identities\.train names no folder"):
        load_many([])
