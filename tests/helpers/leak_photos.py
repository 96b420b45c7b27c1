"""Made photographs with detail of every size, and the edits that people and programs do to photos."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

Rgb = NDArray[np.uint8]


def made_photo(seed: int, width: int = 240, height: int = 200) -> Rgb:
    """Return a picture of random shapes from coarse to fine; other seeds share nothing with it."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((3, 60), (6, 45), (12, 35), (24, 25), (48, 15)):
        coarse = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def encoded(image: Rgb, kind: str = "JPEG", quality: int = 90) -> bytes:
    """Return a picture as the bytes of a file."""
    stream = io.BytesIO()
    PillowImage.fromarray(image).save(stream, kind, quality=quality)
    return stream.getvalue()


def recompressed(image: Rgb, quality: int = 90) -> Rgb:
    """Return a picture as it is after having been saved as JPEG."""
    with PillowImage.open(io.BytesIO(encoded(image, quality=quality))) as picture:
        return np.asarray(picture.convert("RGB"))


def resized(image: Rgb, factor: float) -> Rgb:
    """Return a picture of another size."""
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), dtype=np.uint8)


def cropped(image: Rgb, left: float, top: float, right: float, bottom: float) -> Rgb:
    """Return a picture with shares of its sides cut off."""
    height, width = image.shape[:2]
    rows = slice(round(top * height), height - round(bottom * height))
    return np.ascontiguousarray(image[rows, round(left * width) : width - round(right * width)])


def brighter(image: Rgb, factor: float) -> Rgb:
    """Return a lighter or darker picture; what is too light is clipped."""
    return np.clip(image.astype(np.float32) * factor, 0, 255).astype(np.uint8)


def mirrored(image: Rgb) -> Rgb:
    """Return the mirror image."""
    return np.ascontiguousarray(image[:, ::-1])


def grey(image: Rgb) -> Rgb:
    """Return a picture without colour."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), dtype=np.uint8)
