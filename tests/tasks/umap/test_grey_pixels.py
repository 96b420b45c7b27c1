"""Grey pixels of a folder: what is read, what is kept, what is told."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of
from facematch.photos.photo import PhotoLimits
from facematch.tasks.umap import grey_pixels as module
from facematch.tasks.umap.grey_pixels import GreyPixels, distinct, grey_pixels, pixel_cache
from shared import shared
from umap_photos import made_pixels, write_photos


def read(folder: Path, cache: Path) -> GreyPixels:
    with pixel_cache(cache) as opened:
        return grey_pixels(folder, opened, PhotoLimits())


def test_a_photo_is_squashed_to_64_by_64_grey(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (90, 210, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), image)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    expected = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA)
    found = read(tmp_path / "in.png", tmp_path / "cache")
    np.testing.assert_array_equal(found.pixels, expected.reshape(1, -1))
    assert found.sha256 == (sha256_of((tmp_path / "in.png").read_bytes()),)


def test_equal_pixels_are_held_once_and_bad_files_are_named(tmp_path: Path) -> None:
    pixels = made_pixels(2, 2)
    write_photos(tmp_path / "in", pixels)
    (tmp_path / "in" / "002-again.png").write_bytes((tmp_path / "in" / "002.png").read_bytes())
    cv2.imwrite(str(tmp_path / "in" / "000-bmp.bmp"), pixels[0].reshape(64, 64))
    (tmp_path / "in" / "bad.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "in" / ".hidden").write_bytes(b"")
    found = read(tmp_path / "in", tmp_path / "cache")
    assert found.names == ("000-bmp.bmp", "000.png", "001.png", "002-again.png", "002.png", "003.png")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.rows.tolist() == [0, 0, 1, 2, 2, 3]
    assert [each.split(" ")[0] for each in found.unread] == [".hidden", "bad.jpg"]


def test_what_was_read_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "in", made_pixels(2, 2))
    first = read(tmp_path / "in", tmp_path / "cache")
    (tmp_path / "in").rename(tmp_path / "moved")
    monkeypatch.setattr(module, "decode", None)
    again = read(tmp_path / "moved", tmp_path / "cache")
    assert (again.names, again.sha256) == (first.names, first.sha256)
    np.testing.assert_array_equal(again.pixels, first.pixels)


@pytest.mark.parametrize(("content", "words"), [(None, "it is empty"), (b"no photo", "a.jpg (")])
def test_a_folder_without_photos_is_an_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    (tmp_path / "in").mkdir()
    if content is not None:
        (tmp_path / "in" / "a.jpg").write_bytes(content)
    with pytest.raises(FacematchError) as caught:
        read(tmp_path / "in", tmp_path / "cache")
    assert "holds no photo that can be read" in caught.value.message
    assert words in caught.value.message


def test_every_odd_file_ends_as_a_photo_or_a_reason(tmp_path: Path) -> None:
    folder = shared("data/bad")
    found = read(folder, tmp_path / "cache")
    assert found.pixels.shape == (found.rows.max() + 1, 4096)
    assert len(set(found.names)) == len(found.names) > 5
    assert all(each.endswith(")") for each in found.unread)


def test_distinct_rows_stand_where_they_are_said_to() -> None:
    pixels = made_pixels(3, 2)
    rows = pixels[[0, 1, 2, 3, 5, 1, 4, 5]]
    found, places = distinct(rows)
    np.testing.assert_array_equal(found, pixels[[0, 1, 2, 3, 5, 4]])
    np.testing.assert_array_equal(found[places], rows)
    assert [len(each) for each in distinct(pixels[:0])] == [0, 0]
