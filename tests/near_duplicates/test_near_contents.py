"""Contents of photos: read once, kept by content, the same from the cache as from the file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.near_duplicates import contents as module
from facematch.near_duplicates.contents import Content, content_cache, read_contents, thumbnail_of
from facematch.near_duplicates.descriptors import describe, thumbnail
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from leak_photos import encoded, made_photo

LIMITS = PhotoLimits()


def read(folder: Path, cache: Cache) -> list[Content]:
    return read_contents(find_photos(folder).files, cache, LIMITS)[0]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    PillowImage.fromarray(made_photo(1)).save(folder / "a.png")
    (folder / "b.jpg").write_bytes(encoded(made_photo(2)))
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    PillowImage.fromarray(made_photo(1)).save(folder / "d.bmp")
    (folder / "e.jpg").write_bytes(b"no photo")
    return folder


def test_digests_tell_bytes_and_pixels_apart(photos: Path, tmp_path: Path) -> None:
    with content_cache(tmp_path) as cache:
        found = {each.file.name: each for each in read(photos, cache)}
    assert list(found) == ["a.png", "b.jpg", "c.png", "d.bmp"]
    assert found["a.png"].sha256 == found["c.png"].sha256 != found["d.bmp"].sha256
    assert found["a.png"].pixels == found["c.png"].pixels == found["d.bmp"].pixels != found["b.jpg"].pixels
    np.testing.assert_array_equal(found["a.png"].vectors, describe(thumbnail(made_photo(1)))[None])


def test_one_row_of_pixels_is_not_one_column(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, shape in (("row.png", (1, 6, 3)), ("column.png", (6, 1, 3))):
        PillowImage.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "photos" / name)
    with content_cache(tmp_path) as cache:
        one, other = read(tmp_path / "photos", cache)
    assert one.pixels != other.pixels


def test_the_second_time_nothing_is_decoded(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with content_cache(tmp_path) as cache:
        first = read(photos, cache)
    (photos / "b.jpg").rename(photos / "moved.jpg")
    decoded = []
    real = module.decode
    monkeypatch.setattr(module, "decode", lambda name, *rest: (decoded.append(name), real(name, *rest))[1])
    with content_cache(tmp_path) as cache:
        second = read(photos, cache)
    assert decoded == ["e.jpg"]  # what is no photo has nothing to keep
    for one, other in zip(
        sorted(first, key=lambda each: each.sha256 + each.file.name),
        sorted(second, key=lambda each: each.sha256 + each.file.name),
        strict=True,
    ):
        assert (one.sha256, one.pixels) == (other.sha256, other.pixels)
        np.testing.assert_array_equal(one.vectors, other.vectors)


def test_files_that_are_no_photos_have_a_reason_and_progress_counts_them(photos: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    with content_cache(tmp_path) as cache:
        _, bad = read_contents(find_photos(photos).files, cache, LIMITS, seen.append)
    assert [each.name for each in bad] == ["e.jpg"]
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kept", [None, b"", b"x" * 100])
def test_a_thumbnail_that_the_cache_lost_comes_from_the_file(photos: Path, tmp_path: Path, kept: bytes | None) -> None:
    with content_cache(tmp_path) as cache:
        content = read(photos, cache)[1]
        expected = thumbnail_of(content, cache, LIMITS)
    with Cache(tmp_path / "other.sqlite") as other:
        if kept is not None:
            other.put(content.sha256, "{}", kept)
        np.testing.assert_array_equal(thumbnail_of(content, other, LIMITS), expected)
        content.file.path.unlink()
        with pytest.raises(FacematchError, match="cannot be read now"):
            thumbnail_of(content, other, LIMITS)


def test_a_damaged_row_is_made_again(photos: Path, tmp_path: Path) -> None:
    with content_cache(tmp_path) as cache:
        good = read(photos, cache)[0]
        cache.put(good.sha256, "{}", b"half")
        again = read(photos, cache)[0]
        np.testing.assert_array_equal(again.vectors, good.vectors)
        assert cache.read(good.sha256, lambda _, data: len(data)) == 96 * 96


def test_names_do_not_matter_to_a_photo_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(encoded(made_photo(3)))
    with content_cache(tmp_path) as cache:
        (content,), _ = read_contents([PhotoFile("any/name", tmp_path / "x")], cache, LIMITS)
    assert content.file.name == "any/name"
