"""Perceptual hashes of ImageHash as embeddings: signs, which `ranking.metric: hamming` packs and counts."""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from math import isqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint

HashKind = Literal["phash", "dhash", "whash"]


@dataclass(frozen=True)
class HashEmbedder:
    """A hash of each crop: `phash` of its lowest DCT frequencies, `dhash` of its differences from left to right,
    `whash` of its Haar wavelets (Buchner, ImageHash).

    `bits` is a square of a multiple of 4, and for whash of a power of 2: 16, 64, 256. Raises FacematchError for
    another number and where ImageHash is not installed.
    """

    kind: HashKind
    bits: int = 64
    batch: int = 256

    def __post_init__(self) -> None:
        side = isqrt(max(0, self.bits))
        if not side or side * side != self.bits or side % 4 or (self.kind == "whash" and side & (side - 1)):
            raise FacematchError(f"{self.kind} has no {self.bits} bits.", "Use 16, 64 or 256.")
        _library_version()

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Return the kind of hash, its bits and the version of ImageHash."""
        values = {"kind": self.kind, "bits": self.bits, "imagehash": _library_version()}
        return Fingerprint({f"embedder.{key}": value for key, value in values.items()})

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return N×bits signs, −1 or +1, of N×S×S×3 RGB crops: the bits as ImageHash orders them."""
        import imagehash

        hashed: Any = getattr(imagehash, self.kind)
        bits = [hashed(PillowImage.fromarray(image), hash_size=isqrt(self.bits)).hash.ravel() for image in images]
        return np.where(np.reshape(bits, (len(images), self.bits)), np.float32(1), np.float32(-1))


def _library_version() -> str:
    try:
        return version("ImageHash")
    except PackageNotFoundError:
        raise FacematchError(
            "phash, dhash and whash need ImageHash, which is not installed.",
            "Run: pip install 'facematch[hashes]', or pip install ImageHash; the system pixels needs neither.",
        ) from None
