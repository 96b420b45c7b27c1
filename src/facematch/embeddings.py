"""The `Embeddings` value: names, vectors, metric and the fingerprint of what made them."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.codes import pack_codes, unpack_codes
from facematch.errors import FacematchError
from facematch.files import replacing
from facematch.fingerprint import Fingerprint

_FORMAT = "facematch embeddings 1"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """N names, N×D `float32` vectors, the metric that compares them and their fingerprint.

    With metric `hamming` the vectors are packed codes, N×D/8 `uint8` for D bits (`facematch.codes`). Raises
    FacematchError when names and vectors do not belong together, a name is given twice, a vector holds
    NaN or infinity, and for codes under another metric or floats under `hamming`.
    """

    names: tuple[str, ...]
    vectors: NDArray[Any]
    metric: str
    fingerprint: Fingerprint

    def __post_init__(self) -> None:
        wanted = "packed uint8 N×D/8" if self.packed else "float32 N×D"
        if self.vectors.ndim != 2 or self.vectors.dtype != (np.uint8 if self.packed else np.float32):
            raise FacematchError(
                f"embeddings compared by {self.metric} are {wanted}; "
                f"found {self.vectors.dtype} of shape {self.vectors.shape}.",
                "Embed with ranking.metric: hamming for codes, with another metric for vectors.",
            )
        if len(self.names) != len(self.vectors):
            raise FacematchError(f"{len(self.names)} names but {len(self.vectors)} embeddings.")
        ordered = all(one < other for one, other in pairwise(self.names))  # as of a folder: a set of them all is large
        if not ordered and len(set(self.names)) != len(self.names):
            twice = next(name for i, name in enumerate(self.names) if name in self.names[:i])
            raise FacematchError(f"{twice} stands twice among the names of the embeddings.")
        bad = ~np.isfinite(self.vectors.sum(axis=1, dtype=np.float64))  # of float32 numbers it cannot overflow
        if bad.any():
            names = [self.names[i] for i in np.flatnonzero(bad)]
            raise FacematchError(
                f"{len(names)} of {len(self.names)} embeddings hold NaN or infinity, first {names[0]}.",
                "The network is broken (training diverged, or a damaged file): use another checkpoint.",
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def packed(self) -> bool:
        """Return whether the vectors are packed codes."""
        return self.metric == "hamming"

    @property
    def dimensions(self) -> int:
        """Return D: numbers of a vector, or bits of a code."""
        return int(self.vectors.shape[1]) * (8 if self.packed else 1)

    def as_codes(self) -> "Embeddings":
        """Return the signs of the vectors as packed codes, to be compared by Hamming distance."""
        return self if self.packed else replace(self, vectors=pack_codes(self.vectors), metric="hamming")

    def as_floats(self) -> NDArray[np.float32]:
        """Return N×D numbers: the vectors, or the signs −1 and +1 of codes."""
        return unpack_codes(self.vectors) if self.packed else self.vectors

    def at(self, rows: Sequence[int]) -> "Embeddings":
        """Return the embeddings of some rows, in the order given."""
        return replace(self, names=tuple(self.names[row] for row in rows), vectors=self.vectors[list(rows)])

    def save(self, path: Path) -> None:
        """Write a .safetensors file: the vectors, and the rest in its header."""
        from safetensors.numpy import save_file

        header = {
            "format": _FORMAT,
            "names": json.dumps(self.names),
            "metric": self.metric,
            "fingerprint": json.dumps(dict(self.fingerprint.settings)),
        }
        with replacing(path) as temporary:
            save_file({"vectors": np.ascontiguousarray(self.vectors)}, temporary, metadata=header)


def load_embeddings(path: Path) -> Embeddings:
    """Read what `Embeddings.save` wrote. Raises FacematchError for any other or a damaged file."""
    header = read_safetensors_header(path, "embeddings")
    if header.get("format") != _FORMAT:
        raise FacematchError(
            f"{path} holds no embeddings of facematch.",
            "Make them with: facematch embed PHOTOS OUT.safetensors",
        )
    try:
        vectors = _read_vectors(path)
        names = tuple(str(name) for name in json.loads(header["names"]))
        fingerprint = Fingerprint(json.loads(header["fingerprint"]))
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise FacematchError(f"{path} is damaged: {error}.", "Make the embeddings again.") from error
    return Embeddings(names, vectors, header["metric"], fingerprint)


def _read_vectors(path: Path) -> NDArray[Any]:
    # Read, not mapped as safetensors does: a mapped file and the copy of it take twice the memory.
    with path.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        described = json.loads(opened.read(length))["vectors"]
        opened.seek(described["data_offsets"][0], 1)
        vectors = np.fromfile(opened, {"F32": "<f4", "U8": "u1"}[described["dtype"]])
    return vectors.reshape(described["shape"])


def read_safetensors_header(path: Path, what: str) -> dict[str, str]:
    """Return the text metadata of a .safetensors file without reading its tensors.

    The format: 8 bytes little-endian length, then that much JSON with `__metadata__`.
    """
    try:
        with path.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > 100_000_000:
                raise ValueError("its header is too long")
            header = json.loads(opened.read(length))
            metadata = header.get("__metadata__", {})
            end = 8 + length + max((t["data_offsets"][1] for k, t in header.items() if k != "__metadata__"), default=0)
            opened.seek(0, 2)
            if opened.tell() != end:
                raise ValueError(f"it is {opened.tell()} bytes long, {end} were written: cut short or changed")
    except FileNotFoundError:
        raise FacematchError(f"{what}: {path} does not exist.") from None
    except (OSError, ValueError, struct.error, KeyError, AttributeError, TypeError) as error:
        raise FacematchError(f"{what}: {path} is not a whole .safetensors file: {error}.") from error
    return {str(key): str(value) for key, value in metadata.items()}
