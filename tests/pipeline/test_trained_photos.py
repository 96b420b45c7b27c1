"""The photos of a training, kept by content: found again under other names and in other bytes."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.near_duplicates.contents import content_cache
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from facematch.pipeline.trained import TrainedCheck, check_untrained, trained_photos, write_trained_photos
from image_folders import made_folder, saved
from leak_photos import made_photo

LIMITS = PhotoLimits()


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


def checked(run: Path, folder: Path) -> TrainedCheck:
    trained = trained_photos(run)
    assert trained is not None
    with content_cache(run / "cache") as cache:
        return check_untrained(trained, find_photos(folder).files, cache, LIMITS, silent)


@pytest.fixture
def run_of(tmp_path: Path) -> Path:
    """A run that was trained on six pictures of 240×160."""
    train = made_folder(tmp_path / "train", count=6, width=240, height=160)
    run = tmp_path / "run"
    write_trained_photos(run, {file: sha256_of_file(file.path) for file in find_photos(train).files})
    return run


def test_the_photos_are_written_by_content(run_of: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "train" / f"{number}.png" for number in range(6)]
    assert trained_photos(run_of) == {sha256_of_file(path): path for path in paths}
    assert trained_photos(tmp_path) is None
    (run_of / "photos.json").write_text("[]")
    with pytest.raises(FacematchError, match=r"the photos of the training: .* is damaged, or of another kind: "):
        trained_photos(run_of)


def test_other_photos_of_the_same_names_pass(run_of: Path, tmp_path: Path) -> None:
    for number in range(6):
        saved(tmp_path / "asked", f"{number}.png", made_photo(100 + number, 240, 160))
    assert checked(run_of, tmp_path / "asked") == TrainedCheck((), 6, 0)


def test_the_same_picture_is_found_under_any_name_and_in_other_bytes(run_of: Path, tmp_path: Path) -> None:
    asked, train = tmp_path / "asked", tmp_path / "train"
    saved(asked, "other.png", made_photo(100, 240, 160))
    shutil.copy(train / "0.png", asked / "renamed.png")
    with PillowImage.open(train / "1.png") as picture:
        picture.save(asked / "recompressed.jpg", quality=80)
    with PillowImage.open(train / "2.png") as picture:
        picture.save(asked / "pixels.bmp")
    saved(asked, "mirrored.png", np.ascontiguousarray(made_photo(3, 240, 160)[:, ::-1]))
    found = checked(run_of, asked).seen
    assert [each.split(" = ")[0] for each in found] == ["mirrored.png", "pixels.bmp", "recompressed.jpg", "renamed.png"]
    assert [f"{n}.png" in each for each, n in zip(found, (3, 2, 1, 0), strict=True)] == [True] * 4
    assert [each.rsplit("(")[-1].split(",")[0].rstrip(")") for each in found] == [
        "near-duplicate", "same pixels", "near-duplicate", "same bytes"
    ]  # fmt: skip


def test_photos_that_are_gone_are_known_by_their_bytes(run_of: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    shutil.copy(tmp_path / "train" / "0.png", asked / "a.png")
    shutil.rmtree(tmp_path / "train")
    found = checked(run_of, asked)
    assert (len(found.seen), found.photos, found.gone) == (1, 6, 6)
    assert found.seen[0].endswith("(same bytes)")


def test_a_run_that_starts_from_another_counts_its_photos_too(run_of: Path, tmp_path: Path) -> None:
    more = saved(tmp_path / "more", "a.png", made_photo(50))
    files = {PhotoFile("a.png", more): sha256_of_file(more)}
    write_trained_photos(tmp_path / "second", files, run_of)
    second, first = trained_photos(tmp_path / "second"), trained_photos(run_of)
    assert second is not None
    assert first is not None
    assert second == {**first, sha256_of_file(more): more}
    write_trained_photos(tmp_path / "third", files, tmp_path / "older")  # it does not tell its own
    assert trained_photos(tmp_path / "third") is None
