"""From photo files to `Embeddings`: the stage between the cropper and the ranking.

What was embedded before, by content and settings, is read from the cache; only the rest is cropped
and embedded.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from facematch.core.cache import Cache
from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders import Embedder
from facematch.faces.cropper import Cropper
from facematch.faces.stream import crop_bytes, crop_cache, in_order
from facematch.faces.values import Crop, FaceRecord, Status, record_of
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, read_bytes
from facematch.ranking.embeddings import Embeddings
from facematch.settings.embedding import MissChoice

_MOVED = 4096  # rows at once
_Found = tuple[FaceRecord, Crop | NDArray[np.float32] | None]  # how a file ended: to be embedded, as kept, without


@dataclass(frozen=True, eq=False)
class EmbeddedPhotos:
    """Embeddings of the photos that have one, and how every file ended, in the order given."""

    embeddings: Embeddings
    records: tuple[FaceRecord, ...]


@dataclass(frozen=True)
class PhotoEmbedder:
    """Everything that turns a photo file into an embedding."""

    cropper: Cropper
    embedder: Embedder
    metric: str
    miss: MissChoice
    limits: PhotoLimits
    cache: Path
    workers: int | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """Return what decides an embedding of a found face."""
        return self.cropper.fingerprint | self.embedder.fingerprint

    def run(self, files: Sequence[PhotoFile], on_progress: Callable[[int], None] | None = None) -> EmbeddedPhotos:
        """Embed every file that can be. `on_progress` gets the number of files done.

        Raises FacematchError for a photo without a face when `miss` is error, for embeddings that hold NaN, and for
        an embedder that does not give one vector of one length for each crop.
        """
        try:
            return self._run(files, on_progress, fresh=False)
        except _OtherLengthError:  # what is kept was changed: a cache costs time, never a run
            warnings.warn(f"embeddings in {self.cache} are of different lengths: all are made again", stacklevel=2)
            return self._run(files, on_progress, fresh=True)

    def _run(
        self, files: Sequence[PhotoFile], on_progress: Callable[[int], None] | None, *, fresh: bool
    ) -> EmbeddedPhotos:
        digest = (self.fingerprint | Fingerprint({"faces.miss": self.miss})).digest
        records: list[FaceRecord] = []
        vectors = _Vectors(len(files))
        waiting: list[tuple[int, Crop]] = []
        with (
            crop_cache(self.cache, self.cropper) as crops,
            Cache(self.cache / f"embeddings-{digest[:16]}.sqlite") as kept,
        ):
            for index, (record, image) in enumerate(self._each(files, crops, kept, fresh=fresh)):
                if isinstance(image, Crop):
                    waiting.append((index, image))
                elif image is not None:
                    vectors.put(index, image)
                records.append(record)
                if len(waiting) == self.embedder.batch:
                    self._flush(waiting, vectors, kept)
                if on_progress is not None:
                    on_progress(index + 1)
            self._flush(waiting, vectors, kept)
        there, matrix = vectors.take()
        coded = self.metric == "hamming"
        names = tuple(file.name for file in compress(files, there))
        found = Embeddings(names, matrix, "euclidean" if coded else self.metric, self.fingerprint)
        return EmbeddedPhotos(found.as_codes() if coded else found, tuple(records))

    def _each(self, files: Sequence[PhotoFile], crops: Cache, kept: Cache, *, fresh: bool) -> Iterator[_Found]:
        def one(file: PhotoFile) -> _Found:
            read = read_bytes(file, self.limits)
            if isinstance(read, Unreadable):
                return record_of(read), None
            data, sha256 = read
            if not fresh:
                known = kept.read(sha256, lambda note, row: (_from_note(note, file.name, sha256), _vector(row)))
                if known is not None:
                    return known
            outcome = crop_bytes(file.name, data, sha256, self.cropper, crops, self.miss, self.limits)
            return record_of(outcome), outcome if isinstance(outcome, Crop) else None

        return in_order(one, files, self.workers or os.cpu_count() or 1)

    def _flush(self, waiting: list[tuple[int, Crop]], vectors: "_Vectors", kept: Cache) -> None:
        if not waiting:
            return
        rows = self.embedder.embed(np.stack([crop.image for _, crop in waiting]))
        if rows.ndim != 2 or len(rows) != len(waiting):
            raise FacematchError(
                f"the embedder gave vectors of shape {rows.shape} for {len(waiting)} crops; expected one for each.",
                "Use another model: whose vector is whose is not known.",
            )
        for (index, crop), row in zip(waiting, rows, strict=True):
            vectors.put(index, row)
            if np.isfinite(row).all():
                kept.put(crop.sha256, _note(record_of(crop)), row.tobytes())
        waiting.clear()


class _OtherLengthError(FacematchError):
    pass


class _Vectors:
    # Rows of a matrix that is made once, so that no second copy of all embeddings is ever in memory.

    def __init__(self, count: int) -> None:
        self.there = np.zeros(count, dtype=bool)
        self.matrix = np.empty((0, 0), np.float32)

    def put(self, row: int, vector: NDArray[np.float32]) -> None:
        """Keep the vector of a row."""
        if not self.matrix.size:
            self.matrix = np.empty((len(self.there), len(vector)), np.float32)
        if len(vector) != self.matrix.shape[1]:
            raise _OtherLengthError(f"embeddings of {self.matrix.shape[1]} and of {len(vector)} numbers came together.")
        self.matrix[row], self.there[row] = vector, True

    def take(self) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Return which rows are there, and their vectors, which move up in place."""
        rows = np.flatnonzero(self.there)
        if len(rows) < len(self.there):
            for start in range(0, len(rows), _MOVED):  # up, so that no row is written over before it is read
                block = rows[start : start + _MOVED]
                self.matrix[start : start + len(block)] = self.matrix[block]
        return self.there, self.matrix[: len(rows)]


def _note(record: FaceRecord) -> str:
    return json.dumps({key: getattr(record, key) for key in ("status", "detector", "box", "score", "reason")})


def _from_note(note: str, name: str, sha256: str) -> FaceRecord:
    values = json.loads(note)  # of an earlier version: with keys that are not needed
    status, detector = (sys.intern(values[key]) for key in ("status", "detector"))  # one text for all photos
    box, score, reason = values["box"], values["score"], values["reason"]
    box = None if box is None else tuple(map(int, box))
    if status not in get_args(Status) or not isinstance(reason, str) or (box is not None and len(box) != 4):
        raise ValueError("its note is of another kind")
    return FaceRecord(name, cast(Status, status), detector, box, float(score), reason, bytes.fromhex(sha256))


def _vector(data: bytes) -> NDArray[np.float32]:
    vector = np.frombuffer(data, np.float32)
    if not vector.size or not np.isfinite(vector).all():
        raise ValueError("its numbers are damaged")
    return vector
