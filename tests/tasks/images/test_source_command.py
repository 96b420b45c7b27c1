"""`facematch source`: the copies of an image, its best one, and exit codes for scripts."""

import json
from pathlib import Path

import pytest

from command_helpers import Run
from image_folders import made_folder, saved
from leak_photos import grey, made_photo, mirrored, resized

PHOTO = made_photo(50, 320, 240)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = made_folder(tmp_path / "in")
    saved(made, "original.png", PHOTO)
    saved(made, "web/grey.png", grey(resized(PHOTO, 0.5)))
    return made


def test_the_copies_are_printed_the_largest_first(folder: Path, run: Run, tmp_path: Path) -> None:
    image = saved(tmp_path, "image.png", mirrored(resized(PHOTO, 0.5)))
    done = run("source", image, "--in", folder)
    assert done.code == 0
    head, among, first, second, best = done.out.splitlines()
    assert head == f"{image}: 160×120 pixels, {len(image.read_bytes()):,} bytes"
    assert among.startswith(f"shown by 2 of 7 photos in {folder}, the largest first")
    original = len((folder / "original.png").read_bytes())
    assert first.split()[:4] == ["320×240", f"{original:,}", "bytes", "original.png"]
    assert "→ mirrored, reduced to 50% (almost certain: correlation " in first
    assert "web/grey.png  → mirrored, with colour (" in second
    assert best == f"the best copy: original.png, 320×240 pixels, {original:,} bytes, 4 times the image's pixels"


def test_json_holds_every_copy(folder: Path, run: Run) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    done = run("source", folder / "original.png", "--in", folder, "--json")
    told = json.loads(done.out)
    assert done.code == 0
    assert told["photos"] == 7
    assert told["image"]["grey"] is told["without_detail"] is False
    assert [entry.split(" (")[0] for entry in told["not_read"]] == ["broken.jpg"]
    assert [(each["photo"], each["kind"], each["best"]) for each in told["copies"]] == [
        ("original.png", "the very same file", True),
        ("web/grey.png", "near-duplicate", False),
    ]
    copy = told["copies"][1]
    assert (copy["width"], copy["height"], copy["grey"]) == (160, 120, True)
    assert copy["bytes"] == (folder / "web" / "grey.png").stat().st_size
    assert copy["path"] == str(folder / "web" / "grey.png")
    assert copy["changes"] == ["enlarged to 200%", "with colour"]
    assert copy["correlation"] > 0.97


def test_no_copy_is_exit_code_1(folder: Path, run: Run, tmp_path: Path) -> None:
    done = run("source", saved(tmp_path, "other.png", made_photo(99, 200, 150)), "--in", folder)
    assert done.code == 1
    assert done.out == ""
    assert f"none of 7 photos in {folder} shows" in done.err
    assert "facematch search" in done.err


def test_an_image_alone_in_its_folder_has_no_source(folder: Path, run: Run) -> None:
    done = run("source", folder / "3.png", "--in", folder)
    assert done.code == 1
    assert "3.png  the very same file" in done.out
    assert "but its own file" in done.err
    told = run("source", folder / "3.png", "--in", folder, "--json")
    assert told.code == 1
    assert [each["photo"] for each in json.loads(told.out)["copies"]] == ["3.png"]


def test_a_copy_of_the_bytes_is_a_source(folder: Path, run: Run, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes((folder / "3.png").read_bytes())
    done = run("source", image, "--in", folder)
    assert done.code == 0
    assert "3.png  the same bytes" in done.out
    assert "as many pixels as the image" in done.out


@pytest.mark.parametrize(
    ("image", "photos", "message"),
    [
        ("nope.png", "", "nope.png is no photo that can be read: it does not exist"),
        ("notes.txt", "", "notes.txt is no photo that can be read: not an image"),
        ("", "", "is a folder, not an image"),
        ("0.png", "nowhere", "cannot be searched for photos: it does not exist"),
        ("0.png", "empty", "holds no photo that can be read"),
    ],
)
def test_bad_input_is_exit_code_2(folder: Path, run: Run, image: str, photos: str, message: str) -> None:
    (folder / "notes.txt").write_text("no photo")
    (folder / "empty").mkdir()
    done = run("source", folder / image, "--in", folder / photos)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
