"""One real face crop becomes a photograph: a head with hair, neck and shoulders in a background.

Nothing but the face itself belongs to a person: size, place, pose, light, tint, clothes,
occlusion, blur, noise and background are drawn anew for each photograph.

Faces and backgrounds are files of scikit-image's wheel, read without its fetcher: `skimage.data` functions may
go to the network when a file is missing or changed; here nothing does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.extras import require

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
    if spec is None:
        require("skimage")
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


Matrix = NDArray[np.float64]
Picture = NDArray[np.float32]  # H×W×3 RGB, 0–255, not yet rounded

UNIT = 80  # pixels of a mask for the side of the face crop
CANVAS = (3.0, 3.6)  # width and height of a mask, in sides of the face crop
ORIGIN = (1.0, 0.6)  # where the face crop's top left corner lies in it


@dataclass(frozen=True)
class Portrait:
    """A photograph, H×W×3 RGB `uint8`, and where its face was set: centre x, centre y, side, in pixels."""

    image: Image
    face: tuple[float, float, float]


def make_portrait(face: Grey, photographs: Sequence[Image], rng: np.random.Generator) -> Portrait:
    """Return one photograph of a 25×25 grey face (0–1), 220 to 320 pixels on each side."""
    width, height = (int(side) for side in rng.integers(220, 321, 2))
    side = rng.uniform(90, min(150.0, 0.62 * min(width, height)))
    centre_x = width / 2 + np.clip(rng.normal(0, 0.1), -0.2, 0.2) * (width - side)
    centre_y = height * 0.45 + np.clip(rng.normal(0, 0.07), -0.12, 0.15) * (height - side)
    pose = _pose(centre_x, centre_y, side, rng)
    picture = background(photographs, width, height, rng)
    mirrored = face[:, ::-1] if rng.random() < 0.35 else face  # as the front cameras of telephones do
    picture = _set_person(picture, mirrored, pose, photographs, rng)
    picture = _occlude(picture, pose, photographs, rng)
    return Portrait(_expose(picture, rng), (float(centre_x), float(centre_y), float(side)))


def background(photographs: Sequence[Image], width: int, height: int, rng: np.random.Generator) -> Picture:
    """Return a random piece of a random photograph, height×width×3, as a lens behind a person sees it."""
    piece = _random_piece(photographs[int(rng.integers(len(photographs)))], width / height, rng)
    picture = cv2.resize(piece, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    picture = cv2.GaussianBlur(np.ascontiguousarray(picture), (0, 0), rng.uniform(0.6, 4.0))
    tint = rng.uniform(0.92, 1.08, 3) * rng.uniform(0.6, 1.2)
    return np.asarray(picture * tint.astype(np.float32), dtype=np.float32)


def _random_piece(photograph: Image, aspect: float, rng: np.random.Generator) -> Image:
    # A window of the wanted aspect (width / height) that fills 40 to 100 % of what fits.
    height, width = photograph.shape[:2]
    share = rng.uniform(0.4, 1.0)
    piece_height = max(2, int(min(height, width / aspect) * share))
    piece_width = max(2, min(width, int(piece_height * aspect)))
    top = int(rng.integers(height - piece_height + 1))
    left = int(rng.integers(width - piece_width + 1))
    return photograph[top : top + piece_height, left : left + piece_width]


def _pose(centre_x: float, centre_y: float, side: float, rng: np.random.Generator) -> Matrix:
    # The 3×3 homography from the unit square of the face crop to the photo: a roll of up to 8°, a
    # slightly different aspect, and one side nearer to the camera than the other.
    angle = np.deg2rad(rng.uniform(-8, 8))
    turn, nod = rng.uniform(-0.14, 0.14, 2)
    stretch = rng.uniform(0.92, 1.08)
    square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    leaning = square * np.stack([1 + nod * square[:, 1], 1 + turn * square[:, 0]], axis=1) * [stretch, 1 / stretch]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = leaning @ rotation.T * side + [centre_x, centre_y]
    return np.asarray(cv2.getPerspectiveTransform(np.float32(square + 0.5), np.float32(corners)), dtype=np.float64)


def _set_person(
    picture: Picture, face: Grey, pose: Matrix, photographs: Sequence[Image], rng: np.random.Generator
) -> Picture:
    height, width = picture.shape[:2]
    tint = _skin_tint(rng)
    skin = 255 * _light(_bend(face, rng), rng)
    hair = np.quantile(skin[:4], 0.1) * rng.uniform(0.6, 1.0)
    to_unit = np.array([[1 / FACE_SIDE, 0, 0.5 / FACE_SIDE], [0, 1 / FACE_SIDE, 0.5 / FACE_SIDE], [0, 0, 1]])
    grey = cv2.warpPerspective(
        skin, pose @ to_unit, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    layers = {
        "neck": np.median(skin[18:23, 6:19]) * tint * 0.75,
        "body": _cloth(photographs, width, height, rng),
        "hair": hair * tint,
        "face": grey[..., None] * tint.astype(np.float32),
    }
    for name, colour in layers.items():
        alpha = _warp_mask(name, pose, width, height)
        picture = picture + alpha * (np.asarray(colour, dtype=np.float32) - picture)
    return picture


def _skin_tint(rng: np.random.Generator) -> NDArray[np.float64]:
    # Red above green above blue, more or less warm.
    warm = rng.uniform(0.1, 0.24)
    return np.array([1 + warm, 1 - 0.25 * warm, 1 - warm]) * rng.uniform(0.98, 1.02, 3)


def _cloth(photographs: Sequence[Image], width: int, height: int, rng: np.random.Generator) -> Picture:
    # One muted colour over a faint texture.
    colour = rng.uniform(15, 150) + rng.uniform(-30, 30, 3)
    return background(photographs, width, height, rng) * 0.25 + colour.astype(np.float32)


def _bend(face: Grey, rng: np.random.Generator) -> Grey:
    # A smooth displacement by less than a pixel of the 25×25 crop, as a change of expression makes.
    coarse = rng.uniform(-0.6, 0.6, (2, 5, 5)).astype(np.float32)
    here = np.arange(FACE_SIDE, dtype=np.float32)
    across, down = (cv2.resize(each, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_CUBIC) for each in coarse)
    x, y = here[None, :] + across, here[:, None] + down
    bent = cv2.remap(np.ascontiguousarray(face), x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent, dtype=np.float32)


def _light(face: Grey, rng: np.random.Generator) -> Grey:
    # Exposure, contrast curve and a light from one side, on the 25×25 crop.
    ramp = np.linspace(-1, 1, FACE_SIDE)
    angle = rng.uniform(0, 2 * np.pi)
    side_light = 1 + rng.uniform(0, 0.55) * (np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None])
    curve = np.clip(face, 0, 1) ** rng.uniform(0.7, 1.4) * rng.uniform(0.75, 1.2)
    return np.asarray(curve * np.clip(side_light, 0.15, None), dtype=np.float32)


def _occlude(picture: Picture, pose: Matrix, photographs: Sequence[Image], rng: np.random.Generator) -> Picture:
    # Now and then dark glasses, a scarf over the mouth, or a hand at one cheek.
    name = rng.choice(["nothing", "glasses", "scarf", "left hand", "right hand"], p=[0.82, 0.03, 0.07, 0.04, 0.04])
    if name == "nothing":
        return picture
    height, width = picture.shape[:2]
    shift = np.eye(3)
    shift[:2, 2] = rng.uniform(-0.06, 0.06, 2) if name != "glasses" else 0
    alpha = _warp_mask(name, pose @ shift, width, height)
    if name == "glasses":
        return np.asarray(picture * (1 - 0.85 * alpha), dtype=np.float32)
    if name == "scarf":
        colour = _cloth(photographs, width, height, rng)
    else:
        colour = np.full_like(picture, rng.uniform(70, 190)) * _skin_tint(rng).astype(np.float32)
    return picture + alpha * (colour - picture)


def _expose(picture: Picture, rng: np.random.Generator) -> Image:
    # What the camera adds: white balance, focus, noise.
    picture = picture * rng.uniform(0.92, 1.08, 3).astype(np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 2.2))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(1, 9))
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


@cache
def _mask(name: str) -> Image:
    # Soft shapes around the unit square of the face crop: (centre x, centre y, radius x, radius y).
    shapes = {
        "face": [(0.5, 0.5, 0.43, 0.54)],
        "hair": [(0.5, 0.42, 0.51, 0.57)],
        "neck": [(0.5, 1.1, 0.27, 0.4)],
        "body": [(0.5, 1.88, 1.1, 0.6), (0.5, 2.4, 1.15, 0.95)],
        "glasses": [(0.3, 0.4, 0.15, 0.11), (0.7, 0.4, 0.15, 0.11), (0.5, 0.37, 0.4, 0.025)],
        "scarf": [(0.5, 1.0, 0.45, 0.3), (0.5, 1.3, 0.4, 0.4)],
        "left hand": [(0.0, y, 0.26, 0.045) for y in (0.5, 0.62, 0.74, 0.86)] + [(-0.2, 0.75, 0.16, 0.3)],
        "right hand": [(1.0, y, 0.26, 0.045) for y in (0.5, 0.62, 0.74, 0.86)] + [(1.2, 0.75, 0.16, 0.3)],
    }
    mask = np.zeros((round(CANVAS[1] * UNIT), round(CANVAS[0] * UNIT)), dtype=np.uint8)
    for x, y, radius_x, radius_y in shapes[name]:
        centre = (round((x + ORIGIN[0]) * UNIT), round((y + ORIGIN[1]) * UNIT))
        axes = (round(radius_x * UNIT), round(radius_y * UNIT))
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    softness = {"face": 5.0, "hair": 3.0, "glasses": 1.0}.get(name, 2.0)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), softness), dtype=np.uint8)


def _warp_mask(name: str, pose: Matrix, width: int, height: int) -> Picture:
    to_unit = np.array([[1 / UNIT, 0, -ORIGIN[0]], [0, 1 / UNIT, -ORIGIN[1]], [0, 0, 1]])
    warped = cv2.warpPerspective(_mask(name), pose @ to_unit, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(warped[..., None] / np.float32(255), dtype=np.float32)
