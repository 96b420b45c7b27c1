"""`facematch crop --compare`: a row for each photo, what each detector found in it, misses told."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from command_helpers import Run
from facematch.charts.contact_sheet import Tile
from facematch.faces.values import Face
from facematch.tasks.crop import compare
from facematch.tasks.crop.compare import Finds, drawn
from shared import shared


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two grey photos, in which the cascade sees no face, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, shape in enumerate([(40, 60), (90, 50)]):
        PillowImage.fromarray(np.full((*shape, 3), 90, np.uint8)).save(folder / f"{number}.png")
    (folder / "bad.jpg").write_bytes(b"nonsense")
    return folder


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[Tile]:
    """What is put on the sheet."""
    kept: list[Tile] = []
    monkeypatch.setattr(compare, "write_contact_sheet", lambda path, tiles, **_: kept.extend(tiles))
    return kept


def test_each_photo_is_a_row_and_misses_are_told(photos: Path, tmp_path: Path, run: Run, tiles: list[Tile]) -> None:
    done = run("crop", photos, tmp_path / "out", "--compare", "haar,none")
    assert [tile.caption for tile in tiles] == ["haar: no face", "none: 1 face, 0"] * 2
    assert [tile.detail for tile in tiles] == ["0.png", "0.png", "1.png", "1.png"]
    assert "different faces are chosen in 2" in done.out


def test_the_sheet_and_the_json(photos: Path, tmp_path: Path, run: Run) -> None:
    told = json.loads(run("crop", photos, tmp_path / "out", "--compare", "haar,none", "--json").out)
    assert told["photos"] == told["different"] == 2
    assert told["unreadable"] == 1
    assert told["with_a_face"] == {"haar": 0, "none": 2}
    assert told["faces"]["0.png"]["haar"] == []
    assert (told["faces"]["0.png"]["none"][0]["width"], told["faces"]["0.png"]["none"][0]["height"]) == (60, 40)
    with PillowImage.open(told["out"]) as sheet:
        assert sheet.width >= 2 * 240


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("haar", "expected different detectors"),
        ("haar,haar", "expected different detectors"),
        ("haar,yunett", "did you mean 'yunet'"),
        ("haar,yunet", "faces.detector: yunet needs faces.yunet_file"),
        ("haar,haar+centerface", "faces.second_look: centerface needs faces.centerface_file"),
        ("haar,none+haar", "faces.second_look"),
    ],
)
def test_each_mistake_is_named(photos: Path, tmp_path: Path, run: Run, names: str, words: str) -> None:
    done = run("crop", photos, tmp_path / "out", "--compare", names)
    assert done.code == 1
    assert words in done.err


def test_boxes_and_points_are_drawn_where_they_are() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    chosen = Face(20, 10, 40, 40, 1.0, "a", ((30.0, 20.0),))
    picture = drawn(image, Finds((chosen, Face(100, 10, 60, 60, 1.0, "a")), chosen), 400)
    assert picture.shape == (200, 400, 3)
    assert tuple(picture[20, 80]) == compare._CHOSEN
    assert tuple(picture[20, 260]) == compare._OTHER
    assert tuple(picture[40, 60]) == compare._POINT
    assert not picture[60, 80].any()


def test_real_detectors_side_by_side(tmp_path: Path, run: Run, tiles: list[Tile]) -> None:
    sets = ("--set", f"faces.yunet_file={shared('weights/yunet_n_640_640.onnx')}")
    done = run("crop", shared("data/london/001"), tmp_path, "--compare", "haar,haar+yunet,yunet", *sets)
    assert "different faces are chosen in 0" in done.out
    assert all(tile.caption.split(": ")[1].startswith("1 face") for tile in tiles)
