"""Named renderings of a photo: drawn, painted, printed, faded or smoothed, as contests' galleries are.

Each takes an RGB `uint8` H×W×3 picture, how strong it is from 0 to 1, and a generator of random numbers, and returns a
picture of the same size that shows the same face in the same place.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError, nearest_name
from facematch.photos.pixels import Rgb

Rendering = Callable[[Rgb, float, np.random.Generator], NDArray[np.generic]]

_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])  # as albumentations' ToSepia
_BILATERAL = (9, 60, 9)  # diameter in pixels, tolerance of values, reach in pixels


def render(image: Rgb, name: str, strength: float, seed: int | Sequence[int]) -> Rgb:
    """Return a new H×W×3 `uint8` picture: `image` rendered as `name` says, the same for the same seed anywhere.

    `strength` is from 0 (least) to 1. `mixture` is two others, one after the other. Raises FacematchError for an
    unknown name.
    """
    require_rendering(name)
    rng = np.random.default_rng(seed)
    if name == "mixture":
        first, second = rng.choice(sorted(RENDERINGS), 2, replace=False)
        return render(render(image, str(first), strength, int(rng.integers(2**31))), str(second), 0.5 * strength, seed)
    made = RENDERINGS[name](np.ascontiguousarray(image), float(strength), rng)
    return np.ascontiguousarray(np.clip(np.rint(np.asarray(made, np.float32)), 0, 255).astype(np.uint8))


def require_rendering(name: str) -> None:
    """Raise FacematchError for a name that is no rendering."""
    if name not in RENDERING_NAMES:
        raise FacematchError(
            f"there is no rendering {name!r}{nearest_name(name, RENDERING_NAMES)}.",
            f"Known: {', '.join(RENDERING_NAMES)}.",
        )


def _between(low: float, high: float, strength: float) -> float:
    return low + (high - low) * strength


def _stylization(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # Gastal and Oliveira 2011, in OpenCV.
    return np.asarray(cv2.stylization(image, sigma_s=rng.uniform(20, 80), sigma_r=_between(0.2, 0.6, strength)))


def _pencil(image: Rgb, strength: float, rng: np.random.Generator, coloured: bool) -> NDArray[np.generic]:
    grey, colour = cv2.pencilSketch(
        image, sigma_s=rng.uniform(20, 80), sigma_r=_between(0.12, 0.05, strength), shade_factor=rng.uniform(0.03, 0.07)
    )
    return np.asarray(colour if coloured else cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))


def _pencil_grey(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    return _pencil(image, strength, rng, coloured=False)


def _pencil_coloured(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    return _pencil(image, strength, rng, coloured=True)


def _posterised(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    flat = cv2.edgePreservingFilter(image, flags=1, sigma_s=rng.uniform(20, 60), sigma_r=_between(0.1, 0.3, strength))
    step = 255 / round(_between(9, 4, strength))
    return np.asarray(np.rint(flat / step) * step)


def _cartoon(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    lines = cv2.medianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 5)
    block = 2 * int(rng.integers(3, 6)) + 1
    lines = cv2.adaptiveThreshold(
        lines, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, _between(6, 2, strength)
    )
    return np.asarray(_posterised(image, strength, rng)) * (np.asarray(lines)[..., None] > 0)


def _oil(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # The commonest of few values around each pixel, as Haeberli's brush strokes (1990) are imitated.
    from skimage.filters.rank import modal  # a second to load
    from skimage.morphology import disk

    step, around = int(rng.integers(12, 24)), disk(round(_between(2, 4, strength)))
    channels = [modal(np.ascontiguousarray(image[..., each] // step), around) for each in range(3)]
    return np.asarray(np.stack(channels, -1) * float(step) + step / 2)


def _halftone(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # Printed dots: a screen of cells, turned by an angle, is the threshold.
    height, width = image.shape[:2]
    cell, angle = _between(3, 5.5, strength), rng.uniform(0, np.pi / 2)
    down, across = np.mgrid[:height, :width] * (2 * np.pi / cell)
    cosine, sine = np.cos(angle), np.sin(angle)
    screen = 127.5 + 63.75 * (np.cos(across * cosine + down * sine) + np.cos(down * cosine - across * sine))
    tones = image if rng.random() < 0.5 else cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.GaussianBlur(np.where(tones > screen[..., None], 255.0, 0.0), (0, 0), 0.6))


def _engraving(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # Hatching whose lines grow thick where it is dark, over contours.
    grey = cv2.createCLAHE(3.0, (4, 4)).apply(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    height, width = grey.shape
    period, angle = _between(3, 5, strength), rng.uniform(0, np.pi)
    down, across = np.mgrid[:height, :width]
    hatching = 127.5 + 127.5 * np.cos((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / period)
    ink = cv2.GaussianBlur(np.where(grey > hatching * 0.9, 255.0, 0.0), (0, 0), 0.5)
    return np.repeat(np.minimum(ink, _contours(image, strength))[..., None], 3, -1)


def _contours(image: Rgb, strength: float) -> NDArray[np.float64]:
    # Extended difference of Gaussians (Winnemöller 2011): dark lines on white, H×W from 0 to 255.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.9, 1.44))
    sharpened = fine + 16 * _between(0.6, 1.2, strength) * (fine - coarse)
    return np.asarray(255 * np.clip(1 + np.tanh(0.05 * (sharpened - 110)), 0, 1))


def _line_art(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    paper = rng.uniform(0.85, 1, 3)
    return np.asarray(_contours(image, strength)[..., None] * paper)


def _sepia(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    toned = cv2.transform(image.astype(np.float64), _SEPIA)
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape[:2]), (0, 0), 0.7)
    return np.asarray(toned + grain[..., None] * _between(5, 40, strength))


def _faded(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # An old print: little contrast, its blacks lifted, yellow or red.
    contrast, paper = _between(0.8, 0.35, strength), np.array([235.0, 215.0, 180.0]) + rng.uniform(-20, 20, 3)
    return np.asarray(image * contrast + paper * (1 - contrast) * rng.uniform(0.6, 1))


def _smooth(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # Skin without pores under another light, as image generators make it.
    for _ in range(round(_between(1, 3, strength))):
        image = np.asarray(cv2.bilateralFilter(image, *_BILATERAL), np.uint8)
    height, width = image.shape[:2]
    lights = rng.normal(1, _between(0.1, 0.35, strength), (3, 3, 1)) + rng.normal(0, 0.05, (3, 3, 3))
    light = cv2.resize(lights, (width, height), interpolation=cv2.INTER_CUBIC)
    saturated = image + rng.uniform(0, 0.5) * (image - image.mean(-1, keepdims=True))
    return np.asarray(saturated * np.clip(light, 0.4, 1.7))


def _palette(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # Another picture's mean and spread of colours, drawn at random (Reinhard et al. 2001, in Lab).
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float64)
    mean, spread = lab.mean((0, 1)), lab.std((0, 1)) + 1
    colour = rng.uniform([80, 90, 90], [180, 166, 166]), rng.uniform([30, 5, 5], [70, 25, 25])
    moved = (lab - mean) / spread * colour[1] + colour[0]
    mixed = np.clip(lab + _between(0.3, 1, strength) * (moved - lab), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB))


def _low_resolution(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    height, width = image.shape[:2]
    factor = _between(1.5, 5, strength)
    small = cv2.resize(
        image, (max(1, round(width / factor)), max(1, round(height / factor))), interpolation=cv2.INTER_AREA
    )
    how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    return np.asarray(cv2.resize(small, (width, height), interpolation=how))


def _proportions(image: Rgb, strength: float, rng: np.random.Generator) -> NDArray[np.generic]:
    # Parts grow and shrink a little, as in a mild caricature: at most a thirtieth of the shorter side.
    height, width = image.shape[:2]
    reach = _between(0.01, 1 / 30, strength) * min(height, width)
    shifts = np.zeros((6, 6, 2))
    shifts[1:-1, 1:-1] = rng.uniform(-reach, reach, (4, 4, 2))
    field = cv2.resize(shifts, (width, height), interpolation=cv2.INTER_LINEAR)
    down, across = np.mgrid[:height, :width]
    across, down = (across + field[..., 0]).astype(np.float32), (down + field[..., 1]).astype(np.float32)
    return np.asarray(cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


RENDERINGS: dict[str, Rendering] = {
    "cartoon": _cartoon,
    "engraving": _engraving,
    "faded": _faded,
    "halftone": _halftone,
    "line-art": _line_art,
    "low-resolution": _low_resolution,
    "oil": _oil,
    "palette": _palette,
    "pencil-coloured": _pencil_coloured,
    "pencil-grey": _pencil_grey,
    "posterised": _posterised,
    "proportions": _proportions,
    "sepia": _sepia,
    "smooth": _smooth,
    "stylization": _stylization,
}
RENDERING_NAMES = (*RENDERINGS, "mixture")
