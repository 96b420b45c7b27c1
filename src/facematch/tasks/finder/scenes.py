"""Scenes to learn from: faces of labelled photos at every size, place and angle, before backgrounds without faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.photos.encoded import rgb_pixels
from facematch.photos.pixels import Rgb
from facematch.photos.renderings import RENDERING_NAMES, render
from facematch.tasks.finder.labels import Labelled

_SMALLEST = 10.0  # pixels of a face's side
_ENLARGED = 4.0  # times, at most
_MIRRORED = [1, 0, 2, 4, 3]  # the five points of a mirror image
_OTHER_THINGS = 0.3  # of what is pasted is no face: a pasted edge alone means nothing
_SEEN = 0.5  # of a face must be inside the scene, or nothing is known about it
_NEAR = 0.25  # of the scenes show one face as the finder's second look has it: half the scene's side, near its middle
_DEFORMED = 0.4  # of the scenes are bent, as caricatures are: by …
_BENT = 0.03  # … of the scene's side, this standard deviation, at each of …
_KNOTS = 5  # … so many places across and down, smoothly between them
# What moves points is not for labels that stay where they were.
DRAWN = tuple(name for name in RENDERING_NAMES if name not in ("proportions", "mixture"))


@dataclass(eq=False)
class Scene:
    """An RGB picture S×S×3, its faces' boxes (F×4) and points (F×5×2), and places of which nothing is known (U×4)."""

    image: Rgb
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    unknown: NDArray[np.float32]


class SceneMaker:
    """Makes scenes of `side` pixels, the same for the same seed anywhere.

    `photos` have a face each; `backgrounds` have none that is known. `rendered` is the share of scenes that are drawn,
    painted or printed.
    """

    def __init__(
        self, photos: Sequence[Labelled], backgrounds: Sequence[Labelled], side: int = 256, rendered: float = 0.4
    ) -> None:
        self._photos, self._backgrounds, self._side, self._rendered = photos, backgrounds, side, rendered

    def __call__(self, seed: Sequence[int]) -> Scene:
        """Return the scene of a seed."""
        rng = np.random.default_rng(seed)
        scene = self._background(rng)
        kind = rng.choice(4, p=[0.35, 0.25, 0.4 - _NEAR, _NEAR])
        if kind == 0:
            size = np.exp(rng.uniform(np.log(_SMALLEST), np.log(1.1 * self._side)))
            self._paste(scene, rng, size, rng.uniform(0.1, 0.9, 2) * self._side, apart=None)
        elif kind == 3:
            size = self._side / 2 * np.exp(rng.normal(0, 0.2))
            self._paste(scene, rng, size, rng.normal(0.5, 0.05, 2) * self._side, apart=None)
        elif kind == 1:
            cells = int(rng.integers(2, 5))
            pitch = self._side / cells
            places = rng.permutation(cells * cells)[: rng.integers(2, min(8, cells * cells) + 1)]
            for place in places:
                size = np.exp(rng.uniform(np.log(_SMALLEST), np.log(0.75 * pitch)))
                middle = (np.array([place % cells, place // cells]) + 0.5) * pitch
                if rng.random() < _OTHER_THINGS:
                    self._paste_other(scene, rng, middle, pitch)
                    continue
                room = (pitch - size) / 2
                centre = middle + rng.uniform(-room, room, 2)
                self._paste(scene, rng, size, centre, apart=pitch)
        if rng.random() < _DEFORMED:
            _deform(scene, rng)
        if rng.random() < self._rendered:
            strength = rng.uniform(0, 1)
            scene.image = render(scene.image, str(rng.choice(DRAWN)), strength, int(rng.integers(2**31)))
        scene.image = _degraded(scene.image, scene.boxes, rng)
        return scene

    def _background(self, rng: np.random.Generator) -> Scene:
        side, kind = self._side, rng.random()
        none = unknown = np.zeros((0, 4), np.float32)
        if kind < 0.65 and self._backgrounds:
            background = self._backgrounds[int(rng.integers(len(self._backgrounds)))]
            image = rgb_pixels(background.data)
            assert image is not None
            least = min(image.shape[:2])
            part = min(least, max(16, int(least * rng.uniform(0.3, 1))))
            top, left = (int(rng.integers(0, length - part + 1)) for length in image.shape[:2])
            image = cv2.resize(image[top : top + part, left : left + part], (side, side), interpolation=cv2.INTER_AREA)
            unknown = ((background.unknown - [left, top, left, top]) * (side / part)).astype(np.float32)
        elif kind < 0.85:
            image = self._without_faces(rng)
        else:  # light and shade without anything
            shades = rng.uniform(0, 255, (2, 2, 3)).astype(np.float32)
            image = cv2.resize(shades, (side, side), interpolation=cv2.INTER_LINEAR)
            image = image + rng.normal(0, rng.uniform(0, 12), image.shape)
        image = np.clip(image, 0, 255).astype(np.uint8)
        return Scene(np.ascontiguousarray(image), none, np.zeros((0, 5, 2), np.float32), unknown)

    def _without_faces(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        # A part of a photo with no face in it: shoulders, hands, hair, walls; a blurred photo where there is none.
        photo = self._photos[int(rng.integers(len(self._photos)))]
        image = rgb_pixels(photo.data)
        assert image is not None
        height, width = image.shape[:2]
        taken = np.concatenate([photo.boxes, photo.unknown])
        for _ in range(8):
            part = int(min(height, width) * rng.uniform(0.15, 0.5))
            left, top = int(rng.integers(0, width - part + 1)), int(rng.integers(0, height - part + 1))
            clear = (
                (taken[:, 0] >= left + part)
                | (taken[:, 2] <= left)
                | (taken[:, 1] >= top + part)
                | (taken[:, 3] <= top)
            )
            if part >= 16 and clear.all():
                part_of = image[top : top + part, left : left + part]
                return np.asarray(cv2.resize(part_of, (self._side, self._side), interpolation=cv2.INTER_CUBIC))
        blurred = cv2.resize(image, (5, 5), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(blurred, (self._side, self._side), interpolation=cv2.INTER_CUBIC))

    def _paste_other(self, scene: Scene, rng: np.random.Generator, middle: NDArray[np.float64], pitch: float) -> None:
        side = max(4, int(pitch * rng.uniform(0.2, 0.9)))
        patch = cv2.resize(self._without_faces(rng), (side, side), interpolation=cv2.INTER_AREA)
        left, top = np.clip(np.rint(middle - side / 2).astype(int), 0, self._side - side).tolist()
        scene.image[top : top + side, left : left + side] = patch

    def _paste(
        self,
        scene: Scene,
        rng: np.random.Generator,
        size: float,
        centre: NDArray[np.float64],
        apart: float | None,
    ) -> None:
        # One photo turned and scaled so that its first face has `size` and lies at `centre`; with `apart` only a square
        # of that side around it is seen.
        photo = self._photos[int(rng.integers(len(self._photos)))]
        image = rgb_pixels(photo.data)
        assert image is not None
        boxes, points, unknown = photo.boxes, photo.points, photo.unknown
        if rng.random() < 0.5:
            width = image.shape[1]
            image = np.ascontiguousarray(image[:, ::-1])
            boxes, unknown = (
                each[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0] for each in (boxes, unknown)
            )
            points = (points * [-1, 1] + [width, 0])[:, _MIRRORED]
        chosen = int(rng.integers(len(boxes)))
        left, top, right, bottom = boxes[chosen]
        scale = min(_ENLARGED, size / max(1.0, float(np.sqrt((right - left) * (bottom - top)))))
        angle = rng.normal(0, 8) if rng.random() < 0.6 else rng.uniform(-45, 45)
        matrix = cv2.getRotationMatrix2D(((left + right) / 2, (top + bottom) / 2), angle, scale)
        matrix[:, 2] += centre - [(left + right) / 2, (top + bottom) / 2]
        seen = self._warp(scene, image, matrix, rng, None if apart is None else _square(centre, apart))
        _add(scene, boxes, points, unknown, matrix, seen)

    def _warp(
        self,
        scene: Scene,
        image: Rgb,
        matrix: NDArray[np.float64],
        rng: np.random.Generator,
        window: tuple[int, int, int, int] | None,
    ) -> NDArray[np.bool_]:
        # Draws the picture into the scene and returns where (S×S).
        side, shrink = self._side, float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if shrink < 0.6:
            height, width = image.shape[:2]
            reduced = max(1, round(width * shrink)), max(1, round(height * shrink))
            image = np.asarray(cv2.resize(image, reduced, interpolation=cv2.INTER_AREA), np.uint8)
            matrix = matrix.copy()
            matrix[:, :2] /= np.array([reduced[0] / width, reduced[1] / height])
        whole = window is None and shrink * min(image.shape[:2]) > side / 2
        border = cv2.BORDER_REPLICATE if whole and rng.random() < 0.4 else cv2.BORDER_CONSTANT
        warped = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
        white = np.full(image.shape[:2], 255, np.uint8)
        mask = cv2.warpAffine(white, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border) > 250
        if window is not None:
            left, top, right, bottom = window
            inside = np.zeros_like(mask)
            inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
            mask &= inside
        np.copyto(scene.image, np.asarray(warped, np.uint8), where=mask[..., None])
        return np.asarray(mask)


def _deform(scene: Scene, rng: np.random.Generator) -> None:
    # What is seen at x comes from x + bend(x). What was at p is seen where q + bend(q) = p: found by going back and
    # forth, since the bend changes slowly.
    side = scene.image.shape[0]
    bend = cv2.resize(
        rng.normal(0, _BENT * side, (_KNOTS, _KNOTS, 2)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    down, across = np.mgrid[:side, :side].astype(np.float32)
    columns, rows = across + bend[..., 0], down + bend[..., 1]
    bent = cv2.remap(scene.image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    scene.image = np.asarray(bent, np.uint8)

    def seen_at(points: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = points
        for _ in range(8):
            x, y = np.clip(np.rint(seen), 0, side - 1).astype(int).T
            seen = points - bend[y, x]
        return seen

    def box_seen(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        left, top, right, bottom = boxes.T
        middle, centre = (left + right) / 2, (top + bottom) / 2
        ends = [(left, centre), (middle, top), (right, centre), (middle, bottom)]
        return np.stack([seen_at(np.stack(end, 1))[:, edge % 2] for edge, end in enumerate(ends)], 1)

    scene.points = seen_at(scene.points.reshape(-1, 2)).reshape(-1, 5, 2)
    scene.boxes, scene.unknown = box_seen(scene.boxes), box_seen(scene.unknown)


def _square(centre: NDArray[np.float64], side: float) -> tuple[int, int, int, int]:
    left, top = np.rint(centre - side / 2).astype(int).tolist()
    return left, top, left + round(side), top + round(side)


def _add(
    scene: Scene,
    boxes: NDArray[np.float32],
    points: NDArray[np.float32],
    unknown: NDArray[np.float32],
    matrix: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> None:
    # A turned face keeps the size of its box around the box's centre: corners of a turned box would make it wider.
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    for number, box in enumerate(np.concatenate([boxes, unknown])):
        centre = matrix[:, :2] @ ((box[:2] + box[2:]) / 2) + matrix[:, 2]
        half = (box[2:] - box[:2]) * scale / 2
        placed = np.concatenate([centre - half, centre + half]).astype(np.float32)[None]
        share = _share_seen(placed[0], seen)
        if number < len(boxes) and share >= _SEEN and np.sqrt(np.prod(2 * half)) >= 0.8 * _SMALLEST:
            scene.boxes = np.concatenate([scene.boxes, placed])
            scene.points = np.concatenate([scene.points, moved[number][None].astype(np.float32)])
        elif share > 0:
            scene.unknown = np.concatenate([scene.unknown, placed])


def _share_seen(box: NDArray[np.float32], seen: NDArray[np.bool_]) -> float:
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    inside = seen[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    return float(inside.sum() / max(1, (right - left) * (bottom - top)))


def _degraded(image: Rgb, boxes: NDArray[np.float32], rng: np.random.Generator) -> Rgb:
    # Light, colour, blur, noise, JPEG, and a patch in front of what is no face, or of a part of one: as photos come.
    made: NDArray[Any] = image.astype(np.float32)
    if rng.random() < 0.7:
        made = (made - 128) * rng.uniform(0.6, 1.4) + 128 + rng.uniform(-50, 50)
    if rng.random() < 0.3:
        made = made * rng.uniform(0.75, 1.25, 3)
    if rng.random() < 0.3:
        made = np.clip(made, 0, 255) ** rng.uniform(0.6, 1.6)
        made = made * (255 / max(1.0, float(made.max())))
    made = np.clip(made, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        made = np.repeat(cv2.cvtColor(made, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
    if rng.random() < 0.25:
        made = cv2.GaussianBlur(made, (0, 0), rng.uniform(0.4, 2.5))
    if rng.random() < 0.25:
        made = made + rng.standard_normal(made.shape, np.float32) * np.float32(rng.uniform(2, 18))
    made = np.clip(made, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        side = made.shape[0]
        width, height = (rng.uniform(0.03, 0.25, 2) * side).astype(int)
        left, top = rng.integers(0, side - max(width, height), 2)
        across = np.minimum(boxes[:, 2], left + width) - np.maximum(boxes[:, 0], left)
        down = np.minimum(boxes[:, 3], top + height) - np.maximum(boxes[:, 1], top)
        hidden = np.clip(across, 0, None) * np.clip(down, 0, None)
        if (hidden < 0.4 * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).all():
            made[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", made[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))])
        made = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]
    return np.ascontiguousarray(made)
