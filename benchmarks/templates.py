"""Where the five points lie in boxes of the Haar cascade, and in FaceNet's crops: the numbers of `faces/templates.py`.

    python benchmarks/templates.py data/lfw/train --set faces.detector=yunet --set faces.yunet_file=YUNET.onnx

The landmark detector of the settings gives the points of each photo's largest face. They are counted within the box
of the cascade as shipped, where both found the same face; and, where the package facenet-pytorch is there, MTCNN's
own points in its crop of 160 pixels (margin 32, width and height each made 160, as FaceNet's photos were prepared).
Means over the photos and their mirror images are printed, with the deviation of a single photo's.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from detection import decoded
from numpy.typing import NDArray

from facematch.faces.boxes import intersection_over_union
from facematch.faces.cropper import Cropper
from facematch.faces.values import Image
from facematch.photos.photo import Photo, find_photos
from facematch.pipeline.build import build_cropper
from facematch.settings.file import load_settings

SAME = 0.3  # least intersection over union of boxes that are one face
_MIRRORED = [1, 0, 2, 4, 3]
FACENET_SIDE, FACENET_MARGIN = 160, 32

Points = NDArray[np.float64]  # 5×2


def in_boxes(photo: Photo, first: Cropper, second: Cropper) -> Points | None:
    """Return where the points of the second cropper's face lie in the first one's box of side 1."""
    box, face = first.face(photo), second.face(photo)
    if box is None or face is None or intersection_over_union(box, face) < SAME:
        return None
    return (np.array(face.points) + 0.5 - [box.x, box.y]) / [box.width, box.height]  # a pixel's centre lies inside it


def facenet() -> Callable[[Image], Points | None] | None:
    """Return what gives MTCNN's points in FaceNet's crop of a photo; None without facenet-pytorch."""
    try:
        from facenet_pytorch import MTCNN
    except ImportError:
        return None
    network = MTCNN(select_largest=True)

    def points(image: Image) -> Points | None:
        boxes, _, marks = network.detect(image, landmarks=True)
        if boxes is None:
            return None
        left, top, right, bottom = boxes[0].astype(float)
        inner = FACENET_SIDE - FACENET_MARGIN
        return FACENET_MARGIN / 2 + inner * (marks[0].astype(float) - [left, top]) / [right - left, bottom - top]

    return points


def show(name: str, found: list[Points], side: float) -> None:
    """Print means and deviations of points in a crop of that side."""
    points = np.array(found, float)
    mirrored = [side, 0] + points[:, _MIRRORED] * [-1, 1]
    mean = (points.mean(0) + mirrored.mean(0)) / 2
    digits = 4 if side == 1 else 2
    print(f"{name}: {mean.round(digits).tolist()}\n  of {len(points)} photos, ± {points.std(0).round(digits).tolist()}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photos of upright faces")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="the landmark detector")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    first, second = (build_cropper(load_settings(None, sets).faces) for sets in ([], options.set))
    mtcnn = facenet()
    haar, crops = [], []
    for file in find_photos(options.folder).files:
        for photo in decoded([file]):
            if (points := in_boxes(photo, first, second)) is not None:
                haar.append(points)
            if mtcnn is not None and (points := mtcnn(photo.image)) is not None:
                crops.append(points)
    show("Haar's box of side 1, without margin", haar, 1)
    if crops:
        show(f"FaceNet's crop of {FACENET_SIDE}", crops, FACENET_SIDE)


if __name__ == "__main__":
    main()
