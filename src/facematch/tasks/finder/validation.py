"""What a finder is chosen by: recall on photos and drawings it never saw, at one false face in a hundred pictures."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from facematch.evaluation.detection import DetectionFigures, Found, judge
from facematch.faces.finder import decoded
from facematch.faces.values import Face
from facematch.networks.finder import FinderNetwork
from facematch.photos.encoded import rgb_pixels
from facematch.photos.pixels import Rgb
from facematch.photos.renderings import render
from facematch.tasks.finder.labels import Labelled
from facematch.tasks.finder.scenes import DRAWN

FALSE_FACES = 0.01  # a picture
_LEAST_SCORE = 0.05
_BATCH = 32


def validation_of(
    photos: Sequence[Labelled], backgrounds: Sequence[bytes], side: int
) -> Callable[[FinderNetwork], DetectionFigures]:
    """Return what measures a network on labelled photos, a drawing of each, and pictures without faces.

    Every picture is reduced to at most `side` pixels and stands in the corner of an S×S square.
    """
    pictures, truth = [], []
    for number, photo in enumerate(photos):
        image = rgb_pixels(photo.data)
        assert image is not None
        drawn = render(image, DRAWN[number % len(DRAWN)], 0.5, number)
        for each in (image, drawn):
            framed, scale = _framed(each, side)
            pictures.append(framed)
            truth.append(
                tuple(np.asarray(part * scale, np.float64) for part in (photo.boxes, photo.points, photo.unknown))
            )
    nothing = np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros((0, 4))
    for data in backgrounds:
        image = rgb_pixels(data)
        assert image is not None
        pictures.append(_framed(image, side)[0])
        truth.append(nothing)

    def measure(network: FinderNetwork) -> DetectionFigures:
        device = next(network.parameters()).device
        found = []
        for start in range(0, len(pictures), _BATCH):
            batch = torch.from_numpy(np.stack(pictures[start : start + _BATCH])).permute(0, 3, 1, 2).to(device)
            with torch.inference_mode():
                maps = [each.float().cpu().numpy() for each in network(batch.float() / 127.5 - 1)]
            for each in range(len(batch)):
                faces = decoded([level[each] for level in maps], side, _LEAST_SCORE)
                found.append(found_and_there(faces, *truth[start + each]))
        return judge(found).at_false_faces(FALSE_FACES)

    return measure


def _framed(image: Rgb, side: int) -> tuple[Rgb, float]:
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    framed = np.zeros((side, side, 3), np.uint8)
    framed[: image.shape[0], : image.shape[1]] = image
    return framed, scale


def found_and_there(faces: Sequence[Face], boxes: NDArray[Any], points: NDArray[Any], unknown: NDArray[Any]) -> Found:
    """Return a detector's faces beside the labels of a picture: F×4 boxes, F×5×2 points and U×4 unknown places.

    A detector without points is judged by boxes alone: its errors of points are NaN.
    """
    said = np.array([[each.x, each.y, each.x + each.width, each.y + each.height] for each in faces]).reshape(-1, 4)
    marks = np.array([each.points or [(np.nan, np.nan)] * 5 for each in faces]).reshape(-1, 5, 2)
    there = (np.asarray(each, np.float64) for each in (boxes, points, unknown))
    return Found(said, np.array([each.score for each in faces]), marks, *there)
