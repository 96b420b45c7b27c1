"""Where an image comes from: what is found, in which order, and what is said to have been done."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.near_duplicates.contents import Content, read_contents
from facematch.near_duplicates.pairs import NearDuplicate
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.images.edits import ORIENTATIONS, Orientation, describe_edits, oriented
from facematch.tasks.images.source import Source, find_source
from image_folders import Rgb, made_folder, quiet, saved
from leak_photos import cropped, encoded, grey, made_photo, mirrored, recompressed, resized
from shared import shared

PHOTO = made_photo(50, 320, 240)


def source_of(image: Path, folder: Path, cache: Cache) -> Source:
    return find_source(image, folder, cache, PhotoLimits(), quiet)


def content(width: int, height: int, *, grey: bool = False, inner: tuple[int, int] | None = None) -> Content:
    vectors = np.zeros((1, 3, 64), np.float32)
    return Content(PhotoFile("a.jpg", Path("a.jpg")), "", "", 1000, width, height, grey, inner, vectors)


@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        (lambda image: recompressed(image, 40), ()),
        (mirrored, ("mirrored",)),
        (lambda image: oriented(image, Orientation(1)), ("turned 90° clockwise",)),
        (lambda image: oriented(image, Orientation(3, mirrored=True)), ("mirrored, then turned 90° anticlockwise",)),
        (lambda image: resized(image, 0.5), ("reduced to 50%",)),
        (lambda image: resized(image, 2), ("enlarged to 200%",)),
        (grey, ("without colour",)),
        (lambda image: mirrored(grey(resized(image, 0.5))), ("mirrored", "reduced to 50%", "without colour")),
    ],
)
def test_what_was_done_to_a_photo_is_told(
    tmp_path: Path, cache: Cache, edit: Callable[[Rgb], Rgb], changes: tuple[str, ...]
) -> None:
    folder = made_folder(tmp_path / "in", width=160, height=120)
    saved(folder, "original.png", PHOTO)
    found = source_of(saved(tmp_path, "image.png", edit(PHOTO)), folder, cache)
    assert [copy.photo.file.name for copy in found.copies] == ["original.png"]
    assert found.copies[0].kind == "near-duplicate"
    assert found.copies[0].changes == changes
    assert (found.copies[0].correlation or 0) > 0.97
    assert (found.photos, found.image.plain) == (6, False)


@pytest.mark.parametrize("turn", ORIENTATIONS[1:], ids=lambda turn: f"{turn.quarters}{turn.mirrored}")
def test_every_turn_is_told_as_what_makes_the_image(tmp_path: Path, cache: Cache, turn: Orientation) -> None:
    saved(tmp_path / "in", "original.png", PHOTO)
    found = source_of(saved(tmp_path, "image.png", oriented(PHOTO, turn)), tmp_path / "in", cache)
    assert [copy.changes for copy in found.copies] == [(str(turn),)]


def test_a_crop_is_told_with_its_share_on_either_side(tmp_path: Path, cache: Cache) -> None:
    part = cropped(PHOTO, 0.05, 0.05, 0.05, 0.05)
    whole, cut = saved(tmp_path / "whole", "a.png", PHOTO), saved(tmp_path / "cut", "a.png", part)
    (image_cut,) = source_of(cut, whole.parent, cache).copies
    (photo_cut,) = source_of(whole, cut.parent, cache).copies
    assert image_cut.changes in [(f"cropped to {share}%",) for share in (80, 81, 82)]
    assert photo_cut.changes in [(f"less cropped (the photo shows {share}% of the image)",) for share in (80, 81, 82)]


@pytest.mark.parametrize(
    ("image", "photo", "turned", "area", "expected"),
    [
        ((100, 80), (200, 160), 0, 1.0, ("reduced to 50%",)),
        ((100, 80), (101, 80), 0, 1.01, ()),
        ((80, 100), (200, 160), 90, 1.0, ("turned 90° clockwise", "reduced to 50%")),
        ((100, 100), (200, 400), 0, 1.0, ("width resized to 50%, height to 25%",)),
        ((100, 100), (400, 200), 270, 1.0, ("turned 90° anticlockwise", "width resized to 50%, height to 25%")),
        ((100, 50), (200, 100), 0, 0.25, ("cropped to 25%",)),  # as many pixels for what both show
        ((50, 25), (200, 100), 0, 0.25, ("cropped to 25%", "reduced to 50%")),
        ((200, 100), (100, 50), 0, 4.0, ("less cropped (the photo shows 25% of the image)",)),
    ],
)
def test_sizes_are_compared_where_both_show_the_same(
    image: tuple[int, int], photo: tuple[int, int], turned: int, area: float, expected: tuple[str, ...]
) -> None:
    pair = NearDuplicate(0, 0, 0.99, mirrored=False, area=area, turned=turned)
    assert describe_edits(content(*image), content(*photo), pair) == expected


def test_colour_is_told_only_where_it_changed() -> None:
    pair = NearDuplicate(0, 0, 0.99, mirrored=False, area=1.0)
    plain, coloured = content(10, 10, grey=True), content(10, 10)
    assert describe_edits(plain, plain, pair) == describe_edits(coloured, coloured, pair) == ()
    assert describe_edits(plain, coloured, pair) == ("without colour",)
    assert describe_edits(coloured, plain, pair) == ("with colour",)


def test_the_facts_of_a_photo_are_those_of_its_file(tmp_path: Path, cache: Cache) -> None:
    coloured = saved(tmp_path, "a.png", PHOTO)
    framed = saved(tmp_path, "b.jpg", np.pad(grey(PHOTO), ((30, 30), (20, 20), (0, 0))))
    files = [PhotoFile(path.name, path) for path in (coloured, framed)]
    (one, other), _ = read_contents(files, cache, PhotoLimits())
    assert (one.width, one.height, one.bytes, one.grey, one.inner) == (320, 240, coloured.stat().st_size, False, None)
    assert (other.width, other.height, other.bytes, other.grey) == (360, 300, framed.stat().st_size, True)
    assert [len(each.vectors) for each in (one, other)] == [1, 2]
    within = other.inner or (0, 0)
    assert (abs(within[0] - 320) <= 4, abs(within[1] - 240) <= 4) == (True, True)


def test_sizes_are_those_within_a_border_that_was_cut() -> None:
    pair = NearDuplicate(0, 0, 0.99, mirrored=False, area=1, inner=(False, True))
    assert describe_edits(content(100, 80), content(260, 200, inner=(200, 160)), pair) == (
        "border cut off", "reduced to 50%",
    )  # fmt: skip
    back = NearDuplicate(0, 0, 0.99, mirrored=False, area=1, turned=90, inner=(True, False))
    assert describe_edits(content(300, 300, inner=(160, 200)), content(200, 160), back) == (
        "border added", "turned 90° clockwise",
    )  # fmt: skip


def test_a_border_is_told_on_either_side(tmp_path: Path, cache: Cache) -> None:
    framed = np.pad(PHOTO, ((40, 40), (40, 40), (0, 0)))
    whole, bordered = saved(tmp_path / "whole", "a.png", PHOTO), saved(tmp_path / "framed", "a.png", framed)
    (added,) = source_of(bordered, whole.parent, cache).copies
    (cut_off,) = source_of(whole, bordered.parent, cache).copies
    assert added.changes[0] == "border added"
    assert cut_off.changes[0] == "border cut off"
    assert (cut_off.photo.width, cut_off.photo.height) == (400, 320)  # of the whole photo
    again = saved(tmp_path, "again.jpg", framed)
    assert [copy.changes for copy in source_of(again, bordered.parent, cache).copies] == [()]


def test_copies_stand_by_pixels_then_bytes_then_name(tmp_path: Path, cache: Cache) -> None:
    folder = tmp_path / "in"
    image = saved(folder, "image.png", PHOTO)
    saved(folder, "large.png", resized(PHOTO, 2))
    saved(folder, "small.png", resized(PHOTO, 0.5))
    (folder / "copy.png").write_bytes(image.read_bytes())
    (folder / "light.jpg").write_bytes(encoded(PHOTO, quality=60))
    saved(folder, "sub/pixels.bmp", PHOTO)
    found = source_of(image, folder, cache)
    assert [(copy.photo.file.name, copy.kind) for copy in found.copies] == [
        ("large.png", "near-duplicate"),
        ("sub/pixels.bmp", "the same pixels"),
        ("copy.png", "the same bytes"),
        ("image.png", "the very same file"),
        ("light.jpg", "near-duplicate"),
        ("small.png", "near-duplicate"),
    ]
    assert [copy.photo.file.name for copy in found.copies if copy.kind != "the very same file"] == [
        copy.photo.file.name for copy in found.copies if copy.photo.file.name != "image.png"
    ]


def test_photos_of_the_same_pixels_are_all_found(tmp_path: Path, cache: Cache) -> None:
    small = resized(PHOTO, 0.5)
    for name in ("a.png", "b.bmp", "c.png"):
        saved(tmp_path / "in", name, small)
    found = source_of(saved(tmp_path, "image.png", PHOTO), tmp_path / "in", cache)
    assert {copy.photo.file.name for copy in found.copies} == {"a.png", "b.bmp", "c.png"}
    assert {copy.changes for copy in found.copies} == {("enlarged to 200%",)}


def test_other_photos_are_no_source(tmp_path: Path, cache: Cache) -> None:
    folder = made_folder(tmp_path / "in", count=8)
    (folder / "notes.txt").write_text("no photo")
    found = source_of(saved(tmp_path, "image.png", PHOTO), folder, cache)
    assert found.copies == ()
    assert found.photos == 8
    assert [entry.split(" (")[0] for entry in found.unread] == ["notes.txt"]


def test_a_plain_image_is_found_by_its_pixels_only(tmp_path: Path, cache: Cache) -> None:
    plain = np.full((60, 80, 3), 200, np.uint8)
    saved(tmp_path / "in", "same.bmp", plain)
    saved(tmp_path / "in", "smaller.png", plain[::2, ::2])
    found = source_of(saved(tmp_path, "image.png", plain), tmp_path / "in", cache)
    assert found.image.plain
    assert [(copy.photo.file.name, copy.kind) for copy in found.copies] == [("same.bmp", "the same pixels")]


def test_what_cannot_be_compared_is_an_error(tmp_path: Path, cache: Cache) -> None:
    image = saved(tmp_path, "image.png", PHOTO)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FacematchError, match=r"nope\.png is no photo that can be read: it does not exist"):
        source_of(tmp_path / "nope.png", tmp_path, cache)
    with pytest.raises(FacematchError, match="is a folder, not an image"):
        source_of(tmp_path, tmp_path, cache)
    with pytest.raises(FacematchError, match="does not exist"):
        source_of(image, tmp_path / "nowhere", cache)
    with pytest.raises(FacematchError, match="holds no photo that can be read"):
        source_of(image, tmp_path / "empty", cache)


def test_real_copies_are_found_and_nothing_else(cache: Cache) -> None:
    folder = shared("data/near_dup")
    found = source_of(folder / "ukbench00120_resize.jpg", folder, cache)
    resized_to = "width resized to 47%, height to 62%"
    assert [(copy.photo.file.name, copy.changes) for copy in found.copies] == [
        ("ukbench00120.jpg", (resized_to,)),
        ("ukbench00120_hflip.jpg", ("mirrored", resized_to)),
        ("ukbench00120_gray.jpg", (resized_to, "with colour")),
        ("ukbench00120_resize.jpg", ()),
    ]
