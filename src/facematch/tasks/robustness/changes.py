"""What happens to photos on their way: recompressed, resized, cropped, turned, bordered, written on.

Every change is a function of a picture and a random generator, which only noise uses. None changes what it was
given, and a picture of any size, down to one pixel, is left with at least one pixel.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError, nearest_name
from facematch.photos.encoded import jpeg_bytes, rgb_pixels
from facematch.photos.pixels import Rgb

Make = Callable[[Rgb, np.random.Generator], Rgb]

AFTERWARDS = 90  # JPEG quality of a changed picture, as it would be saved
_TEXT = "SAMPLE TEXT"
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True)
class Change:
    """One change: its name, what it does in words, how a picture is made, and the JPEG quality it is saved with.

    Where `quality` is None the picture is not compressed at all.
    """

    name: str
    words: str
    make: Make
    quality: int | None = AFTERWARDS


def changed(image: Rgb, change: Change, seed: int = 0) -> Rgb:
    """Return an H×W×3 picture (RGB `uint8` H×W×3) after a change, saved as JPEG and read again; C-contiguous.

    The same picture, change and seed give the same pixels.
    """
    rng = np.random.default_rng([seed, zlib.crc32(change.name.encode())])
    made = np.ascontiguousarray(change.make(image, rng))
    return made if change.quality is None else saved(made, change.quality)


def saved(image: Rgb, quality: int) -> Rgb:
    """Return what is left of an H×W×3 picture that is written as JPEG and read again."""
    read = rgb_pixels(jpeg_bytes(image, quality))
    assert read is not None
    return read


def resized(image: Rgb, across: float, down: float) -> Rgb:
    """Return an H×W×3 picture with its width and height multiplied, each at least one pixel."""
    height, width = image.shape[:2]
    size = max(1, round(width * across)), max(1, round(height * down))
    how = cv2.INTER_AREA if across <= 1 and down <= 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


def cropped(image: Rgb, share: float) -> Rgb:
    """Return an H×W×3 picture without that share of its width and height at every side."""
    y, x = (min(round(side * share), (side - 1) // 2) for side in image.shape[:2])
    return image[y : image.shape[0] - y, x : image.shape[1] - x]


def rotated(image: Rgb, degrees: float) -> Rgb:
    """Return an H×W×3 picture turned anticlockwise about its middle, its size kept, black where nothing was."""
    height, width = image.shape[:2]
    way = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, way, (width, height), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def grey(image: Rgb) -> Rgb:
    """Return an H×W×3 picture without colour, by the weights of Rec. 601: .299, .587, .114."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def brighter(image: Rgb, factor: float) -> Rgb:
    """Return an H×W×3 picture with every value multiplied."""
    return _by_table(image, np.arange(256) * factor)


def contrasted(image: Rgb, factor: float) -> Rgb:
    """Return an H×W×3 picture with every value moved away from the mean grey by a factor, or towards it below 1."""
    mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean())
    return _by_table(image, mean + factor * (np.arange(256) - mean))


def saturated(image: Rgb, factor: float) -> Rgb:
    """Return an H×W×3 picture with every pixel moved away from its grey by a factor, or towards it below 1."""
    return np.asarray(cv2.addWeighted(image, factor, grey(image), 1 - factor, 0), dtype=np.uint8)


def hued(image: Rgb, degrees: int) -> Rgb:
    """Return an H×W×3 picture with every hue turned on the colour circle."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + degrees // 2) % 180  # OpenCV counts in steps of 2°
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def blurred(image: Rgb, share: float) -> Rgb:
    """Return an H×W×3 picture blurred by a Gaussian whose standard deviation is a share of its width."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.1, share * image.shape[1])), dtype=np.uint8)


def noisy(image: Rgb, rng: np.random.Generator, deviation: float) -> Rgb:
    """Return an H×W×3 picture with Gaussian noise added to every value, in grey levels."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def bordered(image: Rgb, share: float, level: int) -> Rgb:
    """Return an H×W×3 picture within a border of one grey level: that share of its height and width at every side."""
    y, x = (max(1, round(side * share)) for side in image.shape[:2])
    return np.pad(image, ((y, y), (x, x), (0, 0)), constant_values=level)


def captioned(image: Rgb, share: float) -> Rgb:
    """Return an H×W×3 picture with white letters edged in black across its middle, as wide as that share of it."""
    height, width = image.shape[:2]
    (across, up), _ = cv2.getTextSize(_TEXT, _FONT, 1, 1)
    scale = share * width / across
    stroke = max(1, round(2 * scale))
    at = round((1 - share) / 2 * width), round((height + scale * up) / 2)
    written = image.copy()
    for level, thick in ((0, 3 * stroke), (255, stroke)):
        cv2.putText(written, _TEXT, at, _FONT, scale, (level,) * 3, thick, cv2.LINE_AA)
    return written


def _by_table(image: Rgb, table: NDArray[Any]) -> Rgb:
    return np.asarray(cv2.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8)), dtype=np.uint8)


def _plain(name: str, words: str, make: Callable[..., Rgb], *arguments: float) -> Change:
    return Change(name, words, lambda image, rng: make(image, *arguments))


def _same(image: Rgb, rng: np.random.Generator) -> Rgb:
    return image


NONE = Change("none", "nothing: the photo itself", _same, None)
CHANGES: tuple[Change, ...] = (
    NONE,
    *(Change(f"jpeg-{quality}", f"JPEG of quality {quality}", _same, quality) for quality in (75, 50, 30)),
    *(_plain(f"size-{by:g}", f"both sides × {by:g}", resized, by, by) for by in (2, 0.5, 0.25)),
    _plain("aspect-0.8", "width × 0.8", resized, 0.8, 1),
    *(_plain(f"crop-{each}", f"{each} % cut from every side", cropped, each / 100) for each in (5, 10, 20)),
    Change("mirrored", "left and right exchanged", lambda image, rng: image[:, ::-1]),
    *(_plain(f"turned-{90 * each}", f"turned clockwise by {90 * each}°", np.rot90, -each) for each in (1, 2, 3)),
    _plain("rotated-5", "turned by 5°, black corners", rotated, 5),
    _plain("grey", "without colour", grey),
    *(_plain(f"brightness{by:+d}", f"values × {1 + by / 100:g}", brighter, 1 + by / 100) for by in (20, -20)),
    *(_plain(f"contrast{by:+d}", f"contrast × {1 + by / 100:g}", contrasted, 1 + by / 100) for by in (20, -20)),
    *(_plain(f"saturation{by:+d}", f"colour × {1 + by / 100:g}", saturated, 1 + by / 100) for by in (50, -50)),
    _plain("hue-20", "hues turned by 20°", hued, 20),
    _plain("blur", "Gaussian blur of 0.8 % of the width", blurred, 0.008),
    Change("noise", "Gaussian noise of 10 grey levels", partial(noisy, deviation=10)),
    *(
        _plain(f"border-{each}-{name}", f"{name} border of {each} % at every side", bordered, each / 100, level)
        for each in (5, 10)
        for name, level in (("black", 0), ("white", 255))
    ),
    _plain("text", "letters across the middle, 90 % of the width", captioned, 0.9),
)


def change_named(name: str) -> Change:
    """Return the change of that name. Raises FacematchError for an unknown one, with the nearest name."""
    known = {change.name: change for change in CHANGES}
    if name not in known:
        raise FacematchError(
            f"change {name!r} is not known{nearest_name(name, known)}.", f"Known are {', '.join(known)}."
        )
    return known[name]
