"""Folders and lists of labelled photos, and what is wrong with them."""

import os
import sys
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.identities.sources import load_identities
from facematch.identities.values import LabelledPhotos


def put(folder: Path, *names: str) -> Path:
    """Write a small file of different bytes under each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"photo " + os.fsencode(path))
    return folder


def write_list(folder: Path, text: str | bytes, name: str = "list.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def shown(labelled: LabelledPhotos) -> dict[str, str]:
    return {file.name: who for file, who in labelled.pairs}


# --- folders --------------------------------------------------------------------------------------


def test_folder_of_folders(tmp_path: Path) -> None:
    put(tmp_path, "ann/1.jpg", "ann/2.jpg", "bob/1.jpg")
    labelled, problems = load_identities(tmp_path)
    assert shown(labelled) == {"ann/1.jpg": "ann", "ann/2.jpg": "ann", "bob/1.jpg": "bob"}
    assert problems == []
    assert all(file.path.is_file() for file in labelled.files)


def test_photos_deep_below_a_person_belong_to_them(tmp_path: Path) -> None:
    put(tmp_path, "ann/2023/spring/1.jpg", "ann/1.jpg", "bob/1.jpg")
    labelled, _ = load_identities(tmp_path)
    assert labelled.counts == {"ann": 2, "bob": 1}


def test_names_in_any_script(tmp_path: Path) -> None:
    put(tmp_path, "Zoë Ångström/1.jpg", "李明/1 2.jpg")
    labelled, problems = load_identities(tmp_path)
    assert labelled.people == ("Zoë Ångström", "李明")
    assert problems == []


def test_loose_photos_and_empty_folders_are_reported(tmp_path: Path) -> None:
    put(tmp_path, "ann/1.jpg", "loose.jpg")
    (tmp_path / "carl" / "deep").mkdir(parents=True)
    labelled, problems = load_identities(tmp_path)
    assert labelled.people == ("ann",)
    assert [(problem.kind, problem.text) for problem in problems] == [
        ("loose file", "loose.jpg"),
        ("empty identity", "carl"),
    ]
    assert "folder of its person" in problems[0].remedy
    assert "add photos" in problems[1].remedy


def test_files_that_are_not_photos_keep_their_reason(tmp_path: Path) -> None:
    put(tmp_path, "ann/1.jpg", "ann/.DS_Store", ".git/config")
    (tmp_path / "ann" / "gone").symlink_to(tmp_path / "nowhere")
    labelled, problems = load_identities(tmp_path)
    assert labelled.people == ("ann",)
    assert [(problem.kind, problem.text) for problem in problems] == [
        ("hidden file", ".git"),
        ("hidden file", "ann/.DS_Store"),
        ("unreadable file", "ann/gone (broken link)"),
    ]


def test_person_whose_folder_is_a_link(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "1.jpg", "2.jpg")
    people = put(tmp_path / "people", "ann/1.jpg")
    (people / "bob").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (people / "loop").symlink_to(people, target_is_directory=True)
    labelled, problems = load_identities(people)
    assert labelled.counts == {"ann": 1, "bob": 2}
    assert [(problem.kind, problem.text) for problem in problems] == [
        ("unreadable file", "loop (link that loops back to the folder searched)"),
        ("empty identity", "loop"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes that are not UTF-8")
def test_person_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"b\xe9a")
    labelled, problems = load_identities(put(tmp_path, "ann/1.jpg", f"{folder.name}/1.jpg"))
    assert labelled.people == ("ann", r"b\xe9a")
    assert problems == []


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match="nowhere does not exist") as caught:
        load_identities(tmp_path / "nowhere")
    assert "FOLDER/<person>/*.jpg" in caught.value.hint
    assert "<photo> <person>" in caught.value.hint


def test_folder_without_people(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FacematchError) as caught:
        load_identities(tmp_path)
    assert caught.value.message == (
        f"{tmp_path} has no folder of a person with photos: found 1 folder without a photo, "
        "2 photos outside any folder and 1 file that was not read: gone (broken link)."
    )
    assert "FOLDER/<person>/*.jpg" in caught.value.hint


# --- lists ----------------------------------------------------------------------------------------

PLAIN = "1.jpg ann\n2.jpg ann\n3.jpg bob\n"
EXPECTED = {"1.jpg": "ann", "2.jpg": "ann", "3.jpg": "bob"}


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip(),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\n\n" + PLAIN.replace("\n", "\n\n  \n"),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        "image_id identity\n" + PLAIN,
        "image id   name of the person\n" + PLAIN,
        "photos\n" + PLAIN,
        "3\n" + PLAIN,
        "3\nimage_id identity\n" + PLAIN,
        PLAIN.replace(" ", "   "),
        PLAIN.replace(" ", "\t"),
        PLAIN.replace(" ", ","),
        "image,label\n" + PLAIN.replace(" ", ", "),
        '"1.jpg","ann"\n"2.jpg","ann"\n"3.jpg","bob"\n',
    ],
)
def test_list_in_every_spelling(tmp_path: Path, text: str | bytes) -> None:
    put(tmp_path, *EXPECTED)
    labelled, problems = load_identities(write_list(tmp_path, text))
    assert shown(labelled) == EXPECTED
    assert problems == []
    assert labelled.files[2].path == tmp_path / "3.jpg"


def test_names_with_spaces_commas_and_folders(tmp_path: Path) -> None:
    put(tmp_path, "my photo 1.jpg", "a, b.jpg", "deep/c.jpg", "tab.jpg", "comma.jpg")
    text = "my photo 1.jpg 7\na, b.jpg 8\ndeep/c.jpg 9\ntab.jpg\tAnn Smith\ncomma.jpg,Ann Smith\n"
    labelled, problems = load_identities(write_list(tmp_path, text))
    assert shown(labelled) == {
        "my photo 1.jpg": "7",
        "a, b.jpg": "8",
        "deep/c.jpg": "9",
        "tab.jpg": "Ann Smith",
        "comma.jpg": "Ann Smith",
    }
    assert problems == []


def test_photos_in_another_folder(tmp_path: Path) -> None:
    put(tmp_path / "img_align", *EXPECTED)
    path = write_list(tmp_path / "lists", PLAIN)
    labelled, _ = load_identities(path, tmp_path / "img_align")
    assert shown(labelled) == EXPECTED
    assert labelled.files[0].path == tmp_path / "img_align" / "1.jpg"


def test_first_photo_that_is_missing_is_no_header(tmp_path: Path) -> None:
    put(tmp_path, "2.jpg", "3.jpg")
    _, problems = load_identities(write_list(tmp_path, PLAIN))
    assert [(problem.kind, problem.text) for problem in problems] == [("missing file", "1.jpg (list.txt line 1)")]
    assert str(tmp_path) in problems[0].remedy
    assert "identities.images" in problems[0].remedy


def test_second_line_is_never_a_header(tmp_path: Path) -> None:
    put(tmp_path, *EXPECTED)
    _, problems = load_identities(write_list(tmp_path, "image label\nphoto name\n" + PLAIN))
    assert [problem.text for problem in problems] == ["photo (list.txt line 2)"]


def test_lines_without_two_fields(tmp_path: Path) -> None:
    put(tmp_path, *EXPECTED)
    _, problems = load_identities(write_list(tmp_path, PLAIN + "\n4.jpg\n,\n"))
    assert [(problem.kind, problem.text) for problem in problems] == [
        ("bad line", "'4.jpg' (list.txt line 5)"),
        ("bad line", "',' (list.txt line 6)"),
    ]


def test_photo_listed_twice(tmp_path: Path) -> None:
    put(tmp_path, *EXPECTED)
    labelled, problems = load_identities(write_list(tmp_path, PLAIN + "1.jpg ann\n"))
    assert shown(labelled) == EXPECTED
    assert [(problem.kind, problem.text) for problem in problems] == [("listed twice", "1.jpg (list.txt line 4)")]


def test_photo_listed_under_two_people_is_not_used(tmp_path: Path) -> None:
    put(tmp_path, *EXPECTED)
    labelled, problems = load_identities(write_list(tmp_path, PLAIN + "1.jpg bob\n"))
    assert shown(labelled) == {"2.jpg": "ann", "3.jpg": "bob"}
    assert [(problem.kind, problem.text) for problem in problems] == [
        ("listed under two identities", "1.jpg as ann (list.txt line 1)"),
        ("listed under two identities", "1.jpg as bob (list.txt line 4)"),
    ]


def test_every_photo_under_two_people(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    with pytest.raises(FacematchError, match="each of its photos under two people"):
        load_identities(write_list(tmp_path, "1.jpg ann\n1.jpg bob\n"))


def test_absurd_names_are_missing_files(tmp_path: Path) -> None:
    put(tmp_path, *EXPECTED)
    text = PLAIN + "x" * 5000 + ".jpg ann\nzero\0byte.jpg ann\n\x1b[31mred.jpg ann\n"
    _, problems = load_identities(write_list(tmp_path, text))
    assert [problem.kind for problem in problems] == ["missing file"] * 3
    assert all(problem.text.isprintable() for problem in problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("\n \n", "it is empty"),
        ("image_id identity\n", "it is empty"),
        ("4.jpg\n5.jpg\n", "none of its 2 lines is `<photo> <person>`"),
        (PLAIN, r"names 3 photos, none of which is in .*: 1\.jpg, 2\.jpg, 3\.jpg\."),
        (PLAIN * 2, r"names 6 photos, .*: 1\.jpg, 2\.jpg, 3\.jpg, …"),
    ],
)
def test_list_without_a_usable_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FacematchError, match=r"lists no photo that can be used: .*" + message) as caught:
        load_identities(write_list(tmp_path, text))
    assert "FOLDER/<person>/*.jpg" in caught.value.hint


def test_list_that_is_a_picture(tmp_path: Path) -> None:
    path = write_list(tmp_path, b"first line\n\xff\xd8\xff\xe0\x00\x10JFIF", "photo.jpg")
    with pytest.raises(FacematchError, match=r"photo\.jpg is not a list .*line 2 is not UTF-8 text"):
        load_identities(path)


def test_images_that_is_no_folder(tmp_path: Path) -> None:
    path = write_list(tmp_path, PLAIN)
    with pytest.raises(FacematchError, match=r"identities\.images: .*gone is not a folder"):
        load_identities(path, tmp_path / "gone")
