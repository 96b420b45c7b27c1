"""What two sets share, against what was put into them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.near_duplicates.contents import content_cache
from facematch.photos.photo import PhotoLimits, find_photos
from facematch.tasks.leaks.leaks import (
    KINDS,
    Findings,
    Leak,
    PhotoSet,
    change,
    ends,
    find_leaks,
    heading,
    how_sure,
    remedy,
)
from leak_photos import cropped, encoded, made_photo, mirrored, resized

STEPS: list[tuple[str, int, int]] = []


@contextmanager
def working(what: str, total: int) -> Iterator[object]:
    done = [0]
    yield lambda number: done.__setitem__(0, number)
    STEPS.append((what, total, done[0]))


def leaks_of(*sets: PhotoSet) -> Findings:
    STEPS.clear()
    with content_cache(Path(sets[0].source) / "cache") as cache:
        return find_leaks(sets, cache, PhotoLimits(), working)  # type: ignore[arg-type]


def photo_set(tmp_path: Path, name: str, photos: dict[str, bytes], people: bool = False) -> PhotoSet:
    folder = tmp_path / name
    for photo, data in photos.items():
        (folder / photo).parent.mkdir(parents=True, exist_ok=True)
        (folder / photo).write_bytes(data)
    files = find_photos(folder).files
    who = tuple(file.name.split("/")[0] for file in files) if people else ()
    return PhotoSet(name, str(tmp_path), files, who)


def png(seed: int) -> bytes:
    return encoded(made_photo(seed), "PNG")


def test_each_kind_is_found_once_and_worst_first(tmp_path: Path) -> None:
    first, second, third = made_photo(1), made_photo(2), made_photo(3)
    left = photo_set(
        tmp_path, "train",
        {"ann/a.png": png(1), "ann/b.png": png(2), "bob/c.png": png(3), "cleo/d.png": png(4)}, people=True,
    )  # fmt: skip
    right = photo_set(
        tmp_path, "test",
        {
            "ann/new.png": png(5), "dan/copy.png": png(1), "dan/resaved.bmp": encoded(second, "BMP"),
            "dan/small.jpg": encoded(resized(first, 0.6)), "eve/other.png": png(6),
            "eve/flipped.jpg": encoded(mirrored(cropped(third, 0.05, 0.05, 0, 0))),
        },
        people=True,
    )  # fmt: skip
    found = leaks_of(left, right).leaks
    sets = ("train", "test")
    assert found[:3] == (
        Leak("same person", sets, ("ann/a.png", "ann/b.png"), ("ann/new.png",), "ann"),
        Leak("same bytes", sets, ("ann/a.png",), ("dan/copy.png",)),
        Leak("same pixels", sets, ("ann/b.png",), ("dan/resaved.bmp",)),
    )
    near = {leak.right[0]: leak for leak in found[3:]}
    assert set(near) == {"dan/small.jpg", "eve/flipped.jpg"}
    assert near["dan/small.jpg"].left == ("ann/a.png",)
    assert near["eve/flipped.jpg"].mirrored
    assert near["eve/flipped.jpg"].area == pytest.approx(1 / 0.9025, abs=0.02)
    assert [KINDS.index(leak.kind) for leak in found] == sorted(KINDS.index(leak.kind) for leak in found)
    sure = [leak.correlation or 0 for leak in found[3:]]
    assert sure == sorted(sure, reverse=True)
    assert change(near["eve/flipped.jpg"]) == "mirrored, test shows 90% of it"


def test_every_two_sets_are_compared(tmp_path: Path) -> None:
    sets = [
        photo_set(tmp_path, "a", {"x.png": png(1)}),
        photo_set(tmp_path, "b", {"y.png": png(2)}),
        photo_set(tmp_path, "c", {"one.png": png(1), "two.png": png(2)}),
    ]
    found = leaks_of(*sets).leaks
    assert found == (
        Leak("same bytes", ("a", "c"), ("x.png",), ("one.png",)),
        Leak("same bytes", ("b", "c"), ("y.png",), ("two.png",)),
    )
    assert leaks_of(sets[0], sets[1]).leaks == ()


def test_many_copies_are_one_leak_and_blank_photos_match_by_content_only(tmp_path: Path) -> None:
    white = PillowImage.new("RGB", (60, 60), "white")
    white.save(tmp_path / "white.png")
    blank = (tmp_path / "white.png").read_bytes()
    left = photo_set(tmp_path, "train", {f"{number}.png": blank for number in range(5)} | {"p.png": png(1)})
    small = encoded(resized(made_photo(1), 0.5))
    others = {"other.png": encoded(np.full((50, 50, 3), 250, np.uint8), "PNG"), "p1.jpg": small, "p2.jpg": small}
    right = photo_set(tmp_path, "test", {f"{number}.png": blank for number in range(7)} | others)
    found = leaks_of(left, right)
    assert [(leak.kind, len(leak.left), len(leak.right)) for leak in found.leaks] == [
        ("same bytes", 5, 7),
        ("near-duplicate", 1, 2),
    ]
    assert found.plain == {"train": 5, "test": 8}
    assert ends(found.leaks[0]) == ("train/0.png and 4 more", "test/0.png and 6 more")


def test_files_that_are_no_photos_are_named(tmp_path: Path) -> None:
    left = photo_set(tmp_path, "train", {"a.png": png(1), "bad.jpg": b"\xff\xd8\xff", "empty.jpg": b""})
    right = PhotoSet("test", str(tmp_path), left.files[:1], unread=("before.jpg (empty file)",))
    found = leaks_of(left, right)
    assert [name.split(" (")[0] for name in found.unread["train"]] == ["bad.jpg", "empty.jpg"]
    assert found.unread["test"] == ("before.jpg (empty file)",)
    assert found.photos == {"train": 1, "test": 1}
    assert len(found.leaks) == 1


def test_sets_without_any_photo_that_can_be_read_share_nothing(tmp_path: Path) -> None:
    left = photo_set(tmp_path, "train", {"bad.jpg": b"x"})
    right = photo_set(tmp_path, "test", {"a.png": png(1)})
    assert leaks_of(left, right).leaks == ()


def test_progress_reaches_every_total(tmp_path: Path) -> None:
    left = photo_set(tmp_path, "train", {"a.png": png(1), "b.png": png(2)})
    right = photo_set(tmp_path, "test", {"c.jpg": encoded(made_photo(1))})
    leaks_of(left, right)
    assert [what for what, _, _ in STEPS] == [
        "photos of train", "photos of test", "train and test: alike", "train and test: compared",
    ]  # fmt: skip
    assert all(total == done for _, total, done in STEPS)


def test_without_a_cache_that_can_be_written_the_same_is_found(tmp_path: Path) -> None:
    left = photo_set(tmp_path, "train", {"a.png": png(1)})
    right = photo_set(tmp_path, "test", {"b.jpg": encoded(resized(made_photo(1), 0.7))})
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="cannot be used as a cache"), content_cache(tmp_path / "file") as cache:
        found = find_leaks([left, right], cache, PhotoLimits(), working)  # type: ignore[arg-type]
    assert [leak.kind for leak in found.leaks] == ["near-duplicate"]


def test_the_second_run_does_not_need_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = photo_set(tmp_path, "train", {"a.png": png(1)})
    right = photo_set(tmp_path, "test", {"b.jpg": encoded(resized(made_photo(1), 0.7))})
    first = leaks_of(left, right)

    def never(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("facematch.near_duplicates.contents.decode", never)
    assert leaks_of(left, right) == first
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(AssertionError, match="decoded again"):
        leaks_of(left, right)


# --- words ----------------------------------------------------------------------------------------


def test_how_sure_and_what_changed_are_told_in_words() -> None:
    sets = ("query", "gallery")
    near = Leak("near-duplicate", sets, ("a",), ("b",), correlation=0.9712, mirrored=True, area=0.5)
    assert how_sure(near) == "almost certain: correlation 0.971"
    assert change(near) == "mirrored, query shows 50% of it"
    likely = Leak("near-duplicate", sets, ("a",), ("b",), correlation=0.935, area=1.004)
    assert how_sure(likely) == "likely: correlation 0.935"
    assert change(likely) == ""
    copy = Leak("same bytes", sets, ("a\x1b[31m",), ("b", "c"))
    assert how_sure(copy) == "certain"
    assert ends(copy) == ("query/a\N{REPLACEMENT CHARACTER}[31m", "gallery/b and 1 more")
    assert how_sure(Leak("same person", sets, ("a",), ("b",), person="ann")) == "by name"
    assert heading("same bytes", [copy]) == "1 photo is in two sets: query and gallery"
    other = Leak("same bytes", ("train", "query"), ("a",), ("b",))
    assert heading("same bytes", [copy, other, other]) == (
        "3 photos are in two sets: query and gallery 1, train and query 2"
    )
    assert all(remedy(kind) for kind in KINDS)
