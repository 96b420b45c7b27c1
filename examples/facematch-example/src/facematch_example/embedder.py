"""An embedder: crops in, vectors out."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facematch.plugins import FacematchError, Fingerprint


@dataclass(frozen=True)
class MeanColour:
    """The mean colour of each cell of a grid of `side`×`side` over the crop: 3·side² numbers."""

    side: int = 4
    batch: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.side <= 16:
            raise FacematchError(f"embedder.options.side is {self.side}; expected 1 to 16.")

    @property
    def fingerprint(self) -> Fingerprint:
        """Return all that decides a vector."""
        return Fingerprint({"embedder.kind": "mean-colour", "embedder.side": self.side})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×(3·side²) means, from 0 to 1, of N×S×S×3 RGB crops."""
        edges = np.linspace(0, images.shape[1], self.side + 1).astype(int)
        cells = [
            images[:, top:bottom, left:right].mean(axis=(1, 2))
            for top, bottom in pairwise(edges)
            for left, right in pairwise(edges)
        ]
        return np.concatenate(cells, axis=1).astype(np.float32) / 255
