"""`facematch search`: what it prints, writes and refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from command_helpers import Run
from image_folders import made_folder, saved
from leak_photos import made_photo

CONFIG = Path(__file__).parents[3] / "config" / "images.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = made_folder(tmp_path / "in")
    saved(made, "sub/mirrored.png", np.ascontiguousarray(made_photo(2, 96, 64)[:, ::-1]))
    return made


@pytest.mark.parametrize("system", ["pixels", "phash", "dhash", "whash"])
def test_the_nearest_are_printed_with_how_they_are_turned(folder: Path, run: Run, system: str) -> None:
    done = run("search", folder / "2.png", "--in", folder, "-k", 2, "--system", system)
    assert done.code == 0
    first, second, *rest = done.out.splitlines()[1:]
    assert rest == []
    assert first.split() == ["1", *zero(system), "2.png", "(the", "very", "same", "file)"]
    assert second.split()[0] == "2"
    assert second.endswith("sub/mirrored.png  (the image mirrored)")
    assert f"2 nearest of 6 photos in {folder}, by {system}" in done.out


def zero(system: str) -> list[str]:
    return ["0.0000"] if system == "pixels" else ["0", "of", "64", "bits"]


def test_without_turns_a_mirrored_copy_is_far(folder: Path, run: Run) -> None:
    images = json.loads(run("search", folder / "2.png", "--in", folder, "--no-turned", "--json").out)["images"]
    far = next(hit for hit in images[0]["nearest"] if hit["photo"] == "sub/mirrored.png")
    assert far["distance"] > 0.5
    assert not far["mirrored"]


def test_json_holds_what_a_program_needs(folder: Path, run: Run) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    done = run("search", folder / "2.png", folder / "0.png", "--in", folder, "-k", 2, "--system", "dhash", "--json")
    told = json.loads(done.out)
    assert (told["system"], told["metric"], told["bits"], told["photos"]) == ("dhash", "hamming", 64, 6)
    assert [entry.split(" (")[0] for entry in told["not_read"]] == ["broken.jpg"]
    assert [each["image"] for each in told["images"]] == [str(folder / "2.png"), str(folder / "0.png")]
    first, second = told["images"][0]["nearest"]
    assert first["identical"] == "the very same file"
    assert second == {
        "rank": 2,
        "photo": "sub/mirrored.png",
        "path": str(folder / "sub" / "mirrored.png"),
        "distance": 0,
        "turned_clockwise": 0,
        "mirrored": True,
        "identical": None,
    }
    assert "1 file was not read: broken.jpg" in done.err


def test_more_than_there_is_gives_all_and_says_so(folder: Path, run: Run) -> None:
    done = run("search", folder / "2.png", "--in", folder, "-k", 99)
    assert done.code == 0
    assert len(done.out.splitlines()) == 1 + 6
    assert "holds 6 photos, so there are no 99 to show" in done.err


def test_a_page_shows_the_image_and_what_was_found(folder: Path, run: Run, tmp_path: Path) -> None:
    saved(folder, "<b>.png", made_photo(2, 96, 64))
    page = tmp_path / "found.html"
    assert run("search", folder / "2.png", "--in", folder, "-k", 3, "--out", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<use ") == 4
    assert text.count("data:image/jpeg;base64,") == 4
    assert "&lt;b&gt;.png" in text
    assert "<b>.png" not in text
    assert "0.0000, the very same file" in text


def test_a_sheet_has_a_line_for_each_image(folder: Path, run: Run, tmp_path: Path) -> None:
    for images in (1, 2):
        sheet = tmp_path / f"{images}.png"
        asked = [folder / f"{number}.png" for number in range(images)]
        assert run("search", *asked, "--in", folder, "-k", 3, "--out", sheet).code == 0
    with PillowImage.open(tmp_path / "1.png") as one, PillowImage.open(tmp_path / "2.png") as two:
        assert one.width == two.width
        assert two.height > 1.7 * one.height


def test_the_configuration_chooses_the_system(folder: Path, run: Run, tmp_path: Path) -> None:
    done = run("search", folder / "2.png", "--in", folder, "--config", CONFIG, "--set", "embedder.kind=whash")
    assert "by whash (hamming distance)" in done.out
    plain = run("search", folder / "2.png", "--in", folder)
    assert plain.out == run("search", folder / "2.png", "--in", folder, "--config", CONFIG).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{in}/nope.png", "--in", "{in}"], "nope.png is no photo that can be read: it does not exist"),
        (["{in}/notes.txt", "--in", "{in}"], "notes.txt is no photo that can be read: not an image"),
        (["{in}", "--in", "{in}"], "is a folder, not an image"),
        (["{in}/0.png", "--in", "{in}/nowhere"], "cannot be searched for photos: it does not exist"),
        (["{in}/0.png", "--in", "{in}/empty"], "holds no photo that can be read"),
        (["{in}/0.png", "--in", "{in}", "--system", "phsh"], "did you mean 'phash'?"),
        (["{in}/0.png", "--in", "{in}", "--system", "onnx"], "embedder.file names no model"),
        (["{in}/0.png", "--in", "{in}", "--out", "found.pdf"], "neither a .png nor an .html file"),
        (["{in}/0.png", "--in", "{in}", "--config", "nope.yaml"], "nope.yaml does not exist"),
    ],
)
def test_a_mistake_is_named(folder: Path, run: Run, arguments: list[str], message: str) -> None:
    (folder / "notes.txt").write_text("no photo")
    (folder / "empty").mkdir()
    done = run("search", *(each.replace("{in}", str(folder)) for each in arguments))
    assert done.code == 1
    assert message in done.err
    assert done.out == ""


def test_a_missing_imagehash_is_named_with_its_remedy(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("facematch.embedders.hashes.version", missing)
    done = run("search", folder / "0.png", "--in", folder, "--system", "phash")
    assert done.code == 1
    assert "pip install 'facematch[hashes]'" in done.err


def test_names_that_a_terminal_would_obey_are_printed_safely(folder: Path, run: Run) -> None:
    (folder / "1.png").rename(folder / "a\x1b[31mb.png")
    done = run("search", folder / "a\x1b[31mb.png", "--in", folder, "-k", 1)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "a\N{REPLACEMENT CHARACTER}[31mb.png" in done.out
