"""Grey pixels as an embedding: the floor that every trained network has to beat."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.embedders import of_length_1


@dataclass(frozen=True)
class PixelEmbedder:
    """A crop in grey, reduced to side×side, less its mean, scaled to length 1."""

    side: int = 64
    batch: int = 256

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the side."""
        return Fingerprint({"embedder.kind": "pixels", "embedder.side": self.side})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×side² vectors of N×S×S×3 RGB crops; a crop of one colour becomes the zero vector."""
        rows = np.empty((len(images), self.side * self.side), dtype=np.float32)
        for row, image in zip(rows, images, strict=True):
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            row[:] = cv2.resize(grey, (self.side, self.side), interpolation=cv2.INTER_AREA).ravel()
        rows -= rows.mean(axis=1, keepdims=True)
        return of_length_1(rows)
