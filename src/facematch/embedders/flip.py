"""Flip test-time augmentation: a face and its mirror image make one embedding."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.embedders import Embedder, of_length_1


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

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D vectors of N×S×S×3 RGB crops."""
        vectors = (self.inner.embed(images) + self.inner.embed(np.ascontiguousarray(images[:, :, ::-1]))) / 2
        if self.normalise:
            return of_length_1(vectors)
        return vectors.astype(np.float32)
