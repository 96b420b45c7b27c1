"""Photos made small for a page: as a JPEG, and as an address that holds it."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage


def small_jpeg(image: NDArray[np.uint8], side: int, quality: int = 80, *, optimize: bool = False) -> bytes:
    """Return RGB `uint8` H×W×3 as a JPEG of at most `side`×`side` pixels."""
    picture, stream = PillowImage.fromarray(image), io.BytesIO()
    picture.thumbnail((side, side))
    picture.save(stream, "JPEG", quality=quality, optimize=optimize)
    return stream.getvalue()


def data_url(jpeg: bytes) -> str:
    """Return an address that holds the JPEG itself, for a page that is whole in one file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
