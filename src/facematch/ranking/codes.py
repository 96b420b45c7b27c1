"""Binary codes: the signs of an embedding, eight to a byte, compared by Hamming distance."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.core.errors import FacematchError

Codes = NDArray[np.uint8]

_CELLS = 4_000_000  # words compared at once


def pack_codes(vectors: ArrayLike) -> Codes:
    """Return the codes (N×D/8 `uint8`) of N×D numbers: a bit is 1 where the number is 0 or more, else 0.

    So the sign of 0, and of −0, is +1: a definite bit. The first number is the highest bit of the first
    byte. Raises FacematchError when D is no multiple of 8.
    """
    given = np.asarray(vectors)
    if given.ndim != 2 or given.shape[1] % 8 or (len(given) and not given.shape[1]):
        raise FacematchError(
            f"codes have a multiple of 8 bits; found embeddings of shape {given.shape}.",
            "Set network.embedding, the code size, to 16, 32, 48, 64 or another multiple of 8.",
        )
    return np.packbits(given >= 0, axis=1)


def unpack_codes(codes: Codes) -> NDArray[np.float32]:
    """Return N×D signs, −1 or +1 `float32`, of N×D/8 packed codes."""
    return np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1


def hamming_distances(query: Codes, gallery: Codes) -> NDArray[np.uint16]:
    """Return the number of different bits (Q×N `uint16`) of each of Q packed codes from each of N."""
    found = np.empty((len(query), len(gallery)), dtype=np.uint16)
    step = max(1, _CELLS // max(1, gallery.size))
    for start in range(0, len(query), step):
        found[start : start + step] = differing_bits(query[start : start + step, None], gallery)
    return found


def differing_bits(left: Codes, right: Codes) -> NDArray[np.uint16]:
    """Return the number of different bits of packed codes (…×D/8) along the last axis; the others are broadcast."""
    if left.shape[-1] != right.shape[-1]:
        raise ValueError(f"codes of {left.shape[-1] * 8} and {right.shape[-1] * 8} bits cannot be compared")
    one, other = _words(left), _words(right)
    found = np.zeros(np.broadcast_shapes(left.shape[:-1], right.shape[:-1]), dtype=np.uint16)
    for word in range(one.shape[-1]):  # few: summing along a short axis would be several times slower
        found += np.bitwise_count(one[..., word] ^ other[..., word])
    return found


def _words(codes: Codes) -> NDArray[Any]:
    # The widest words that the code size is a multiple of.
    width = next(bytes_ for bytes_ in (8, 4, 2, 1) if codes.shape[-1] % bytes_ == 0)
    return np.ascontiguousarray(codes).view(f"u{width}")
