"""`faces.whole: centre` against torchvision's Resize and CenterCrop, which make CLIP's published input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from facematch.faces.cropper import Cropper
from facematch.faces.detectors import NoDetector
from facematch.faces.values import Crop
from facematch.photos.photo import Photo, find_photos, read_photo
from leak_photos import made_photo
from shared import shared


def ours(image: np.ndarray, size: int) -> Crop:
    crop = Cropper(NoDetector(), size=size, whole="centre").crop(Photo("a", "", image))
    assert isinstance(crop, Crop)
    return crop


def published(image: np.ndarray, size: int) -> np.ndarray:
    resize = transforms.Resize(size, interpolation=InterpolationMode.BICUBIC)
    return np.asarray(transforms.CenterCrop(size)(resize(PillowImage.fromarray(image))))


@given(width=st.integers(1, 120), height=st.integers(1, 120), size=st.integers(16, 64))
def test_it_is_the_published_input_to_the_last_bit(width: int, height: int, size: int) -> None:
    if max(width, height) > 16 * min(width, height):
        return
    image = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(ours(image, size).image, published(image, size))


def test_it_is_so_on_real_photos() -> None:
    open_clip = pytest.importorskip("open_clip")
    theirs = transforms.Compose(open_clip.image_transform(224, is_train=False).transforms[:2])
    for folder in ("data/corel", "data/clothing"):
        for file in find_photos(shared(folder)).files[::12]:
            photo = read_photo(file)
            assert isinstance(photo, Photo)
            expected = np.asarray(theirs(PillowImage.fromarray(photo.image)))
            np.testing.assert_array_equal(ours(photo.image, 224).image, expected)


def test_the_box_is_the_middle_square() -> None:
    assert ours(made_photo(1, 90, 50), 32).box == (20, 0, 50, 50)
    assert ours(made_photo(1, 50, 91), 32).box == (0, 20, 50, 50)


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1)])
def test_a_strip_does_not_fill_the_memory(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    middle = tuple(slice(side // 2 - 8, side // 2 + 8) for side in shape)
    image[middle] = 200
    assert (ours(image, 64).image == 200).all()


def test_only_whole_photos_are_cut_so_and_the_fingerprint_says_it() -> None:
    settings = Cropper(NoDetector(), whole="centre").fingerprint.settings
    assert settings["faces.whole"] == "centre"
    assert "faces.whole" not in Cropper(NoDetector()).fingerprint.settings
