"""Pictures made here as JPEG and PNG bytes, and back; photos of others are read by `photos`."""

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]


def jpeg_bytes(image: Rgb, quality: int) -> bytes:
    """Return an H×W×3 RGB `uint8` picture as a JPEG. Raises ValueError for what cannot be one."""
    return _encoded(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def png_bytes(image: Rgb, compression: int | None = None) -> bytes:
    """Return an H×W×3 RGB `uint8` picture as a PNG; `compression` from 0, quick, to 9, else as OpenCV sees fit.

    Raises ValueError for what cannot be one.
    """
    return _encoded(image, ".png", [] if compression is None else [cv2.IMWRITE_PNG_COMPRESSION, compression])


def rgb_pixels(data: bytes) -> Rgb | None:
    """Return the H×W×3 RGB `uint8` pixels of such bytes; None where they are damaged."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _encoded(image: Rgb, suffix: str, settings: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise ValueError(f"an image of {image.shape} cannot be encoded as {suffix}")
    return bytes(data)
