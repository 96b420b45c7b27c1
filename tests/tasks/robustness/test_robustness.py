"""Which changes are made on which photos, and the figures of what methods answer."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.photos.photo import find_photos
from facematch.tasks.robustness.changes import NONE, change_named
from facematch.tasks.robustness.methods import NEAR_DUPLICATES, Answers, Method
from facematch.tasks.robustness.robustness import (
    LONGEST,
    OVERALL,
    Column,
    Robustness,
    cell,
    images_per_second,
    made_from,
    measure,
    spread,
)
from robustness_folders import LIMITS, made_folder, near_duplicates, system


@given(st.integers(0, 300), st.integers(1, 100), st.integers(0, 3))
def test_a_sample_has_one_of_each_stretch(count: int, most: int, seed: int) -> None:
    places = spread(count, most, seed)
    assert len(places) == min(count, most)
    assert places == sorted(set(places)) == spread(count, most, seed)
    if count > most:
        for number, place in enumerate(places):
            assert number * count // most <= place < (number + 1) * count // most


def test_another_seed_draws_another_sample() -> None:
    assert spread(1000, 50, 1) != spread(1000, 50, 2)
    assert spread(20, 50, 1) == list(range(20))


class Oracle:
    """Knows which pictures are right: those whose photo stands in `right`."""

    rule = "it says so"

    def __init__(self, name: str, right: set[str]) -> None:
        self.name, self.right, self.asked = name, right, []  # type: tuple[str, set[str], list[str]]

    def reduce(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return cv2.resize(image, (2, 2))

    def embed(self, smalls: NDArray[np.uint8]) -> NDArray[np.float32]:
        return smalls.reshape(len(smalls), -1).astype(np.float32)

    def answers(self, smalls: NDArray[np.uint8], names: Sequence[str], wanted: Sequence[str]) -> Answers:
        assert len(smalls) == len(names) == len(wanted)
        self.asked += names
        right = np.array([each in self.right for each in names])
        return Answers(right, right, np.where(right, 0, 2))


def test_every_change_of_every_photo_is_asked_and_figures_are_shares(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 20)
    files = find_photos(folder).files
    changes = [NONE, change_named("grey"), change_named("crop-5")]
    right = {f"{file.name} (grey)" for file in files[:5]} | {f"{file.name} (none)" for file in files}
    method, steps = Oracle("oracle", right), []  # type: tuple[Oracle, list[int]]
    (column,) = measure([method], files, changes, LIMITS, on_progress=steps.append)
    assert method.asked == [f"{file.name} ({change.name})" for file in files for change in changes]
    assert steps == [16, 20]
    assert column.cells is not None
    assert column.overall is not None
    values = {
        name: (each.first.value, each.found and each.found.value, each.false) for name, each in column.cells.items()
    }
    assert values == {"none": (1, 1, 0), "grey": (0.25, 0.25, 30), "crop-5": (0, 0, 40)}
    assert (column.overall.first.value, column.overall.false) == (5 / 40, 70)
    assert column.overall.first.people == 20  # photos are drawn again, not pictures
    assert column.overall.first.count == 40
    low, high = column.cells["grey"].first.interval or (0, 0)
    assert 0 < low < 0.25 < high < 1
    assert column.images_per_second is not None
    assert column.images_per_second > 0


def test_rows_end_with_all_changes_but_the_control() -> None:
    answers = Answers(np.array([True, False]))
    one = cell(answers, np.arange(2), ["a", "b"])
    assert one.found is None
    assert one.false is None
    there = Column("phash", cells={"none": one, "grey": one}, overall=one)
    gone = Column("dhash", missing="not installed")
    result = Robustness("photos", 2, 2, 0, 1, (NONE, change_named("grey")), (there, gone))
    assert [(name, len(cells)) for name, cells in result.rows(result.columns)] == [
        ("none", 1), ("grey", 1), (OVERALL, 1),
    ]  # fmt: skip


def test_only_the_control_is_made_of_the_whole_of_a_large_photo() -> None:
    image = np.zeros((10, LONGEST * 2, 3), np.uint8)
    shapes = [made.shape for made in made_from(image, [NONE, change_named("grey"), change_named("size-0.5")], 0)]
    assert shapes == [(10, LONGEST * 2, 3), (5, LONGEST, 3), (2, LONGEST // 2, 3)]
    small = np.zeros((10, 20, 3), np.uint8)
    assert [made.shape for made in made_from(small, [change_named("grey")], 0)] == [(10, 20, 3)]


def test_a_photo_that_went_away_is_named(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 2)
    files = find_photos(folder).files
    (folder / "1.png").unlink()
    for work in (
        lambda: measure([Oracle("oracle", set())], files, [NONE], LIMITS),
        lambda: images_per_second([Oracle("oracle", set())], files, LIMITS),
    ):
        with pytest.raises(FacematchError, match=r"1\.png was read a moment ago and cannot be read now"):
            work()


def test_the_methods_together_find_untouched_photos_and_easy_changes(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "photos", 12, 192, 128)
    files = find_photos(folder).files
    methods: list[Method] = [system("phash", folder), near_duplicates(folder, tmp_path)]
    changes = [change_named(name) for name in ("none", "jpeg-75", "noise", "turned-90", "border-10-black")]
    columns = measure(methods, files, changes, LIMITS, seed=5)
    again = measure(methods, files, changes, LIMITS, seed=5)
    assert [column.name for column in columns] == ["phash", NEAR_DUPLICATES]
    assert [column.cells for column in columns] == [column.cells for column in again]  # whatever the threads did
    for column in columns:
        assert column.cells is not None
        assert column.cells["none"].first.value == column.cells["jpeg-75"].first.value == 1
    hashed, near = (column.cells or {} for column in columns)
    assert hashed["turned-90"].first.value is not None
    assert hashed["turned-90"].first.value < 1
    assert near["turned-90"].first.value == near["border-10-black"].first.value == 1
