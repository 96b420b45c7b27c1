"""Small JPEGs: within their square, the picture they were, and whole in an address."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.charts.jpeg import SmallPhoto, data_url, read_small, small_jpeg
from facematch.photos.photo import PhotoFile, Unreadable


@pytest.mark.parametrize(("shape", "size"), [((40, 80), (20, 10)), ((80, 40), (10, 20)), ((8, 6), (6, 8))])
def test_a_picture_fits_its_square_and_never_grows(shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = np.full((*shape, 3), (200, 30, 60), np.uint8)
    for optimize in (False, True):
        shown = PillowImage.open(io.BytesIO(small_jpeg(image, 20, optimize=optimize)))
        assert (shown.format, shown.size) == ("JPEG", size)
        assert np.abs(np.asarray(shown).astype(int) - (200, 30, 60)).max() <= 4


def test_an_address_holds_the_picture() -> None:
    jpeg = small_jpeg(np.zeros((4, 4, 3), np.uint8), 4)
    kind, _, text = data_url(jpeg).partition(",")
    assert kind == "data:image/jpeg;base64"
    assert base64.b64decode(text) == jpeg


def test_a_photo_is_made_small_as_it_is_read_and_its_own_size_is_told(tmp_path: Path) -> None:
    PillowImage.fromarray(np.full((3000, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    small = read_small(PhotoFile("a.png", tmp_path / "a.png"), 20)
    assert isinstance(small, SmallPhoto)
    assert (small.width, small.height) == (40, 3000)
    assert small.image.shape == (20, 1, 3)
    assert small.image.tolist() == [[[90] * 3]] * 20


def test_what_cannot_be_read_or_made_small_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    unread = read_small(PhotoFile("a.png", tmp_path / "a.png"), 20)
    assert isinstance(unread, Unreadable)
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("facematch.charts.jpeg.shrunk", fails)
    unread = read_small(PhotoFile("a.png", tmp_path / "a.png"), 20)
    assert isinstance(unread, Unreadable)
    assert unread.reason == "too large for this machine's memory"
