"""Small JPEGs: within their square, the picture they were, and whole in an address."""

import base64
import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.reports.jpeg import data_url, small_jpeg


@pytest.mark.parametrize(("shape", "size"), [((40, 80), (20, 10)), ((80, 40), (10, 20)), ((8, 6), (6, 8))])
def test_a_picture_fits_its_square_and_never_grows(shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = np.full((*shape, 3), (200, 30, 60), np.uint8)
    for optimize in (False, True):
        shown = PillowImage.open(io.BytesIO(small_jpeg(image, 20, optimize=optimize)))
        assert (shown.format, shown.size) == ("JPEG", size)
        assert np.abs(np.asarray(shown).astype(int) - (200, 30, 60)).max() <= 4


def test_an_address_holds_the_picture() -> None:
    jpeg = small_jpeg(np.zeros((4, 4, 3), np.uint8), 4)
    kind, _, text = data_url(jpeg).partition(",")
    assert kind == "data:image/jpeg;base64"
    assert base64.b64decode(text) == jpeg
