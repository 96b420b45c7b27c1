"""What turns crops into embeddings. Each file is one `Embedder`; nothing after it knows which it was."""

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint


class Embedder(Protocol):
    """Crops in, vectors out. Made cheaply: heavy work waits for the first `embed`."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Return everything after the crop that decides an embedding."""

    @property
    def batch(self) -> int:
        """Return how many crops to give at once."""

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×D vectors of N×S×S×3 RGB crops."""


def resized(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return N×S×S×3 crops brought to `size` pixels a side; of that size they are returned as they are."""
    if images.shape[1] == size:
        return images
    how = cv2.INTER_AREA if images.shape[1] > size else cv2.INTER_CUBIC
    found = np.empty((len(images), size, size, 3), np.uint8)
    for number, image in enumerate(images):
        found[number] = cv2.resize(image, (size, size), interpolation=how)
    return found


def of_length_1(vectors: NDArray[np.floating[Any]], normalise: bool = True) -> NDArray[np.float32]:
    """Return N×D vectors scaled to length 1, where the zero vector stays; without `normalise` as they are."""
    if not normalise:
        return np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
