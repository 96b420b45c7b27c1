"""The page of leaks: whole in itself, both sides of each pair, no more than fits."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.leaks.command import SHOWN, _room, leaks_page
from facematch.tasks.leaks.leaks import KINDS, Leak, PhotoSet

SETS = ("train", "test")


def photo(folder: Path, name: str, width: int = 400, height: int = 50) -> PhotoFile:
    path = folder / f"{len(list(folder.iterdir()))}.png"
    PillowImage.fromarray(np.full((height, width, 3), 200, np.uint8)).save(path)
    return PhotoFile(name, path)


def page_of(leaks: list[Leak], *files: tuple[PhotoFile, ...]) -> str:
    sets = [PhotoSet(name, f"folder of {name}", own) for name, own in zip(SETS, files, strict=True)]
    return leaks_page(leaks, sets, PhotoLimits()).decode()


def test_both_sides_stand_beside_each_other_and_no_name_is_obeyed(tmp_path: Path) -> None:
    nasty = '<script>alert("x")</script>.jpg'
    left = (photo(tmp_path, "ann/a.png"), photo(tmp_path, nasty, 30, 40))
    right = (photo(tmp_path, "b.png", 200, 25), PhotoFile("gone.png", tmp_path / "gone.png"))
    page = page_of(
        [
            Leak("same person", SETS, (nasty, "ann/a.png"), ("b.png",), person="<b>ann"),
            Leak("near-duplicate", SETS, ("ann/a.png",), ("b.png",), correlation=0.98, mirrored=True, area=0.9),
            Leak("near-duplicate", SETS, ("ann/a.png",), ("gone.png",), correlation=0.94, area=1.0),
        ],
        left,
        right,
    )
    assert "<script>" not in page
    assert "<b>ann" not in page
    assert page.count("data:image/jpeg;base64,") == 3  # each once
    assert page.count("<use ") == 5
    assert page.count("cannot be read any more") == 1
    text = re.sub(r"<[^>]+>", "|", page)
    for told in (
        "1 person is in two sets: train and test", "2 pairs of photos are one photo each, edited: train and test",
        "almost certain: correlation 0.980 – mirrored, train shows 90% of it", "likely: correlation 0.940",
        "400×50", "200×25", "30×40", " and 1 more", "Leaks: 3.", "train (2 files, folder of train)",
    ):  # fmt: skip
        assert told in text, told
    assert text.index("is in two sets") < text.index("0.980") < text.index("0.940")


def test_of_many_pairs_each_kind_has_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = photo(tmp_path, "a.png"), photo(tmp_path, "b.png")
    leaks = [Leak("same bytes", SETS, ("a.png",), ("b.png",))] * 300
    leaks += [Leak("near-duplicate", SETS, ("a.png",), ("b.png",), correlation=0.99, area=1.0)] * 30
    monkeypatch.setattr("facematch.charts.picture_page.data_url", lambda jpeg: "data:,")
    page = page_of(leaks, (one,), (other,))
    assert page.count('class="line"') == SHOWN
    assert page.count("almost certain") == 30
    assert "The first 170 are shown." in page
    assert "Leaks: 330." in page


@given(st.lists(st.integers(0, 500), min_size=len(KINDS), max_size=len(KINDS)))
def test_the_room_is_used_and_shared(counts: list[int]) -> None:
    room = _room(counts)
    assert sum(room) == min(SHOWN, sum(counts))
    assert all(given <= count for given, count in zip(room, counts, strict=True))
    fair = min([given for given, count in zip(room, counts, strict=True) if given < count], default=SHOWN)
    assert all(given <= fair + 1 for given in room)


def test_a_page_without_leaks_says_so() -> None:
    page = page_of([], (), ())
    assert "No leaks: 0." not in page
    assert "No leaks." in page
    assert 'class="line"' not in page
