"""What methods answer to changed pictures, against plain loops over tiny folders."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.tasks.images.edits import ORIENTATIONS, oriented
from facematch.tasks.robustness.changes import change_named, changed
from facematch.tasks.robustness.methods import Answers, EmbeddingMethod, Method, copies_within
from leak_photos import made_photo
from robustness_folders import folder_pictures, made_folder, near_duplicates, pixels, saved, system


def asked(method: Method, folder: Path, names: Sequence[str], change: str) -> Answers:
    smalls = [method.reduce(changed(pixels(folder, name), change_named(change))) for name in names]
    return method.answers(np.stack(smalls), [f"{name}?" for name in names], names)


def plain_first(method: EmbeddingMethod, folder: Path, name: str, change: str) -> str:
    """The nearest by (distance, name) over the ways a picture is laid, by loops."""
    small = method.reduce(changed(pixels(folder, name), change_named(change)))
    best = []
    for turn in method.orientations:
        query = method.embed(oriented(small, turn)[None])[0].astype(float)
        for other, vector in zip(method.gallery.names, method.gallery.as_floats(), strict=True):
            if other not in method.copies.get(name, ()):
                best.append((float(np.round(((query - vector) ** 2).sum(), 6)), other))
    return min(best)[1]


@pytest.mark.parametrize("name", ["pixels", "phash", "dhash", "whash", "phash+turns", "pixels+turns"])
@pytest.mark.parametrize("change", ["crop-20", "turned-90", "border-10-white"])
def test_the_first_is_that_of_a_plain_loop(tmp_path: Path, name: str, change: str) -> None:
    folder = made_folder(tmp_path / "photos", 8)
    names = [f"{number}.png" for number in range(8)]
    method = system(name, folder, {"1.png": {"2.png", "3.png"}, "4.png": {"5.png"}})
    answers = asked(method, folder, names, change)
    assert answers.first.tolist() == [plain_first(method, folder, each, change) == each for each in names]


def test_turned_pictures_are_found_by_turning_them(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 8, 64, 64)
    names = [f"{number}.png" for number in range(8)]
    for change in ("mirrored", "turned-90", "turned-180", "turned-270"):
        assert asked(system("phash+turns", folder), folder, names, change).first.all()
        assert not asked(system("phash", folder), folder, names, change).first.all()
    assert len(system("phash+turns", folder).orientations) == len(ORIENTATIONS) == 8


def test_hashes_call_copies_what_differs_in_ten_bits_or_fewer(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 6)
    saved(folder, "bright.png", np.minimum(made_photo(0, 96, 64), 200))
    saved(folder, "same.png", made_photo(0, 96, 64))
    names = ["0.png", "1.png", "bright.png"]
    copies = {"0.png": {"same.png"}, "bright.png": {"0.png"}}
    method = system("phash", folder, copies)
    assert method.rule == "at most 10 of 64 bits differ"
    answers = asked(method, folder, names, "jpeg-50")
    found, false = [], []
    for name in names:
        query = method.embed(method.reduce(changed(pixels(folder, name), change_named("jpeg-50")))[None])[0]
        bits = (query != method.gallery.as_floats()).sum(1)
        near = {other for other, apart in zip(method.gallery.names, bits, strict=True) if apart <= 10}
        found.append(name in near)
        false.append(len(near - copies.get(name, set()) - {name}))
    assert answers.found is not None
    assert answers.false is not None
    assert answers.found.tolist() == found
    assert answers.false.tolist() == false
    assert found == [True] * 3
    assert false == [1, 0, 1]  # the brighter one; of that, the copy that nobody told of


def test_at_one_distance_the_name_decides(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("b.png", "a.png", "c.png"):
        saved(folder, name, made_photo(3, 96, 64))
    method = system("phash", folder)
    assert asked(method, folder, ["a.png", "b.png", "c.png"], "none").first.tolist() == [True, False, False]
    told = system("phash", folder, {"b.png": {"a.png"}, "c.png": {"a.png", "b.png"}})
    assert asked(told, folder, ["a.png", "b.png", "c.png"], "none").first.all()


def test_near_duplicates_answer_each_picture_as_if_it_were_alone(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 9)
    method = near_duplicates(folder, tmp_path)
    names = [f"{number}.png" for number in range(9)] * 4
    smalls = np.stack(
        [
            method.reduce(changed(pixels(folder, name), change_named(change)))
            for change, part in (("jpeg-75", 0), ("turned-90", 9), ("crop-5", 18), ("rotated-5", 27))
            for name in names[part : part + 9]
        ]
    )
    together = method.answers(smalls, [str(number) for number in range(36)], names)
    alone = [method.answers(smalls[n : n + 1], ["one"], names[n : n + 1]) for n in range(36)]
    assert together.found is not None
    assert together.false is not None
    assert together.first.tolist() == [bool(each.first[0]) for each in alone]
    assert together.found.tolist() == [bool(each.found[0]) for each in alone if each.found is not None]
    assert together.found[:18].all()
    assert not together.found[27:].any()
    assert not together.false.any()


def test_near_duplicates_count_other_photos_but_no_copies(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 3)
    saved(folder, "copy.png", made_photo(0, 96, 64))
    one = asked(near_duplicates(folder, tmp_path), folder, ["0.png", "copy.png", "1.png"], "none")
    assert one.false is not None
    assert one.false.tolist() == [1, 1, 0]
    assert one.first.tolist() == [True, False, True]  # equal correlations: by name
    copies = {"0.png": {"copy.png"}, "copy.png": {"0.png"}}
    told = asked(near_duplicates(folder, tmp_path, copies), folder, ["0.png", "copy.png", "1.png"], "none")
    assert told.false is not None
    assert told.false.tolist() == [0, 0, 0]
    assert told.first.all()


def test_copies_within_a_folder_are_those_of_equal_pixels_and_near_duplicates(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 4, 192, 128)
    saved(folder, "same.bmp", made_photo(0, 192, 128))
    saved(folder, "small.png", cv2.resize(made_photo(1, 192, 128), (96, 64), interpolation=cv2.INTER_AREA))
    saved(folder, "framed.png", np.pad(np.rot90(made_photo(2, 192, 128)), ((20, 20), (12, 12), (0, 0))))
    for name in ("blank1.png", "blank2.png"):  # no detail: compared by their pixels
        saved(folder, name, np.full((20, 20, 3), 9, np.uint8))
    found = copies_within(folder_pictures(folder, tmp_path))
    pairs = {("0.png", "same.bmp"), ("1.png", "small.png"), ("2.png", "framed.png"), ("blank1.png", "blank2.png")}
    assert {(one, other) for one, others in found.items() for other in others if one < other} == pairs
    assert all(one in found[other] for one, others in found.items() for other in others)
