"""Borders: plain frames and bars are cut, skies and studio walls are not."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.near_duplicates.descriptors import describe, thumbnail, without_border
from facematch.near_duplicates.pairs import candidates, confirmed
from leak_photos import Rgb, made_photo, recompressed, resized


def framed(image: Rgb, top: int, bottom: int, sides: int, colour: tuple[int, int, int] = (255, 255, 255)) -> Rgb:
    """A picture with bars, by loops."""
    height, width = image.shape[:2]
    made = np.empty((height + top + bottom, width + 2 * sides, 3), np.uint8)
    for channel in range(3):
        made[..., channel] = colour[channel]
    made[top : top + height, sides : sides + width] = image
    return made


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 50), top=st.integers(0, 28), bottom=st.integers(0, 28), sides=st.integers(0, 8),
    colour=st.sampled_from([(0, 0, 0), (255, 255, 255), (250, 240, 220), (200, 0, 0), (30, 40, 60)]),
)  # fmt: skip
def test_what_is_left_is_the_photo(seed: int, top: int, bottom: int, sides: int, colour: tuple[int, int, int]) -> None:
    image = made_photo(seed)  # 240×200, so nothing is made smaller before it is looked at
    left = without_border(framed(image, top, bottom, sides, colour))
    if max((top + bottom) / (200 + top + bottom), 2 * sides / (240 + 2 * sides)) < 0.01:
        assert left is None
    else:
        assert left is not None
        np.testing.assert_array_equal(left, image)


@pytest.mark.parametrize("quality", [95, 50, 20])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (160, 20, 30)])
@pytest.mark.parametrize("size", [0.5, 1.0, 4.0])
def test_a_compressed_border_is_cut_within_two_percent(size: float, colour: tuple[int, int, int], quality: int) -> None:
    image = resized(made_photo(3), size)
    left = without_border(recompressed(framed(image, round(20 * size), round(30 * size), 0, colour), quality))
    assert left is not None
    height, width = image.shape[:2]
    assert left.shape[1] == width
    assert height * 0.96 <= left.shape[0] <= height * 1.02


def test_a_frame_within_a_frame_is_cut_too() -> None:
    image = made_photo(4)
    left = without_border(framed(framed(image, 10, 10, 10), 20, 20, 20, (0, 0, 0)))
    assert left is not None
    assert 196 <= left.shape[0] <= 204
    assert 236 <= left.shape[1] <= 244


def on_ground(seed: int) -> Rgb:
    """A round thing before a plain wall."""
    image = np.full((200, 240, 3), 230, np.uint8)
    mask = cv2.circle(np.zeros((200, 240), np.uint8), (120, 100), 85, 1, -1).astype(bool)
    image[mask] = made_photo(seed)[mask]
    return image


def sky() -> Rgb:
    """A photo that grows out of a plain sky."""
    image, fade = made_photo(5).astype(np.float32), np.clip((np.arange(200) - 60) / 120, 0, 1)[:, None, None]
    return (image * fade + 240 * (1 - fade)).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        made_photo(1),
        on_ground(1),
        sky(),
        np.full((60, 80, 3), 200, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        framed(made_photo(1)[:80, :100], 100, 100, 100),
        framed(made_photo(1, 600, 500), 1, 1, 1),
    ],
    ids=["a photo", "a thing before a wall", "a sky", "one colour", "one pixel", "a small thing", "a hairline"],
)
def test_what_is_no_border_is_left(image: Rgb) -> None:
    assert without_border(image) is None


def test_a_border_does_not_hide_a_copy() -> None:
    images = [made_photo(seed) for seed in range(6)]
    bordered = without_border(recompressed(framed(resized(images[3], 0.8), 25, 25, 30), 80))
    assert bordered is not None
    small = [thumbnail(image) for image in [*images, bordered]]
    found = candidates(np.stack([describe(each) for each in small]))
    (pair,) = confirmed(found, small.__getitem__, small.__getitem__)
    assert (pair.left, pair.right) == (3, 6)
