"""Thumbnails: they are what the network saw, and never larger than was planned."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from facematch.core.cache import Cache
from facematch.faces.cropper import Cropper
from facematch.faces.stream import crop_photos
from facematch.faces.values import Face, Image
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.report.thumbnails import BUDGET, SMALLEST, encode_thumbnail, make_thumbnails, plan_thumbnails


def decoded(data: bytes) -> np.ndarray:
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB"))


@given(st.integers(0, 3000), st.integers(0, 2_000_000))
def test_a_plan_stays_within_its_budget(count: int, budget: int) -> None:
    names = [str(number) for number in range(count)]
    plan = plan_thumbnails(names, budget)
    assert plan.names == tuple(names[: len(plan.names)])
    assert len(plan.names) + plan.left_out == count
    assert len(plan.names) * plan.most <= budget
    assert not plan.names or plan.most >= SMALLEST
    assert plan.left_out == 0 or (len(plan.names) + 1) * SMALLEST > budget  # one more would not fit


@pytest.mark.parametrize("shape", [(112, 112), (1, 1), (3, 4000), (900, 700)])
@pytest.mark.parametrize("most", [SMALLEST, 2000, 4500])
def test_any_picture_fits(shape: tuple[int, int], most: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    data = encode_thumbnail(noise, most)
    assert len(data) <= most
    assert max(decoded(data).shape) <= 72


def test_room_is_used_for_quality() -> None:
    x = np.linspace(0, 255, 112).astype(np.uint8)
    smooth = np.stack(np.broadcast_arrays(x[None], x[:, None], x[None]), axis=2)
    assert decoded(encode_thumbnail(smooth, 4500)).shape == (72, 72, 3)
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert len(encode_thumbnail(noise, 4500)) > len(encode_thumbnail(noise, 2500)) > len(encode_thumbnail(noise, 1000))


def test_a_page_of_1500_queries_has_room_for_all_and_stays_below_20_megabytes() -> None:
    assert plan_thumbnails([str(number) for number in range(3000)]).left_out == 0
    assert BUDGET * 4 / 3 <= 18_000_000


class CornerDetector:
    """Finds a face in the upper left corner of wide photos and none in others."""

    name = "corner"

    def detect(self, image: Image) -> list[Face]:
        return [Face(0, 0, 40, 40, 1.0, "corner")] if image.shape[1] > image.shape[0] else []

    def settings(self) -> dict[str, str | int | float]:
        return {}


@pytest.mark.parametrize("miss", ["skip", "whole"])
def test_they_show_the_crop_or_the_whole_photo(tmp_path: Path, miss: str) -> None:
    wide = np.full((80, 160, 3), (10, 10, 200), np.uint8)
    wide[:40, :40] = (200, 10, 10)
    tall = np.full((90, 60, 3), (10, 200, 10), np.uint8)
    for name, image in (("wide.png", wide), ("tall.png", tall)):
        PillowImage.fromarray(image).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    files = [PhotoFile(name, tmp_path / name) for name in ("wide.png", "tall.png", "broken.png")]
    done: list[int] = []
    with Cache(tmp_path / "cache.sqlite") as cache:
        outcomes = crop_photos(
            files,
            Cropper(CornerDetector(), size=32, margin=0),
            cache,
            miss=miss,  # type: ignore[arg-type]
            limits=PhotoLimits(),
            on_progress=done.append,
        )
        made = make_thumbnails(files, outcomes, 4000, PhotoLimits())
    assert sorted(made) == ["tall.png", "wide.png"]
    assert np.abs(decoded(made["wide.png"]).astype(int) - (200, 10, 10)).max() < 12  # nothing but the face
    assert decoded(made["tall.png"]).shape == ((72, 48, 3) if miss == "skip" else (32, 32, 3))
    assert np.abs(decoded(made["tall.png"]).astype(int) - (10, 200, 10)).max() < 12
    assert done == [1, 2, 3]
