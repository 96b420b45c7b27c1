"""Photos made small for a page: as pixels, as a JPEG, and as an address that holds it."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.core.cores import photo_turn
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, made_of, read_photo


@dataclass(frozen=True, eq=False)
class SmallPhoto:
    """A photo for a page: RGB `uint8` H×W×3, made small, and the width and height of the photo itself."""

    image: NDArray[np.uint8]
    width: int
    height: int


def read_small(file: PhotoFile, side: int, limits: PhotoLimits | None = None) -> SmallPhoto | Unreadable:
    """Read a photo and keep at most `side`×`side` pixels of it, or why there are none; the photo itself is let go."""
    with photo_turn():
        photo = read_photo(file, limits or PhotoLimits())
        if isinstance(photo, Unreadable):
            return photo
        height, width = photo.image.shape[:2]
        return made_of(photo, lambda whole: SmallPhoto(shrunk(whole.image, side), width, height))


def shrunk(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return RGB `uint8` H×W×3 as at most `side`×`side` pixels in its proportions."""
    picture = PillowImage.fromarray(image)
    picture.thumbnail((side, side))
    return np.asarray(picture, dtype=np.uint8)


def small_jpeg(image: NDArray[np.uint8], side: int, quality: int = 80, *, optimize: bool = False) -> bytes:
    """Return RGB `uint8` H×W×3 as a JPEG of at most `side`×`side` pixels."""
    picture, stream = PillowImage.fromarray(shrunk(image, side)), io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, optimize=optimize)
    return stream.getvalue()


def data_url(jpeg: bytes) -> str:
    """Return an address that holds the JPEG itself, for a page that is whole in one file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
