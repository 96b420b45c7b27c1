"""Where eyes, nose and corners of the mouth lie in a crop that is aligned by them, for each kind of network.

Each is 5×2, x and y of left eye, right eye, nose, left and right corner of the mouth (left of the picture), in pixels
of a crop of its own side.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.faces.values import Face

Template = Literal["arcface", "facenet", "dlib", "own"]
Points = NDArray[np.float64]

# ArcFace's (Deng et al. 2019), and that of most face models since.
FIVE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

# dlib's chip of 150 with padding 0.25 (get_face_chip_details). Its model of five points knows the corners of both eyes
# and the base of the nose: eyes are the middles of their corners; nose and mouth are those of the mean shape of its
# model of 68 points.
_DLIB_SHAPE = np.array([[0.2273, 0.2214], [0.7528, 0.2212], [0.4901, 0.5156], [0.2541, 0.7802], [0.7261, 0.7802]])
_DLIB = (_DLIB_SHAPE + 0.25) / 1.5

# FaceNet's crop of 160 (MTCNN's box with margin 32, each side made 160), and a box of the Haar cascade of side 1: means
# over 2,236 and 2,219 photos of LFW and their mirror images, by
#   python benchmarks/templates.py data/lfw/train --set faces.detector=yunet --set faces.yunet_file=YUNET.onnx
_FACENET = np.array([[51.29, 65.41], [108.71, 65.41], [80.0, 90.99], [54.51, 112.59], [105.49, 112.59]])
_IN_BOX = np.array([[0.3117, 0.3975], [0.6883, 0.3975], [0.5, 0.6184], [0.3361, 0.7919], [0.6639, 0.7919]])

_SIDES = {"arcface": (FIVE_POINTS, 112), "facenet": (_FACENET, 160), "dlib": (_DLIB, 1)}


def template_points(template: Template, size: int, margin: float) -> Points:
    """Return where the five points (5×2) lie in a crop of `size` pixels.

    `own` is as boxes of the Haar cascade are cut with that margin; other templates have a margin of their own.
    """
    if template == "own":
        return size * (0.5 + (_IN_BOX - 0.5) / (1 + margin)) - 0.5  # a pixel's centre is half a pixel from its edge
    points, side = _SIDES[template]
    return points * (size / side)


def points_in_box(box: Face) -> tuple[tuple[float, float], ...]:
    """Return where a face has its five points in a box of the Haar cascade on average, in pixels of the photo."""
    points = [box.x, box.y] + _IN_BOX * [box.width, box.height] - 0.5
    return tuple((float(x), float(y)) for x, y in points)
