"""What a finder is chosen by: recall on photos and drawings it never saw, at one false face in a hundred pictures."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from facematch.evaluation.detection import DetectionFigures, Found, judge
from facematch.faces.boxes import moved, reduced
from facematch.faces.finder import decoded
from facematch.faces.values import Face
from facematch.networks.finder import FinderNetwork, finder_input
from facematch.photos.encoded import rgb_pixels
from facematch.photos.pixels import Rgb
from facematch.photos.renderings import render
from facematch.tasks.finder.labels import Labelled
from facematch.tasks.finder.scenes import DRAWN

FALSE_FACES = 0.01  # a picture
_LEAST_SCORE = 0.05
_BATCH = 32


def validation_of(
    photos: Sequence[Labelled], backgrounds: Sequence[Labelled], side: int
) -> Callable[[FinderNetwork], DetectionFigures]:
    """Return what measures a network on labelled photos, a drawing of each, and pictures in which no face is known.

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
            truth.append(faces_there(photo, scale))
    for background in backgrounds:
        image = rgb_pixels(background.data)
        assert image is not None
        framed, scale = _framed(image, side)
        pictures.append(framed)
        truth.append(faces_there(background, scale))

    def measure(network: FinderNetwork) -> DetectionFigures:
        device = next(network.parameters()).device
        found = []
        for start in range(0, len(pictures), _BATCH):
            batch = torch.from_numpy(np.stack(pictures[start : start + _BATCH])).permute(0, 3, 1, 2).to(device)
            with torch.inference_mode():
                maps = [each.float().cpu().numpy() for each in network(finder_input(batch))]
            for each in range(len(batch)):
                faces = decoded([level[each] for level in maps], side, _LEAST_SCORE)
                found.append(Found(faces, *truth[start + each]))
        return judge(found).at_false_faces(FALSE_FACES)

    return measure


def _framed(image: Rgb, side: int) -> tuple[Rgb, float]:
    small, factor = reduced(image, side)
    framed = np.zeros((side, side, 3), np.uint8)
    framed[: small.shape[0], : small.shape[1]] = small
    return framed, 1 / factor


def faces_there(photo: Labelled, scale: float = 1.0) -> tuple[list[Face], list[Face]]:
    """Return the labelled faces of a photo and its unknown places, in pixels of a copy `scale` times as large."""
    known = [_face(box, points) for box, points in zip(photo.boxes.tolist(), photo.points.tolist(), strict=True)]
    unknown = [_face(box, []) for box in photo.unknown.tolist()]
    return [moved(face, scale) for face in known], [moved(face, scale) for face in unknown]


def _face(corners: Sequence[float], points: Sequence[tuple[float, float]]) -> Face:
    left, top, right, bottom = corners
    return Face(left, top, right - left, bottom - top, 1.0, "label", tuple((x, y) for x, y in points))
