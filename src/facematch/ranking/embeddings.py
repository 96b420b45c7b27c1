"""The `Embeddings` value: names, vectors, metric and the fingerprint of what made them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from facematch.core.errors import FacematchError
from facematch.core.files import replacing
from facematch.core.fingerprint import Fingerprint, fingerprint_of
from facematch.core.foreign import as_kind, parse_json, reading
from facematch.core.frame import frame
from facematch.core.tensor_file import TensorHeader, read_tensor_header
from facematch.ranking.codes import pack_codes, unpack_codes
from facematch.settings.ranking import Metric

if TYPE_CHECKING:
    import pandas

EMBEDDINGS_AGAIN = "Make them with: facematch embed PHOTOS OUT.safetensors"

_FORMAT = "facematch embeddings 1"
_METRIC: TypeAdapter[Metric] = TypeAdapter(Metric)


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """N names, N×D `float32` vectors, the metric that compares them and their fingerprint.

    With metric `hamming` the vectors are packed codes, N×D/8 `uint8` for D bits (`facematch.ranking.codes`). Raises
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

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:3]) + (" …" if len(self) > 3 else "")
        return f"<{len(self)} embeddings of {self.dimensions} dimensions, compared by {self.metric}: {shown}>"

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame of pandas: a row for each name, a column for each of D numbers (of a code: −1 and +1)."""
        return frame(dict(zip(range(self.dimensions), self.as_floats().T, strict=True)), list(self.names))

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

    @staticmethod
    def load(path: Path | str) -> "Embeddings":
        """Read what `save` and `facematch embed` wrote. Raises FacematchError for any other or a damaged file."""
        return load_embeddings(Path(path))

    def save(self, path: Path | str) -> None:
        """Write a .safetensors file: the vectors, and the rest in its header."""
        from safetensors.numpy import save_file

        header = {
            "format": _FORMAT,
            "names": json.dumps(self.names),
            "metric": self.metric,
            "fingerprint": json.dumps(dict(self.fingerprint.settings)),
        }
        with replacing(Path(path)) as temporary:
            save_file({"vectors": np.ascontiguousarray(self.vectors)}, temporary, metadata=header)


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Return embeddings of one kind, with different names, as one: N×D from all parts in their order."""
    parts = [part for part in parts if len(part)] or parts[:1]  # one without a photo knows no D
    names = tuple(name for part in parts for name in part.names)
    return parts[0] if len(parts) == 1 else replace(
        parts[0], names=names, vectors=np.concatenate([part.vectors for part in parts])
    )  # fmt: skip


def load_embeddings(path: Path) -> Embeddings:
    """Read what `Embeddings.save` wrote. Raises FacematchError for any other or a damaged file."""
    header = read_tensor_header(path, "embeddings", EMBEDDINGS_AGAIN)
    texts = header.metadata
    if texts.get("format") != _FORMAT:
        raise FacematchError(f"{path} holds no embeddings of facematch.", EMBEDDINGS_AGAIN)
    with reading(path, "embeddings", EMBEDDINGS_AGAIN):
        names = parse_json(texts["names"], "header")
        return checked_embeddings(names, _read_vectors(path, header), texts["metric"], texts["fingerprint"])


def checked_embeddings(names: Any, vectors: NDArray[Any], metric: Any, fingerprint: str) -> Embeddings:
    """Return the N×D embeddings of a file, `fingerprint` as JSON. Raises ValueError for what is of another type."""
    settings = fingerprint_of(parse_json(fingerprint, "header"))
    return Embeddings(as_kind(tuple[str, ...], names), vectors, as_kind(_METRIC, metric), settings)


def _read_vectors(path: Path, header: TensorHeader) -> NDArray[Any]:
    # Read, not mapped as safetensors does: a mapped file and the copy of it take twice the memory.
    place = header.tensors["vectors"]
    with path.open("rb") as opened:
        opened.seek(header.start + place.data_offsets[0])
        kind = np.dtype({"F32": "<f4", "U8": "u1"}[place.dtype])
        vectors = np.fromfile(opened, kind, (place.data_offsets[1] - place.data_offsets[0]) // kind.itemsize)
    return vectors.reshape(place.shape)
