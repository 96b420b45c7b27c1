"""Every rendering is a picture of the same size, decided by its seed, with the face where it was."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from facematch.core.errors import FacematchError
from facematch.photos.pixels import Rgb
from facematch.photos.renderings import RENDERING_NAMES, RENDERINGS, render


@pytest.fixture(scope="module")
def portrait() -> Rgb:
    """A face of about 90 px in 160×128 px."""
    return np.ascontiguousarray(np.asarray(astronaut())[:160, 160:288])


def contours(image: Rgb) -> np.ndarray:
    """Where the picture changes, smoothed, with a mean of 0: what a drawing keeps of a photo."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2)
    edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    edges = cv2.GaussianBlur(edges, (0, 0), 2)
    return edges - edges.mean()


@pytest.mark.parametrize("name", RENDERING_NAMES)
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_rendering_keeps_the_face_where_it_was(portrait: Rgb, name: str, strength: float) -> None:
    before = contours(portrait)
    for seed in range(3):
        made = render(portrait, name, strength, seed)
        assert made.shape == portrait.shape
        assert made.dtype == np.uint8
        assert made.flags.c_contiguous
        after, best = contours(made), {}
        for down in range(-6, 7, 2):  # of all shifts the contours fit best where they were
            for across in range(-6, 7, 2):
                moved = np.roll(after, (down, across), (0, 1))[8:-8, 8:-8]
                best[down, across] = float((moved * before[8:-8, 8:-8]).sum())
        assert max(abs(step) for step in max(best, key=lambda shift: best[shift])) <= 2, (name, strength, seed)


@pytest.mark.parametrize("name", RENDERING_NAMES)
def test_the_seed_decides_and_the_photo_stays_as_it_was(portrait: Rgb, name: str) -> None:
    before = portrait.copy()
    first, again = (render(portrait, name, 0.7, (5, 3)) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(portrait, before)
    assert not np.array_equal(first, portrait)


@pytest.mark.parametrize("name", sorted(RENDERINGS))
@pytest.mark.parametrize("shape", [(16, 16), (17, 64), (64, 17)])
def test_small_and_narrow_pictures_are_rendered(name: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert render(image, name, 1.0, 0).shape == image.shape


def test_more_strength_is_further_from_the_photo(portrait: Rgb) -> None:
    for name in ("faded", "palette", "sepia", "low-resolution", "proportions"):
        weak, strong = (
            np.mean([np.abs(render(portrait, name, strength, seed).astype(int) - portrait).mean() for seed in range(8)])
            for strength in (0.0, 1.0)
        )
        assert weak < strong, name


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(FacematchError, match=r"no rendering 'penci-grey'.*pencil-grey"):
        render(np.zeros((8, 8, 3), np.uint8), "penci-grey", 0.5, 0)
