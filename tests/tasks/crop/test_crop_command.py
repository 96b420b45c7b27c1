"""`facematch crop`: a row for every file met, crops under their photos' names, sheets to look through."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from command_helpers import Run
from facematch.charts.contact_sheet import Tile, write_contact_sheet
from shared import shared

GALLERY = Path("data/test_data/gallery")


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "crops.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    named = {row["photo"]: row for row in rows}
    assert len(named) == len(rows)
    return named


def size(path: Path) -> tuple[int, int]:
    with PillowImage.open(path) as picture:
        picture.load()
        return picture.size


def test_every_file_met_has_a_row(project: Path, run: Run) -> None:
    (GALLERY / "empty.jpg").write_bytes(b"")
    (GALLERY / "notes.txt").write_text("not a photo")
    (GALLERY / ".hidden.jpg").write_bytes(b"x")
    (GALLERY / "more").mkdir()
    PillowImage.fromarray(np.full((60, 90, 3), 99, np.uint8)).save(GALLERY / "more" / "wall.jpg")
    done = run("crop", GALLERY, "out", "--set", "faces.size=48")
    assert done.code == 0, done.err
    rows = table(Path("out"))
    assert set(rows) == {path.relative_to(GALLERY).as_posix() for path in GALLERY.rglob("*") if path.is_file()}
    for name, row in rows.items():
        crop = Path("out") / row["crop"]
        assert row["reason"] or row["status"] == "found"
        if row["status"] == "found":
            assert size(crop) == (48, 48)
            assert row["detector"].startswith("haar")
            x, y, width, height = (float(row[key]) for key in ("x", "y", "width", "height"))
            assert width > 10
            assert height > 10
            assert x + width > 0 < y + height
        elif row["status"] == "unreadable":
            assert row["crop"] == "", name
    assert rows["empty.jpg"]["reason"] == "empty file"
    assert rows["more/wall.jpg"]["status"] == "whole"
    assert size(Path("out") / rows["more/wall.jpg"]["crop"]) == (48, 48)
    assert rows[".hidden.jpg"]["reason"] == "hidden file"
    assert "1 without a face: whole photo or centre used" in done.out
    assert "3 files not read" in done.out
    for name in ("empty.jpg", "notes.txt", ".hidden.jpg", "more/wall.jpg"):
        assert f"{name}: " in done.err
    assert size(Path("out/crops.png"))[0] >= 480
    assert size(Path("out/misses.png"))[0] >= 480


@pytest.mark.parametrize(("choice", "status"), [("whole", "whole"), ("centre", "centre"), ("skip", "miss")])
def test_what_a_miss_becomes_is_the_users_choice(project: Path, run: Run, choice: str, status: str) -> None:
    Path("walls").mkdir()
    PillowImage.fromarray(np.full((60, 90, 3), 99, np.uint8)).save("walls/wall.png")
    done = run("crop", "walls", "out", "--set", f"faces.miss={choice}")
    assert done.code == 0, done.err
    row = table(Path("out"))["wall.png"]
    assert row["status"] == status
    assert (Path("out/crops/wall.png.png").exists()) == (choice != "skip")


def test_a_miss_can_be_an_error(project: Path, run: Run) -> None:
    PillowImage.fromarray(np.full((60, 90, 3), 99, np.uint8)).save(GALLERY / "wall.png")
    done = run("crop", GALLERY, "out", "--set", "faces.miss=error")
    assert done.code == 1
    assert "wall.png: no face found" in done.err


def test_one_photo_can_be_cropped(project: Path, run: Run) -> None:
    photo = sorted(GALLERY.iterdir())[0]
    done = run("crop", photo, "out")
    assert done.code == 0, done.err
    assert list(table(Path("out"))) == [photo.name]


def test_photos_that_differ_only_in_their_ending_keep_both_crops(project: Path, run: Run) -> None:
    Path("pair").mkdir()
    with PillowImage.open(sorted(GALLERY.iterdir())[0]) as picture:
        picture.save("pair/a.jpg")
        picture.save("pair/a.png")
    run("crop", "pair", "out")
    assert sorted(path.name for path in Path("out/crops").iterdir()) == ["a.jpg.png", "a.png.png"]


@pytest.mark.parametrize(
    ("photos", "out", "words"),
    [
        ("nowhere", "out", "nowhere cannot be searched for photos: it does not exist"),
        ("data/test_data", "data/test_data/out", "lies inside data/test_data"),
        ("data/test_data", "data/test_data", "lies inside data/test_data"),
        ("data/test_data/gallery", "small.yaml", "small.yaml"),
    ],
)
def test_each_mistake_has_its_message(project: Path, run: Run, photos: str, out: str, words: str) -> None:
    done = run("crop", photos, out)
    assert done.code == 1, done.text
    assert words in done.err
    assert not Path("out").exists()


def test_a_folder_without_photos_says_so(project: Path, run: Run) -> None:
    Path("none").mkdir()
    done = run("crop", "none", "out")
    assert done.code == 1
    assert "none holds no photos" in done.err


def test_odd_files_never_stop_a_run(tmp_path: Path, run: Run) -> None:
    folder = shared("data/bad")
    done = run("crop", folder, tmp_path / "out")
    assert done.code == 0, done.err
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    rows = table(tmp_path / "out")
    assert set(rows) == files
    assert sum(row["status"] == "unreadable" for row in rows.values()) == 18


def test_odd_files_among_the_photos_of_a_competition(project: Path, run: Run) -> None:
    bad = shared("data/bad")
    for number, path in enumerate(sorted(path for path in bad.rglob("*") if path.is_file())):
        side = "query" if number % 2 else "gallery"
        shutil.copy(path, Path("data/test_data") / side / f"{number:03d}{path.suffix}")
    done = run("request", "--config", "small.yaml", "--dry-run")
    # Some of them are the same photo saved twice, so that is found first.
    assert done.code in (0, 1)
    assert "Traceback" not in done.err
    for command in (
        ("embed", bad, "bad.safetensors", "--config", "small.yaml"),
        ("identities", "--config", "small.yaml", "--set", f"identities.validation={bad}"),
        ("validate", "--config", "small.yaml", "--set", f"identities.distractors={bad}"),
    ):
        done = run(*command)
        assert done.code == 0, done.err
        assert "empty.jpg" in done.err


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of the contact sheets that are written."""
    written: list[str] = []

    def noted(path: Path, tiles: Sequence[Tile], *, title: str) -> None:
        assert all(tile.image is None or max(tile.image.shape) <= 112 for tile in tiles)
        written.append(title)
        write_contact_sheet(path, tiles, title=title)

    monkeypatch.setattr("facematch.tasks.crop.crop.write_contact_sheet", noted)
    return written


def test_sheets_say_how_many_there_are_and_hold_small_pictures(project: Path, run: Run, titles: list[str]) -> None:
    Path("many").mkdir()
    for number in range(9):
        PillowImage.fromarray(np.full((300, 400, 3), 20 * number, np.uint8)).save(f"many/wall{number}.png")
    for number, path in enumerate(sorted(GALLERY.iterdir())):
        shutil.copy(path, f"many/{number:02}{path.suffix}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facematch.tasks.crop.crop._SHEET", 3)
        done = run("crop", "many", "out", "--set", "faces.size=200")
    assert done.code == 0, done.err
    rows = table(Path("out"))
    found = sum(row["status"] == "found" for row in rows.values())
    assert found >= 10
    assert titles == [f"crops of many: 3 of {found}", f"no face found in many: 3 of {len(rows) - found}"]


@pytest.mark.parametrize("name", ["a" * 251 + ".jpg", "ü" * 125 + ".jpg", "x" * 248 + ".jpg"])
def test_a_crop_has_a_name_of_its_own_where_its_photos_is_too_long(project: Path, run: Run, name: str) -> None:
    photos = Path("long")
    photos.mkdir()
    first, second, *_ = sorted(GALLERY.iterdir())
    try:
        shutil.copy(first, photos / name)
        shutil.copy(second, photos / name.replace(".jpg", ".png"))
    except OSError:
        pytest.skip("this file system has no names so long")
    shutil.copy(second, photos / "short.jpg")
    before: set[str] | None = None
    for _ in range(2):
        done = run("crop", photos, "out")
        assert done.code == 0, done.err
        rows = table(Path("out"))
        assert len(rows) == 3
        crops = {row["crop"] for row in rows.values()}
        assert len(crops) == 3
        assert all(size(Path("out") / crop) == (112, 112) for crop in crops)
        assert rows["short.jpg"]["crop"] == "crops/short.jpg.png"
        assert crops == (before or crops)
        before = crops


def test_the_result_as_json(project: Path, run: Run) -> None:
    PillowImage.fromarray(np.full((60, 90, 3), 99, np.uint8)).save(GALLERY / "wall.png")
    done = run("crop", GALLERY, "out", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    rows = table(Path("out"))
    assert told["files"] == len(rows) == 13
    assert told["found"] + told["stand_in"] == 13
    assert {"photo": "wall.png", "status": "whole", "reason": rows["wall.png"]["reason"]} in told["without_a_face"]
