"""From a photo to a square crop: which face wins, how much around it, what is in place of a miss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.core.fingerprint import Fingerprint
from facematch.faces.detectors import Detector
from facematch.faces.templates import FIVE_POINTS, Template, template_points
from facematch.faces.values import Box, Crop, Face, Image, Miss
from facematch.photos.photo import Photo

Whole = Literal["pad", "squash", "centre"]

_NARROW = 16  # a photo narrower than 1:16 is shortened before it is resized, or a strip would fill the memory
_WIDEST = 4096  # side of the largest square that is padded at its full size; of a larger one a reduced copy is padded
_DOUBTFUL = 0.16  # of the distance of the eyes: how far five points may miss the template
_WARPED = 32766  # the longest side that OpenCV warps


@dataclass(frozen=True)
class Cropper:
    """Cuts one face out of each photo.

    `size` is the crop's side in pixels; `margin` widens the box's longer side by that share in all
    (half on each side); `choose` says which of several faces wins. A face with five points is aligned to `template`
    instead, without margin but for the template `own`; where its points are doubtful it is turned by at most
    `max_roll` degrees. `whole` says how a photo that is taken whole becomes a square: `pad` by its edge pixels,
    `squash` without its proportions, `centre` by its central square, as CLIP's published input is made.
    """

    detector: Detector
    size: int = 112
    margin: float = 0.2
    choose: Literal["largest", "central"] = "largest"
    whole: Whole = "pad"
    template: Template = "arcface"
    max_roll: float | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """Return everything that decides the pixels of a crop of a found face."""
        settings = {
            "detector": self.detector.name,
            "size": self.size,
            "margin": self.margin,
            "choose": self.choose,
            **self.detector.settings(),
            # What was made before there was a choice fits.
            **({} if self.whole == "pad" else {"whole": self.whole}),
            **({} if self.template == "arcface" else {"template": self.template}),
            **({} if self.max_roll is None else {"max_roll": self.max_roll}),
        }
        return Fingerprint({f"faces.{key}": value for key, value in settings.items()})

    def crop(self, photo: Photo) -> Crop | Miss:
        """Return the winning face of a photo as a square crop, or the reason there is none."""
        height, width = photo.image.shape[:2]
        face = self.face(photo)
        if face is None:
            return Miss(photo.name, photo.sha256, f"no face found by {self.detector.name} in {width}x{height} px")
        if self.detector.name == "none":
            return self.stand_in(photo, "whole", reason="")
        if face.points:
            template = template_points(self.template, self.size, self.margin)
            image = align(photo.image, face.points, self.size, template, self.max_roll)
        else:
            image = cut_square(photo.image, face, self.size, self.margin)
        box = (round(face.x), round(face.y), round(face.width), round(face.height))
        return Crop(photo.name, photo.sha256, image, box, face.detector, face.score)

    def face(self, photo: Photo) -> Face | None:
        """Return the winning face of a photo, None without one."""
        height, width = photo.image.shape[:2]
        return choose_face(self.detector.detect(photo.image), width, height, self.choose)

    def stand_in(self, photo: Photo, how: Literal["whole", "centre"], reason: str) -> Crop:
        """Return the whole photo, made a square as `whole` says, or its central square, as a crop."""
        height, width = photo.image.shape[:2]
        if how == "whole" and self.whole == "squash":
            image = _squashed(photo.image, self.size)
            return Crop(photo.name, photo.sha256, image, (0, 0, width, height), how, 0.0, reason)
        central = how == "centre" or self.whole == "centre"
        side = min(height, width) if central else max(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        box: Box = (left, top, side, side) if central else (0, 0, width, height)
        if self.whole == "centre":
            image = _centred(photo.image, self.size)
        else:
            image = _square(photo.image, left, top, side, self.size)
        return Crop(photo.name, photo.sha256, image, box, how, 0.0, reason)


def choose_face(faces: Sequence[Face], width: int, height: int, rule: Literal["largest", "central"]) -> Face | None:
    """Return the largest face, or the one nearest the photo's centre; None without faces.

    Equal candidates are ordered by score, then from left to right and top to bottom, so the
    choice never depends on the detector's order.
    """

    def order(face: Face) -> tuple[float, ...]:
        area = face.width * face.height
        dx = face.x + face.width / 2 - width / 2
        dy = face.y + face.height / 2 - height / 2
        first = -area if rule == "largest" else dx * dx + dy * dy
        return (first, -face.score, face.x, face.y)

    return min(faces, key=order, default=None)


def cut_square(image: Image, face: Face, size: int, margin: float) -> Image:
    """Return the square around a face box, widened by `margin`, as size×size×3.

    What lies beyond the photo's edge repeats its edge pixels, so the face is never squeezed.
    """
    left, top, side = square_around((face.x, face.y, face.width, face.height), margin)
    return _square(image, left, top, side, size)


def square_around(box: tuple[float, float, float, float], margin: float) -> tuple[int, int, int]:
    """Return left, top and side of the square around a box (left, top, width, height), in pixels of the photo."""
    x, y, width, height = box
    side = max(1, round(max(width, height) * (1 + margin)))
    return round(x + width / 2 - side / 2), round(y + height / 2 - side / 2), side


def align(
    image: Image,
    points: Sequence[tuple[float, float]],
    size: int,
    template: NDArray[np.float64] | None = None,
    max_roll: float | None = None,
) -> Image:
    """Return the face (S×S×3) moved, turned and scaled so that its five points meet `template` (5×2, in pixels).

    Without a template it is ArcFace's. Doubtful points turn it by at most `max_roll` degrees.
    """
    template = FIVE_POINTS * (size / 112) if template is None else template
    matrix = similarity_transform(np.array(points), template)
    if max_roll is not None:
        matrix = with_limited_roll(matrix, np.array(points), template, max_roll)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.5:  # warping alone would skip pixels of a large photo
        height, width = image.shape[:2]
        reduced = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        image = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA)
        matrix[:, :2] /= np.array([reduced[0] / width, reduced[1] / height])
    if max(image.shape[:2]) > _WARPED:
        image, matrix = _shown(image, matrix, size)
    warped = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(warped, dtype=np.uint8)


def similarity_transform(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 2×3 matrix of the least-squares similarity from N×2 to N×2 points (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred = source - source_mean
    u, scales, vt = np.linalg.svd((target - target_mean).T @ centred / len(source))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = float((scales * sign).sum() / max(centred.var(0).sum(), 1e-12))
    shift = target_mean - scale * rotation @ source_mean
    return np.hstack([scale * rotation, shift[:, None]])


def with_limited_roll(
    matrix: NDArray[np.float64], points: NDArray[np.float64], template: NDArray[np.float64], max_roll: float
) -> NDArray[np.float64]:
    """Return a similarity (2×3) from points (5×2) to `template`, turned by at most `max_roll` degrees where in doubt.

    In doubt are points that miss the template by more than 0.16 of its eyes' distance, as the root of the mean square:
    1 to 5 % of photographs and drawings. Scale, and where the middle of the points comes, stay as they are.
    """
    missed = points @ matrix[:, :2].T + matrix[:, 2] - template
    roll, limit = np.arctan2(matrix[1, 0], matrix[0, 0]), np.radians(max_roll)
    if abs(roll) <= limit or np.sqrt((missed**2).sum(1).mean()) <= _DOUBTFUL * np.hypot(*(template[1] - template[0])):
        return matrix
    back = np.copysign(limit, roll) - roll
    turned = np.array([[np.cos(back), -np.sin(back)], [np.sin(back), np.cos(back)]]) @ matrix[:, :2]
    return np.hstack([turned, (template.mean(0) - turned @ points.mean(0))[:, None]])


def _square(image: Image, left: int, top: int, side: int, size: int) -> Image:
    # The square [left, left+side) × [top, top+side) as size×size; outside the picture its edge is repeated. A strip
    # is reduced before it is padded: its square may be many times as large as the photo.
    height, width = image.shape[:2]
    inside = image[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    above, before = max(0, -top), max(0, -left)
    below, after = max(0, top + side - height), max(0, left + side - width)
    if above or before or below or after:
        if side > _WIDEST:
            down, above, below = _reduced_side(above, below, side)
            across, before, after = _reduced_side(before, after, side)
            inside = cv2.resize(inside, (across, down), interpolation=cv2.INTER_AREA)
        inside = cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE)
    how = cv2.INTER_AREA if inside.shape[0] > size else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(inside, (size, size), interpolation=how), dtype=np.uint8)


def _reduced_side(first: int, last: int, side: int) -> tuple[int, int, int]:
    # Of a side of `_WIDEST` pixels: how many are the picture's, and how many are added before and behind it.
    edges = round(first * _WIDEST / side), round((side - last) * _WIDEST / side)
    start = min(edges[0], _WIDEST - 1)
    return max(1, edges[1] - start), start, _WIDEST - max(start + 1, edges[1])


def _shown(image: Image, matrix: NDArray[np.float64], size: int) -> tuple[Image, NDArray[np.float64]]:
    # The part of a picture that a crop shows, and the matrix from there.
    corners = np.array([[0, size, 0, size], [0, 0, size, size]])
    there = np.linalg.solve(matrix[:, :2], corners - matrix[:, 2:])
    left, top = (
        int(np.clip(edge, 0, side - 1)) for edge, side in zip(there.min(1) - 2, image.shape[1::-1], strict=True)
    )
    right, bottom = np.ceil(there.max(1) + 2).astype(int)
    part = image[top : max(top + 1, bottom), left : max(left + 1, right)]
    return part, np.hstack([matrix[:, :2], matrix[:, 2:] + matrix[:, :2] @ [[left], [top]]])


def _squashed(image: Image, size: int) -> Image:
    # Each side by itself: INTER_AREA averages only where both sides shrink.
    height, width = image.shape[:2]
    reduced = cv2.resize(image, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cv2.resize(reduced, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _centred(image: Image, size: int) -> Image:
    # torchvision's Resize and CenterCrop, to the last bit: Pillow's bicubic, and the same rounding.
    height, width = image.shape[:2]
    longest = _NARROW * min(height, width)
    top, left = max(0, (height - longest) // 2), max(0, (width - longest) // 2)
    image = np.ascontiguousarray(image[top : top + longest, left : left + longest])
    height, width = image.shape[:2]
    across, down = (int(size * side / min(height, width)) for side in (width, height))
    resized = PillowImage.fromarray(image).resize((across, down), PillowImage.Resampling.BICUBIC)
    left, top = round((across - size) / 2), round((down - size) / 2)
    return np.asarray(resized.crop((left, top, left + size, top + size)), dtype=np.uint8)
