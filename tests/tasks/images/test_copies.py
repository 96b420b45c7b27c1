"""Copies in one set: which files are grouped, which is the largest, what is said of each."""

import json
import os
import random
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.near_duplicates.contents import read_contents, thumbnail_of
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from facematch.tasks.images.copies import Copies, CopyFile, find_copies, find_files, freed, room, summary
from image_folders import Rgb, made_folder, quiet, saved
from leak_photos import cropped, encoded, grey, made_photo, mirrored, recompressed, resized
from shared import shared

LIMITS = PhotoLimits()
PHOTO = made_photo(70, 320, 240)


def copies_in(folder: Path, cache: Cache) -> Copies:
    return find_copies(find_files([folder])[0], cache, LIMITS, quiet)


def told(group: Sequence[CopyFile], folder: Path) -> dict[str, str | None]:
    return {str(each.photo.file.path.relative_to(folder)): each.change for each in group}


def turned(image: Rgb, degrees: int) -> Rgb:
    return np.ascontiguousarray(np.rot90(image, -(degrees // 90)))


def bordered(image: Rgb) -> Rgb:
    return np.pad(image, ((30, 30), (24, 24), (0, 0)), constant_values=255)


@pytest.mark.parametrize(
    ("edit", "change"),
    [
        (lambda image: image, "same pixels"),
        (lambda image: recompressed(image, 50), "recompressed"),
        (lambda image: resized(image, 0.5), "reduced to 50%"),
        (lambda image: resized(image, 0.5)[:, ::-1].copy(), "mirrored, reduced to 50%"),
        (mirrored, "mirrored"),
        (grey, "without colour"),
        (lambda image: turned(image, 90), "turned 90° clockwise"),
        (lambda image: turned(image, 180), "turned upside down"),
        (lambda image: turned(mirrored(image), 270), "mirrored, then turned 90° anticlockwise"),
        (lambda image: cropped(image, 0.05, 0.05, 0.05, 0.05), "cropped to 81%"),
        (lambda image: bordered(resized(image, 0.5)), "border added, reduced to 50%"),
        (lambda image: turned(bordered(resized(image, 0.5)), 90), "border added, turned 90° clockwise, reduced to 50%"),
    ],
)
def test_a_copy_is_grouped_with_its_original(
    tmp_path: Path, cache: Cache, edit: Callable[[Rgb], Rgb], change: str
) -> None:
    folder = made_folder(tmp_path / "in", width=160, height=120)
    saved(folder, "original.bmp", PHOTO)
    saved(folder, "sub/copy.png", edit(PHOTO))
    found = copies_in(folder, cache)
    (group,) = found.groups
    assert found.photos == 7
    if change.startswith("cropped"):  # to about so much
        assert (group[1].change or "").split()[:2] == ["cropped", "to"]
        assert float((group[1].change or "")[11:13]) == pytest.approx(81, abs=2)
    else:
        assert told(group, folder) == {"original.bmp": None, "sub/copy.png": change}
    assert group[0].largest
    assert not group[1].largest
    assert freed(group) == (folder / "sub/copy.png").stat().st_size
    assert (group[1].photo.width, group[1].photo.height) == edit(PHOTO).shape[1::-1]
    assert (group[0].photo.width, group[0].photo.height) == (320, 240)


def test_a_larger_photo_in_a_border_had_its_border_cut_off(tmp_path: Path, cache: Cache) -> None:
    folder = made_folder(tmp_path / "in")
    saved(folder, "bordered.png", bordered(PHOTO))
    saved(folder, "photo.png", PHOTO)
    (group,) = copies_in(folder, cache).groups
    assert told(group, folder) == {"bordered.png": None, "photo.png": "border cut off"}


def planted(folder: Path) -> dict[str, set[str]]:
    """Three groups and two photos alone."""
    made_folder(folder, 2)
    (folder / "a.jpg").write_bytes(encoded(made_photo(10)))
    (folder / "a copy.jpg").write_bytes(encoded(made_photo(10)))
    for number in range(1, 4):
        saved(folder, f"b{number}.png", resized(made_photo(11), number / 2))
    saved(folder, "b-again.bmp", resized(made_photo(11), 1.5))
    for number in range(4):
        saved(folder, f"c{number}.png", turned(made_photo(12), 90 * number))
        saved(folder, f"c{number}m.png", turned(mirrored(made_photo(12)), 90 * number))
    return {
        "a copy.jpg": {"a.jpg"},
        "b-again.bmp": {"b1.png", "b2.png", "b3.png"},
        "c": {f"c{number}{m}.png" for number in range(4) for m in ("", "m")},
    }


def test_groups_are_what_was_planted_and_the_order_of_files_does_not_matter(tmp_path: Path, cache: Cache) -> None:
    expected = planted(tmp_path / "in")
    files = list(find_files([tmp_path / "in"])[0])
    found = find_copies(files, cache, LIMITS, quiet)
    for seed in range(3):
        random.Random(seed).shuffle(files)
        assert find_copies(files, cache, LIMITS, quiet) == found
    names = [{each.photo.file.path.name for each in group} for group in found.groups]
    assert sorted(names, key=min) == [{"a copy.jpg", "a.jpg"}, {"b-again.bmp", *expected["b-again.bmp"]}, expected["c"]]
    sizes = [freed(group) for group in found.groups]
    assert sizes == sorted(sizes, reverse=True)
    for group in found.groups:
        order = [(-e.photo.width * e.photo.height, -e.photo.bytes, e.photo.file.name) for e in group]
        assert order == sorted(order)
        assert [each.largest for each in group] == [True] + [False] * (len(group) - 1)
    by_name = {each.photo.file.path.name: each.change for group in found.groups for each in group}
    assert by_name["a copy.jpg"] is None  # of two equal files the first name
    assert by_name["a.jpg"] == "same bytes"
    assert by_name["b3.png"] == "same pixels"
    (turns,) = [group for group in found.groups if group[0].photo.file.path.name.startswith("c")]
    assert len({each.change for each in turns}) == 8  # every way to lay it is told apart


def test_groups_are_those_of_comparing_every_two(tmp_path: Path, cache: Cache) -> None:
    """A naive reference: the files of every two-photo folder are grouped or not."""
    planted(tmp_path / "in")
    files = [file for file in find_files([tmp_path / "in"])[0] if file.path.name[0] in "01ab"]
    pairs = {
        frozenset(file.name for file in two)
        for two in combinations(files, 2)
        if find_copies(two, cache, LIMITS, quiet).groups
    }
    together = {
        frozenset(each.photo.file.name for each in two)
        for group in find_copies(files, cache, LIMITS, quiet).groups
        for two in combinations(group, 2)
    }
    assert together == pairs


def test_crops_of_two_ends_are_not_chained_by_the_whole(tmp_path: Path, cache: Cache) -> None:
    photo = made_photo(5, 600, 400)
    saved(tmp_path / "in", "left.png", resized(cropped(photo, 0, 0, 0.25, 0), 3))
    saved(tmp_path / "in", "right.png", resized(cropped(photo, 0.25, 0, 0, 0), 2))
    saved(tmp_path / "in", "whole.png", photo)
    groups = [set(told(group, tmp_path / "in")) for group in copies_in(tmp_path / "in", cache).groups]
    assert {"left.png", "right.png"} not in [group & {"left.png", "right.png"} for group in groups]


def test_one_file_reached_twice_is_no_copy(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "in", 2)
    (folder / "link.png").symlink_to(folder / "0.png")
    os.link(folder / "1.png", folder / "z-hard.png")
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden").write_text("")
    (folder / "broken.png").symlink_to(folder / "gone.png")
    files, bad = find_files([folder, folder / "0.png", tmp_path / "in" / ".." / "in"])
    assert [file.path.resolve().name for file in files] == ["0.png", "1.png", "notes.txt"]
    assert {each.reason for each in bad} == {"broken link"}
    with pytest.raises(FacematchError, match="does not exist"):
        find_files([tmp_path / "gone"])


def test_what_is_no_photo_or_plain_is_told(tmp_path: Path, cache: Cache) -> None:
    folder = made_folder(tmp_path / "in", 2)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8")
    for name in ("white.png", "white-too.png"):
        saved(folder, name, np.full((20, 30, 3), 255, np.uint8))
    saved(folder, "white-smaller.png", np.full((10, 15, 3), 255, np.uint8))
    found = copies_in(folder, cache)
    assert found.unread[0].startswith(f"{folder}/bad.jpg (")
    assert (found.photos, found.plain) == (5, 3)
    assert [set(told(group, folder)) for group in found.groups] == [{"white.png", "white-too.png"}]
    assert find_copies([], cache, LIMITS, quiet) == Copies((), 0, (), 0)


def test_what_an_earlier_version_kept_for_leaks_is_made_again_without_a_word(tmp_path: Path, cache: Cache) -> None:
    folder = made_folder(tmp_path / "in", 2)
    saved(folder, "bordered.png", bordered(PHOTO))
    files = find_photos(folder).files
    expected = copies_in(folder, cache)
    before = read_contents(files, cache, LIMITS)[0]
    for each in before:  # as an earlier version kept what leaks compares: without sizes
        cache.put(each.sha256, json.dumps({"pixels": each.pixels}), thumbnail_of(each, cache, LIMITS).tobytes())
    assert copies_in(folder, cache) == expected
    after = read_contents(files, cache, LIMITS)[0]
    assert after == before
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)


def test_the_second_time_nothing_is_decoded(tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path / "in")
    first = copies_in(tmp_path / "in", cache)

    def never(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("facematch.near_duplicates.contents.decode", never)
    monkeypatch.setattr("facematch.near_duplicates.contents.read_photo", never)
    assert copies_in(tmp_path / "in", cache) == first


def test_a_border_that_the_cache_lost_is_found_again(tmp_path: Path, cache: Cache) -> None:
    path = saved(tmp_path / "in", "bordered.png", bordered(PHOTO))
    (content,), _ = read_contents([PhotoFile("x", path)], cache, LIMITS)
    kept = [thumbnail_of(content, cache, LIMITS, inner=inner) for inner in (False, True)]
    cache.put(content.sha256, "{}", b"")
    for inner, expected in zip((False, True), kept, strict=True):
        np.testing.assert_array_equal(thumbnail_of(content, cache, LIMITS, inner=inner), expected)
    assert not (kept[0] == kept[1]).all()


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 kB"), (999_499, "999 kB"), (1_000_000, "1.0 MB"), (12_345_678_901, "12,345.7 MB")]
)
def test_room_is_told_in_kilobytes_and_megabytes(size: int, words: str) -> None:
    assert room(size) == words


def test_a_summary_counts_groups_files_and_room(tmp_path: Path, cache: Cache) -> None:
    assert summary(Copies((), 1, (), 0)) == "no copies among 1 photo"
    planted(tmp_path / "in")
    found = copies_in(tmp_path / "in", cache)
    told_room = room(sum(freed(group) for group in found.groups))
    assert summary(found) == f"3 groups of copies, 14 of 16 photos; all but the largest of each take {told_room}"


def test_real_edits_are_one_group(cache: Cache) -> None:
    folder = shared("data/near_dup")
    (group,) = copies_in(folder, cache).groups
    assert told(group, folder) == {
        "ukbench00120.jpg": None,
        "ukbench00120_hflip.jpg": "mirrored",
        "ukbench00120_gray.jpg": "without colour",
        "ukbench00120_resize.jpg": "width resized to 47%, height to 62%",
    }
