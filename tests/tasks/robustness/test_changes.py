"""Changes against their plain definitions, Pillow's and the laws that hold for pictures of any size."""

import colorsys
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageEnhance

from facematch.core.errors import FacematchError
from facematch.tasks.robustness.changes import CHANGES, NONE, Change, change_named, changed, saved

Rgb = NDArray[np.uint8]
BY_NAME = {change.name: change for change in CHANGES}


def picture(height: int = 48, width: int = 64, seed: int = 0) -> Rgb:
    """Waves of every colour, with no two rows or columns alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(a * x / 9 + b * y / 7 + c) for a, b, c in rng.uniform(0.4, 2, (3, 3))]
    return np.rint(127 + 110 * np.stack(waves, axis=-1)).astype(np.uint8)


def made(name: str, image: Rgb) -> Rgb:
    """The change alone, not yet saved as JPEG."""
    return np.ascontiguousarray(BY_NAME[name].make(image, np.random.default_rng(0)))


def far(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).max())


def test_names_are_unlike_and_begin_with_the_control() -> None:
    assert len(BY_NAME) == len(CHANGES) == 31
    assert CHANGES[0] is NONE
    assert all(change.words for change in CHANGES)
    assert {change.quality for change in CHANGES} == {None, 90, 75, 50, 30}


def test_none_leaves_every_pixel() -> None:
    assert np.array_equal(changed(picture(), NONE), picture())


@pytest.mark.parametrize("quality", [75, 50, 30])
def test_jpeg_is_what_pillow_makes_of_that_quality(quality: int) -> None:
    image, stream = picture(), io.BytesIO()
    PillowImage.fromarray(image).save(stream, "JPEG", quality=quality)
    wanted = np.asarray(PillowImage.open(stream).convert("RGB"))
    ours = changed(image, BY_NAME[f"jpeg-{quality}"])
    assert np.abs(ours.astype(float) - wanted).mean() < 1.5


def test_less_quality_loses_more() -> None:
    lost = [np.abs(saved(picture(), quality).astype(float) - picture()).mean() for quality in (90, 75, 50, 30)]
    assert lost == sorted(lost)
    assert lost[0] < lost[-1]


def test_half_the_size_is_the_mean_of_four_pixels() -> None:
    image = picture(6, 8)
    wanted = [[image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(4, 3).mean(0) for x in range(4)] for y in range(3)]
    assert far(made("size-0.5", image), np.array(wanted)) <= 0.5


def test_sizes_are_the_sides_multiplied() -> None:
    image = picture(50, 80)
    shapes = {name: made(name, image).shape[:2] for name in ("size-2", "size-0.5", "size-0.25", "aspect-0.8")}
    assert shapes == {"size-2": (100, 160), "size-0.5": (25, 40), "size-0.25": (12, 20), "aspect-0.8": (50, 64)}


@pytest.mark.parametrize(("name", "share"), [("crop-5", 0.05), ("crop-10", 0.1), ("crop-20", 0.2)])
def test_a_crop_loses_a_share_of_every_side(name: str, share: float) -> None:
    image = picture(40, 60)
    y, x = round(40 * share), round(60 * share)
    wanted = [[image[row, column] for column in range(x, 60 - x)] for row in range(y, 40 - y)]
    assert np.array_equal(made(name, image), wanted)


def test_mirrored_and_turned_are_what_their_coordinates_say() -> None:
    image = picture(5, 7)
    for y in range(5):
        for x in range(7):
            assert np.array_equal(made("mirrored", image)[y, 6 - x], image[y, x])
            assert np.array_equal(made("turned-90", image)[x, 4 - y], image[y, x])  # the top row is at the right
            assert np.array_equal(made("turned-180", image)[4 - y, 6 - x], image[y, x])
            assert np.array_equal(made("turned-270", image)[6 - x, y], image[y, x])


@pytest.mark.parametrize(("name", "times"), [("mirrored", 2), ("turned-90", 4), ("turned-180", 2), ("turned-270", 4)])
def test_as_often_as_it_takes_is_nothing(name: str, times: int) -> None:
    image = picture()
    for turn in range(times):
        assert turn == 0 or not np.array_equal(image, picture())
        image = made(name, image)
    assert np.array_equal(image, picture())


def test_a_rotation_keeps_size_and_middle_and_leaves_black_corners() -> None:
    image = np.full((81, 81, 3), 200, np.uint8)
    image[38:43, 60:65] = (255, 0, 0)  # 22 pixels to the right of the middle
    turned = made("rotated-5", image)
    assert turned.shape == image.shape
    assert [turned[y, x].max() for y in (0, -1) for x in (0, -1)] == [0] * 4
    red = turned[..., 0].astype(int) - turned[..., 1] > 200
    y, x = np.argwhere(red).mean(0)
    assert x - 40 == pytest.approx(22 * math.cos(math.radians(5)), abs=0.5)
    assert 40 - y == pytest.approx(22 * math.sin(math.radians(5)), abs=0.5)  # upwards: anticlockwise


def test_grey_is_pillows() -> None:
    ours = made("grey", picture())
    assert np.array_equal(ours[..., 0], ours[..., 1])
    assert np.array_equal(ours[..., 0], ours[..., 2])
    assert far(ours[..., 0], np.asarray(PillowImage.fromarray(picture()).convert("L"))) <= 1


@pytest.mark.parametrize(
    ("name", "kind", "factor"),
    [
        ("brightness+20", ImageEnhance.Brightness, 1.2),
        ("brightness-20", ImageEnhance.Brightness, 0.8),
        ("contrast+20", ImageEnhance.Contrast, 1.2),
        ("contrast-20", ImageEnhance.Contrast, 0.8),
        ("saturation+50", ImageEnhance.Color, 1.5),
        ("saturation-50", ImageEnhance.Color, 0.5),
    ],
)
def test_colours_are_pillows_enhancements(name: str, kind: type[ImageEnhance._Enhance], factor: float) -> None:
    wanted = np.asarray(kind(PillowImage.fromarray(picture())).enhance(factor))
    assert far(made(name, picture()), wanted) <= 2  # Pillow cuts fractions off
    assert far(wanted, picture()) > 5


def test_hues_are_turned_by_twenty_degrees() -> None:
    image = picture(12, 12)
    for before, after in zip(image.reshape(-1, 3), made("hue-20", image).reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        wanted = np.array(colorsys.hsv_to_rgb((hue + 20 / 360) % 1, saturation, value)) * 255
        assert far(after, wanted) <= 6  # hues are kept in steps of 2°


def test_a_blurred_point_is_a_gaussian() -> None:
    image = np.zeros((101, 500, 3), np.uint8)
    image[50, 250] = 255
    sums = made("blur", np.repeat(image.max(0, keepdims=True), 101, axis=0)).astype(float)[50, :, 0]
    x = np.arange(500) - 250
    wanted = 255 * np.exp(-(x**2) / (2 * 4.0**2)) / (4.0 * math.sqrt(2 * math.pi))  # 0.8 % of 500 pixels
    assert np.abs(sums - wanted).max() <= 1


def test_noise_has_its_deviation_and_follows_the_seed() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = made("noise", grey).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.2)
    assert noise.std() == pytest.approx(10, abs=0.2)
    one, again, other = (changed(grey, BY_NAME["noise"], seed) for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("share", "shade", "level"), [(5, "black", 0), (10, "white", 255)])
def test_a_border_lies_around_the_whole_picture(share: int, shade: str, level: int) -> None:
    image = picture(40, 60)
    bordered = made(f"border-{share}-{shade}", image)
    y, x = 40 * share // 100, 60 * share // 100
    assert bordered.shape == (40 + 2 * y, 60 + 2 * x, 3)
    assert np.array_equal(bordered[y:-y, x:-x], image)
    bordered[y:-y, x:-x] = level
    assert (bordered == level).all()


def test_text_is_white_on_black_across_the_middle_and_nowhere_else() -> None:
    image = np.full((200, 300, 3), 128, np.uint8)
    written = made("text", image)
    touched = np.argwhere((written != image).any(-1))
    assert np.abs(touched.mean(0) - (99.5, 149.5)).max() < 6
    assert touched[:, 0].min() > 70
    assert touched[:, 0].max() < 130
    assert np.ptp(touched[:, 1]) == pytest.approx(270, abs=12)
    assert {0, 255} <= set(np.unique(written).tolist())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CHANGES), st.integers(1, 40), st.integers(1, 40), st.integers(0, 3))
def test_any_size_is_left_a_picture_and_the_original_as_it_was(change: Change, height: int, width: int, n: int) -> None:
    image = picture(height, width, n)
    kept = image.copy()
    one, again = changed(image, change, n), changed(image, change, n)
    assert one.dtype == np.uint8
    assert one.ndim == 3
    assert one.shape[2] == 3
    assert min(one.shape) >= 1
    assert one.flags.c_contiguous
    assert np.array_equal(one, again)
    assert np.array_equal(image, kept)


def test_an_unknown_name_gets_the_nearest() -> None:
    assert change_named("crop-10") is BY_NAME["crop-10"]
    with pytest.raises(FacematchError, match=r"'crop-11' is not known \(did you mean 'crop-10'\?\)"):
        change_named("crop-11")
