"""Pictures as bytes and back: PNG exactly, JPEG nearly, damage as None."""

import numpy as np
import pytest

from facematch.photos.encoded import jpeg_bytes, png_bytes, rgb_pixels


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


@pytest.mark.parametrize("quick", [False, True])
def test_a_png_comes_back_exactly(picture: np.ndarray, quick: bool) -> None:
    np.testing.assert_array_equal(rgb_pixels(png_bytes(picture, quick=quick)), picture)


def test_a_jpeg_keeps_the_order_of_the_colours() -> None:
    red = np.full((16, 16, 3), (200, 20, 40), np.uint8)
    found = rgb_pixels(jpeg_bytes(red, 95))
    assert found is not None
    np.testing.assert_allclose(found, red, atol=4)


def test_damaged_bytes_are_none(picture: np.ndarray) -> None:
    assert rgb_pixels(b"no picture") is None
    assert rgb_pixels(png_bytes(picture)[:20]) is None
