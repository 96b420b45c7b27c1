"""Contact sheets, read back by their pixels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.charts.contact_sheet import Tile, counted, titled, write_contact_sheet
from facematch.core.errors import FacematchError

RED, GREEN = (220, 10, 10), (10, 200, 10)


def plain(colour: tuple[int, int, int], height: int = 40, width: int = 40) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def sheet(path: Path, tiles: list[Tile], **options: int) -> NDArray[np.uint8]:
    write_contact_sheet(path, tiles, title="crops of data", **options)
    with PillowImage.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def count(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def test_every_picture_is_there_in_its_square(tmp_path: Path) -> None:
    picture = sheet(tmp_path / "s.png", [Tile(plain(RED), "a.jpg"), Tile(plain(GREEN), "b.jpg")], tile_size=50)
    assert (count(picture, RED), count(picture, GREEN)) == (2500, 2500)
    assert np.argwhere((picture == RED).all(axis=2))[0, 1] < np.argwhere((picture == GREEN).all(axis=2))[0, 1]


@pytest.mark.parametrize(("height", "width"), [(8, 8), (300, 300), (2000, 1000), (3, 500), (1, 1)])
def test_any_shape_is_fitted_without_being_cut(tmp_path: Path, height: int, width: int) -> None:
    picture = sheet(tmp_path / "s.png", [Tile(plain(RED, height, width), "a.jpg")], tile_size=60)
    rows, columns = np.nonzero((picture == RED).all(axis=2))
    tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(tall, wide) == 60
    assert abs(tall / wide - height / width) <= max(0.05, 1 / min(tall, wide))


def test_a_file_without_pixels_gets_a_grey_tile_with_its_reason(tmp_path: Path) -> None:
    empty = sheet(tmp_path / "a.png", [Tile(None, "a.jpg", "")])
    reason = sheet(tmp_path / "b.png", [Tile(None, "a.jpg", "file is cut short")])
    assert empty.shape == reason.shape
    assert (empty != reason).any()


def test_rows_and_title_have_their_room(tmp_path: Path) -> None:
    one = sheet(tmp_path / "a.png", [Tile(plain(RED), "x")] * 10, columns=10, tile_size=50)
    two = sheet(tmp_path / "b.png", [Tile(plain(RED), "x")] * 11, columns=10, tile_size=50)
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] - one.shape[0] >= 50
    assert count(two, RED) == 11 * 2500
    narrow = sheet(tmp_path / "c.png", [Tile(plain(RED), "x")])
    assert narrow.shape[1] >= 480


def test_details_are_wrapped_and_not_cut(tmp_path: Path) -> None:
    def below(detail: str) -> NDArray[np.uint8]:
        return sheet(tmp_path / "s.png", [Tile(plain(RED), "x", detail)])[34 + 112 + 15 :]

    short, long = below("no face"), below("no face found by haar in 250x250 px")
    assert len(long) == len(short) + 15
    assert (long[:15] != 255).any()
    assert (long[15:30] != 255).any()
    assert len(below("of many words " * 20)) == len(short) + 30


@pytest.mark.parametrize(
    ("shown", "of", "title"), [(0, 0, "crops: none"), (7, 7, "crops: 7"), (200, 2230, "crops: 200 of 2,230")]
)
def test_a_title_says_how_many_there_are(shown: int, of: int, title: str) -> None:
    assert counted("crops", shown, of) == title


@pytest.mark.parametrize(("width", "lines"), [(600, 1), (150, 2), (40, 4)])
def test_a_title_is_wrapped_above_its_picture(width: int, lines: int) -> None:
    picture = titled(plain(RED, 30, width), "Crops, and their variants")
    above = picture.shape[0] - 30
    assert above == 12 + 15 * lines
    assert (picture[above:] == RED).all()
    for line in range(lines):
        assert (picture[6 + 15 * line : 21 + 15 * line] < 128).any()


def test_no_tiles_make_a_sheet_that_says_so(tmp_path: Path) -> None:
    assert sheet(tmp_path / "s.png", []).shape[1] >= 480


def test_names_of_any_letters_and_lengths_are_drawn(tmp_path: Path) -> None:
    names = ["ünïcödé.jpg", "名前.jpg", "\x1b[31mred\n.jpg", "a" * 5000, "", "\udcff.jpg", "🙂.png"]
    before = count(sheet(tmp_path / "s.png", [Tile(plain(RED), name, name) for name in names], tile_size=50), RED)
    assert before == len(names) * 2500  # no caption reaches into a picture


def test_what_is_no_picture_is_refused() -> None:
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="a tile is uint8"):
            Tile(image, "x")  # type: ignore[arg-type]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacematchError, match="could not be written"):
        write_contact_sheet(tmp_path / "file" / "s.png", [], title="x")
