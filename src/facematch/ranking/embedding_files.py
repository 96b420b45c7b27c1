"""Embeddings as files: what a name's ending says is what is written; those of .safetensors and .npz are read again.

| ending | holds |
| --- | --- |
| .safetensors | `vectors`; names, metric and fingerprint in its header |
| .npz | arrays `names` (text), `vectors`, `metric` and `fingerprint` (JSON); none of them pickled |
| .csv | a row for each photo: its name, then its numbers, or the bits of its code |
| .parquet | columns `name` and `vector` (a list of numbers or bits); metric and fingerprint with the schema |
"""

import csv
import json
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.files import replacing
from facematch.core.foreign import reading
from facematch.ranking.embeddings import EMBEDDINGS_AGAIN, Embeddings, checked_embeddings, load_embeddings

_FORMAT = "facematch embeddings 1"
_PACKED = 20  # times a file's own size that its arrays may have
_ROWS = 4096  # at once


def require_ending(path: Path) -> None:
    """Raise FacematchError where `write_embeddings` could not write to a file of this name, before anything is done."""
    if path.suffix.lower() not in _WRITERS:
        raise FacematchError(
            f"{path}: embeddings are written as {', '.join(_WRITERS)}; its name ends in {path.suffix or 'none'!r}.",
            f"For example: {path.with_suffix('.safetensors').name}",
        )
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise FacematchError(f"{path}: Parquet needs pyarrow, which is not installed.", "Run: pip install pyarrow")


def write_embeddings(path: Path, embeddings: Embeddings) -> None:
    """Write what the name says, whole or not at all. Raises FacematchError as `require_ending` and `replacing`."""
    require_ending(path)
    _WRITERS[path.suffix.lower()](path, embeddings)


def read_embeddings(path: Path) -> Embeddings:
    """Read .safetensors or .npz as written here, whatever the file is called. Raises FacematchError for any other."""
    with reading(path, "embeddings", EMBEDDINGS_AGAIN):
        with path.open("rb") as opened:
            head = opened.read(4)
        if head[:2] == b"PK":
            return _from_npz(path)
        if head == b"PAR1" or path.suffix.lower() in (".csv", ".parquet"):
            raise FacematchError(
                f"{path}: embeddings are read from .safetensors and .npz; .csv and .parquet are for other programs.",
                "Embed the photos once more, to a .safetensors file: what is in the cache is not computed again.",
            )
    return load_embeddings(path)


def _to_npz(path: Path, embeddings: Embeddings) -> None:
    with replacing(path) as temporary, temporary.open("wb") as opened:
        np.savez(
            opened,
            names=np.array(embeddings.names, dtype=np.str_),
            vectors=embeddings.vectors,
            metric=np.array(embeddings.metric),
            fingerprint=np.array(json.dumps(dict(embeddings.fingerprint.settings))),
            format=np.array(_FORMAT),
        )


def _from_npz(path: Path) -> Embeddings:
    with zipfile.ZipFile(path) as archive:
        if sum(each.file_size for each in archive.infolist()) > _PACKED * path.stat().st_size:
            raise ValueError(f"its arrays are more than {_PACKED} times as large as the file")
    with np.load(path, allow_pickle=False) as arrays:
        if "format" not in arrays or str(arrays["format"]) != _FORMAT:
            raise FacematchError(f"{path} holds no embeddings of facematch.", EMBEDDINGS_AGAIN)
        names, metric, fingerprint = (arrays[key].tolist() for key in ("names", "metric", "fingerprint"))
        return checked_embeddings(names, arrays["vectors"], metric, fingerprint)


def _to_csv(path: Path, embeddings: Embeddings) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened,
    ):
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(["name", *(str(number) for number in range(1, embeddings.dimensions + 1))])
        for start in range(0, len(embeddings), _ROWS):
            numbers = _numbers(embeddings, start)
            written = numbers.astype(np.str_)  # the fewest digits that are read back as the same number
            table.writerows(zip(embeddings.names[start : start + _ROWS], *written.T, strict=True))


def _to_parquet(path: Path, embeddings: Embeddings) -> None:
    import pyarrow
    from pyarrow import parquet

    kind = pyarrow.list_(pyarrow.uint8() if embeddings.packed else pyarrow.float32(), embeddings.dimensions)
    metadata = {"metric": embeddings.metric, "fingerprint": json.dumps(dict(embeddings.fingerprint.settings))}
    schema = pyarrow.schema({"name": pyarrow.string(), "vector": kind}, metadata=metadata)
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(embeddings), _ROWS):
            some = embeddings.names[start : start + _ROWS]
            names = [name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in some]
            numbers = pyarrow.array(_numbers(embeddings, start).ravel())
            vectors = pyarrow.FixedSizeListArray.from_arrays(numbers, type=kind)
            writer.write_table(pyarrow.table([names, vectors], schema=schema))


def _numbers(embeddings: Embeddings, start: int) -> NDArray[Any]:
    # Some rows as numbers, or as the bits of their codes.
    rows = embeddings.vectors[start : start + _ROWS]
    return np.unpackbits(rows, axis=1) if embeddings.packed else rows


_WRITERS: Mapping[str, Callable[[Path, Embeddings], None]] = {
    ".safetensors": lambda path, embeddings: embeddings.save(path),
    ".npz": _to_npz,
    ".csv": _to_csv,
    ".parquet": _to_parquet,
}
