"""`facematch robustness` as a user runs it, on made photos."""

import json
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from command_helpers import Run
from facematch.tasks.robustness.changes import CHANGES
from leak_photos import encoded, made_photo

FEW = "none,jpeg-50,mirrored,turned-90"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eleven photos, one of them twice, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(11):
        (folder / f"{number:02d}.jpg").write_bytes(encoded(made_photo(number, 120, 90)))
    PillowImage.open(folder / "03.jpg").save(folder / "again.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_the_table_has_a_row_for_each_change_and_marks_the_best(photos: Path, run: Run) -> None:
    done = run("robustness", photos, "--changes", FEW, "--systems", "phash,phash+turns,near-duplicates,pixels")
    assert done.code == 0
    first, called = done.out.split("called a copy", 1)
    for name in (*FEW.split(","), "all changes"):
        assert len(re.findall(rf"│ {name} +│", first)) == len(re.findall(rf"│ {name} +│", called)) == 1
    cells = [cell.strip() for cell in re.search(r"│ turned-90 +│(.*)│\n", first)[1].split("│")]  # type: ignore[index]
    assert cells[1].startswith("100 [")
    assert cells[1].endswith("]*")
    assert cells[0].startswith("0 [0–")
    assert "*" not in cells[0]
    assert "*" not in re.search(r"│ none +│.*", first)[0]  # type: ignore[index]  # all are best
    assert "12 photos of 12" in first
    assert "phash, phash+turns: copies when at most 10 of 64 bits differ" in done.out
    assert "2 photos have copies in the folder" in done.out
    assert "notes.txt" in done.err


def test_json_is_all_there_is_on_standard_output(photos: Path, run: Run) -> None:
    done = run("robustness", photos, "--changes", FEW, "--systems", "phash,near-duplicates,pixels", "--json")
    told = json.loads(done.out)
    assert (told["photos"], told["asked"], told["with_copies"], told["seed"]) == (12, 12, 2, 1)
    assert [change["name"] for change in told["changes"]] == FEW.split(",")
    assert told["not_read"][0].startswith("notes.txt (")
    systems = {system["name"]: system for system in told["systems"]}
    assert list(systems) == ["phash", "near-duplicates", "pixels"]
    mirrored = systems["near-duplicates"]["results"]["mirrored"]
    assert mirrored["recall_at_1"]["value"] == mirrored["found"]["value"] == 1
    assert mirrored["recall_at_1"]["interval"][1] == 1
    assert mirrored["recall_at_1"]["photos"] == 12
    assert mirrored["false_pairs"] == 0
    assert systems["pixels"]["results"]["none"]["found"] is None
    assert systems["pixels"]["copies_when"] is None
    assert systems["phash"]["results"]["all changes"]["recall_at_1"]["pictures"] == 36
    assert all(system["missing"] is None and system["images_per_second"] > 0 for system in systems.values())


def test_without_imagehash_its_columns_say_so_and_the_rest_is_there(
    photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("facematch.embedders.hashes.version", missing)
    done = run("robustness", photos, "--changes", "none,grey", "--html", "page.html", "--json")
    systems = {system["name"]: system for system in json.loads(done.out)["systems"]}
    assert done.code == 0
    for name in ("phash", "phash+turns", "dhash", "whash"):
        assert "ImageHash, which is not installed" in systems[name]["missing"]
        assert systems[name]["results"] == {}
    assert systems["pixels"]["results"]["grey"]["recall_at_1"]["value"] == 1
    words = re.sub(r"<[^>]+>", "", Path("page.html").read_text())
    assert "dhash is left out: phash, dhash and whash need ImageHash" in words
    table = run("robustness", photos, "--changes", "none,grey")
    assert "dhash is left out: phash, dhash and whash need ImageHash" in table.err
    assert "│ grey" in table.out
    alone = run("robustness", photos, "--systems", "dhash,network")
    assert alone.code == 1
    assert "none of the systems can be used" in alone.err


def test_a_sample_is_drawn_by_the_seed_and_the_page_shows_all_changes(photos: Path, run: Run) -> None:
    options = ("--photos", "4", "--systems", "dhash", "--seed", "7")
    done = run("robustness", photos, *options, "--html", "page.html")
    assert done.code == 0
    assert "4 photos of 12" in done.out
    page = Path("page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * len(CHANGES)  # in both tables
    assert "4 photos of 12" in page
    again = run("robustness", photos, *options)
    assert re.sub(r"embedded in a second.*", "", again.out) == re.sub(r"embedded in a second.*", "", done.out)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--systems", "phas"), "'phas' is not known (did you mean 'phash'?)"),
        (("--systems", "near-duplicate"), "(did you mean 'near-duplicates'?)"),
        (("--systems", "near-duplicates+turns"), "is not known"),
        (("--systems", ","), "--systems is empty"),
        (("--changes", "jpeg-57"), "'jpeg-57' is not known (did you mean 'jpeg-75'?)"),
    ],
)
def test_unknown_names_get_the_nearest(photos: Path, run: Run, options: tuple[str, ...], words: str) -> None:
    done = run("robustness", photos, *options)
    assert done.code == 1
    assert words in done.err
    assert not done.out


def test_a_folder_needs_two_photos(tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    done = run("robustness", tmp_path / "empty")
    assert done.code == 1
    assert "holds 0 photos that can be read" in done.err
    (tmp_path / "empty" / "one.jpg").write_bytes(encoded(made_photo(0)))
    assert "holds 1 photo that can be read" in run("robustness", tmp_path / "empty").err
    missing = run("robustness", tmp_path / "gone")
    assert missing.code == 1
    assert "does not exist" in missing.err
