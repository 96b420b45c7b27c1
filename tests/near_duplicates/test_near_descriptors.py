"""Thumbnails and descriptors against plain formulas and laws."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.fft import dctn

from facematch.near_duplicates.descriptors import SIDE, describe, is_plain, thumbnail, turn
from leak_photos import Rgb, cropped, made_photo, recompressed

CUTS = (0.0, 0.03, 0.06)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 500), (96, 96), (40, 50), (1200, 700)])
def test_every_photo_has_a_thumbnail_of_one_size(width: int, height: int) -> None:
    small = thumbnail(np.full((height, width, 3), (200, 100, 50), np.uint8))
    assert small.shape == (SIDE, SIDE)
    assert small.dtype == np.uint8
    luminance = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert np.abs(small - luminance).max() <= 1


def naive_descriptor(small: NDArray[np.uint8], cut: float) -> NDArray[np.float64]:
    edge = round(cut * SIDE)
    middle = small[edge : SIDE - edge, edge : SIDE - edge].astype(np.float32)
    spectrum = dctn(cv2.resize(middle, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float64), norm="ortho")
    values = [spectrum[v, u] * np.sqrt(u * u + v * v) for v in range(8) for u in range(8)]
    return np.array(values) / np.sqrt(sum(value**2 for value in values))


def test_a_descriptor_is_the_weighted_low_frequencies() -> None:
    small = thumbnail(made_photo(1))
    vectors = describe(small)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 64)
    for vector, cut in zip(vectors, CUTS, strict=True):
        np.testing.assert_allclose(vector, naive_descriptor(small, cut), atol=1e-5)


def test_the_middle_is_described_as_a_crop_would_be() -> None:
    image = made_photo(2, 400, 400)
    for vector, cut in zip(describe(thumbnail(image)), CUTS, strict=True):
        assert vector @ describe(thumbnail(cropped(image, cut, cut, cut, cut)))[0] > 0.98


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), gain=st.floats(0.4, 1), offset=st.integers(0, 90))
def test_brightness_and_contrast_do_not_change_a_descriptor(seed: int, gain: float, offset: int) -> None:
    small = thumbnail(made_photo(seed))
    other = np.clip(small / 2 * gain + offset, 0, 255).astype(np.uint8)
    assert (describe(small) * describe(other)).sum(1).min() > 0.99


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_mirrored_photo_has_the_signs_of_odd_columns_changed(seed: int) -> None:
    small = thumbnail(made_photo(seed))
    signs = np.array([(-1) ** (number % 8) for number in range(64)])
    np.testing.assert_allclose(describe(small[:, ::-1].copy()), describe(small) * signs, atol=1e-4)


def laid(small: NDArray[np.uint8], mirrored: bool, turned: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(small[:, ::-1] if mirrored else small, -(turned // 90)))


WAYS = [(mirrored, turned) for mirrored in (False, True) for turned in (0, 90, 180, 270)]


@pytest.mark.parametrize(("mirrored", "turned"), WAYS)
def test_a_descriptor_turns_as_its_photo_does(mirrored: bool, turned: int) -> None:
    for seed in range(5):
        small = thumbnail(made_photo(seed))
        expected = describe(laid(small, mirrored, turned))
        np.testing.assert_allclose(turn(describe(small), mirrored=mirrored, turned=turned), expected, atol=1e-3)


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
def test_the_eight_ways_are_closed_under_composition(first: tuple[bool, int], second: tuple[bool, int]) -> None:
    picture = np.arange(9, dtype=np.uint8).reshape(3, 3)
    both = laid(laid(picture, *first), *second)
    (way,) = [way for way in WAYS if (laid(picture, *way) == both).all()]
    vectors = np.random.default_rng(0).normal(size=(4, 3, 64)).astype(np.float32)
    twice = turn(turn(vectors, mirrored=first[0], turned=first[1]), mirrored=second[0], turned=second[1])
    np.testing.assert_array_equal(twice, turn(vectors, mirrored=way[0], turned=way[1]))


def plain_photos() -> dict[str, Rgb]:
    across = np.linspace(0, 255, 300).astype(np.uint8)
    gradient = np.repeat(np.repeat(across[None, :, None], 200, 0), 3, 2)
    noise = np.random.default_rng(0).integers(126, 130, (200, 300, 3)).astype(np.uint8)
    return {
        "black": np.zeros((200, 300, 3), np.uint8),
        "white": np.full((50, 50, 3), 255, np.uint8),
        "gradient": gradient,
        "noise": noise,
        "compressed": recompressed(np.full((200, 300, 3), (90, 120, 30), np.uint8), 30),
    }


@pytest.mark.parametrize("name", plain_photos())
def test_a_photo_without_detail_is_in_no_pair(name: str) -> None:
    image = plain_photos()[name]
    assert is_plain(thumbnail(image))
    assert not describe(thumbnail(image)).any()
