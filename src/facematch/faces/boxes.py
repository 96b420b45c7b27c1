"""Boxes of faces: how far they overlap, which stay, and the reduced copy they are looked for in."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import cv2

from facematch.faces.values import Face, Image


def without_overlaps(faces: Sequence[Face], most: float) -> list[Face]:
    """Return the faces without those whose intersection over union with one of a higher score is more than `most`.

    Greedy non-maximum suppression; equal scores are ordered by place, from left to right and top to bottom.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda each: (-each.score, each.x, each.y, each.width)):
        if all(intersection_over_union(face, other) <= most for other in kept):
            kept.append(face)
    return kept


def intersection_over_union(first: Face, second: Face) -> float:
    """Return the share of the union of two boxes that both cover, from 0 to 1."""
    shared = shared_area(first, second)
    return shared / (first.width * first.height + second.width * second.height - shared)


def counterpart(face: Face, others: Iterable[Face], least: float) -> Face | None:
    """Return the one of `others` with the largest intersection over union with a face, at least `least`, or None."""
    same = [other for other in others if intersection_over_union(face, other) >= least]
    return max(same, key=lambda other: intersection_over_union(face, other), default=None)


def shared_area(first: Face, second: Face) -> float:
    """Return how many square pixels two boxes share."""
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    return max(0.0, width) * max(0.0, height)


def moved(face: Face, scale: float, left: float = 0.0, top: float = 0.0) -> Face:
    """Return a face of a reduced part of a photo in pixels of the photo: `scale` times as large, from (left, top)."""
    points = tuple((x * scale + left, y * scale + top) for x, y in face.points)
    x, y = face.x * scale + left, face.y * scale + top
    return replace(face, x=x, y=y, width=face.width * scale, height=face.height * scale, points=points)


def reduced(image: Image, long_side: int) -> tuple[Image, float]:
    """Return a copy (H×W×3) whose longer side is at most `long_side` pixels, and the factor back to the photo."""
    height, width = image.shape[:2]
    scale = max(height, width) / long_side
    if scale <= 1:
        return image, 1.0
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale
