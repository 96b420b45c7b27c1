"""Several views of one face make one embedding: its mirror image; cuts of other sizes, moved and turned a little."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint, Value
from facematch.embedders import Embedder, of_length_1
from facematch.faces.cropper import Cropper

Images = NDArray[np.uint8]
_FINER = 1.5  # pixels of the wide crop for one of the tightest view: being resized twice then blurs hardly


@dataclass(frozen=True)
class FlipEmbedder:
    """Another embedder's vectors of a crop and its mirror image, averaged.

    With `normalise` the mean is scaled to length 1 again. Faces are nearly symmetric, so the two are two views
    of one face whose noise partly cancels (He et al. 2016, section 3.4, for classification; ArcFace's protocol
    for faces). It doubles the time of embedding; it hurts what tells left from right, such as text or hair
    partings, and networks that never saw a mirrored face.
    """

    inner: Embedder
    normalise: bool = True

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the inner embedder's, and that it is flipped."""
        return self.inner.fingerprint | Fingerprint({"refine.flip": True})

    @property
    def batch(self) -> int:
        """Return how many crops to give at once."""
        return self.inner.batch

    def embed(self, images: Images) -> NDArray[np.float32]:
        """Return N×D vectors of N×S×S×3 RGB crops."""
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return of_length_1((self.inner.embed(images) + self.inner.embed(mirrored)) / 2, self.normalise)


@dataclass(frozen=True)
class View:
    """A square around a face: `margin` of the box's longer side, as in `Cropper`; moved to the right and down by
    `right` and `down`, shares of its own side; turned by `angle` degrees."""

    margin: float
    right: float = 0.0
    down: float = 0.0
    angle: float = 0.0

    @property
    def reach(self) -> float:
        """Return the margin of the smallest upright square around the box's centre that holds the view."""
        turned = math.cos(math.radians(abs(self.angle))) + math.sin(math.radians(abs(self.angle)))
        return (1 + self.margin) * (turned + 2 * max(abs(self.right), abs(self.down))) - 1


def make_views(margins: Sequence[float], up: float = 0.0, shift: float = 0.0, angle: float = 0.0) -> tuple[View, ...]:
    """Return for each margin the view that lies `up` above the box's centre; with `shift` also moved from there to the
    four sides, with `angle` also turned both ways."""
    places = [(0.0, 0.0, 0.0)]
    if shift:
        places += [(shift, 0.0, 0.0), (-shift, 0.0, 0.0), (0.0, shift, 0.0), (0.0, -shift, 0.0)]
    if angle:
        places += [(0.0, 0.0, angle), (0.0, 0.0, -angle)]
    return tuple(View(margin, right, down - up, turn) for margin in margins for right, down, turn in places)


@dataclass(frozen=True)
class ViewsEmbedder:
    """Another embedder's vectors of several views of a crop, averaged.

    The crop is a wide one (`cropper`), from which each view is cut at `size`, the side the inner embedder is given.
    With `normalise` the mean is scaled to length 1 again. A detector's box is too large for one photo and too small
    for the next, so the views' errors partly cancel (multi-crop testing, Krizhevsky et al. 2012, section 4.1). It
    takes as many times as long as there are views.
    """

    inner: Embedder
    size: int
    views: tuple[View, ...]
    normalise: bool = True

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Return the inner embedder's, the side of the views, and the views."""
        views: list[Value] = [[view.margin, view.right, view.down, view.angle] for view in self.views]
        return self.inner.fingerprint | Fingerprint({"refine.view_size": self.size, "refine.views": views})

    @property
    def batch(self) -> int:
        """Return how many crops to give at once."""
        return self.inner.batch

    @property
    def reach(self) -> float:
        """Return the margin of a crop that holds all views."""
        return max(0.0, *(view.reach for view in self.views))

    def cropper(self, plain: Cropper) -> Cropper:
        """Return the cropper whose crops hold all views, somewhat finer than the tightest of them needs."""
        tightest = min(view.margin for view in self.views)
        side = math.ceil(_FINER * self.size * (1 + self.reach) / (1 + tightest))
        return replace(plain, margin=self.reach, size=side)

    def embed(self, images: Images) -> NDArray[np.float32]:
        """Return N×D vectors of N×W×W×3 RGB wide crops."""
        reach = self.reach
        vectors = np.mean(
            [self.inner.embed(np.stack([cut_view(i, view, reach, self.size) for i in images])) for view in self.views],
            axis=0,
        )
        return of_length_1(vectors, self.normalise)


def cut_view(wide: Images, view: View, reach: float, size: int) -> Images:
    """Return a view of a W×W×3 crop of margin `reach` as size×size×3; beyond the crop its edge pixels repeat."""
    scale = (1 + view.margin) / (1 + reach) * len(wide) / size  # pixels of the crop for one of the view
    if scale > 2:  # warping alone would skip pixels
        side = round(len(wide) / scale)
        wide = np.asarray(cv2.resize(wide, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scale = (1 + view.margin) / (1 + reach) * side / size
    turn, middle = math.radians(view.angle), (len(wide) - 1) / 2
    matrix = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    centre = np.array([middle, middle]) + scale * size * np.array([view.right, view.down])
    start = centre - matrix @ np.full(2, (size - 1) / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(
        wide, np.hstack([matrix, start[:, None]]), (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(cut, dtype=np.uint8)
