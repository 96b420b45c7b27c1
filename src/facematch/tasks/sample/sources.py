"""The pictures the sample is made of: files that scikit-image's wheel carries, read without its fetcher.

`skimage.data` functions may go to the network when a file is missing or changed; here nothing does.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError

Image = NDArray[np.uint8]
Grey = NDArray[np.float32]

FACES = "lfw_subset.npy"
PEOPLE = 100  # the first 100 crops of the file are faces, the others are not
FACE_SIDE = 25  # pixels
INSTALL = "pip install --force-reinstall --no-deps 'scikit-image>=0.25,<0.27'"

# Backgrounds, and the tint (red, green, blue) of those that are grey: earth and leaves.
# Left out: pictures with people or with what the Haar cascade takes for a face.
BACKGROUNDS: dict[str, tuple[float, float, float]] = {
    "coffee.png": (1.0, 1.0, 1.0),
    "chelsea.png": (1.0, 1.0, 1.0),
    "rocket.jpg": (1.0, 1.0, 1.0),
    "motorcycle_left.png": (1.0, 1.0, 1.0),
    "brick.png": (1.25, 0.85, 0.72),
    "grass.png": (0.82, 1.1, 0.6),
}


@cache
def load_faces() -> Grey:
    """Return the 100 real face crops, grey, 100×25×25 `float32` from 0 to 1.

    They are crops of Labeled Faces in the Wild (Huang et al. 2007). Raises FacematchError when the
    installed scikit-image does not carry them.
    """
    try:
        crops = np.load(wheel_file(FACES), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(FACES, str(error)) from error
    if crops.ndim != 3 or len(crops) < PEOPLE or crops.shape[1:] != (FACE_SIDE, FACE_SIDE):
        raise _damaged(FACES, f"it holds {crops.shape}, not at least 100×25×25")
    faces = np.ascontiguousarray(crops[:PEOPLE], dtype=np.float32)
    faces.flags.writeable = False
    return faces


@cache
def load_backgrounds() -> tuple[Image, ...]:
    """Return the background photographs, each H×W×3 RGB `uint8`, the grey ones tinted."""
    return tuple(_load_background(name, tint) for name, tint in BACKGROUNDS.items())


def wheel_file(name: str) -> Path:
    """Return the path of a data file inside the installed scikit-image; FacematchError when it is not there."""
    spec = find_spec("skimage")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / name
        if path.is_file():
            return path
    raise FacematchError(
        f"The installed scikit-image does not carry data/{name}, which the sample is made of.",
        f"Install one that does: {INSTALL}",
    )


def _load_background(name: str, tint: tuple[float, float, float]) -> Image:
    bgr = cv2.imdecode(np.fromfile(wheel_file(name), dtype=np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise _damaged(name, "it cannot be decoded")
    image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.float32) * np.array(tint, dtype=np.float32)
    tinted: Image = np.clip(image, 0, 255).astype(np.uint8)
    tinted.flags.writeable = False
    return tinted


def _damaged(name: str, why: str) -> FacematchError:
    return FacematchError(
        f"scikit-image's data/{name} cannot be used: {why}.",
        f"Install it again: {INSTALL}",
    )
