"""Labels from two detectors: where they agree is a face, where one is alone nothing is known."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, FiniteFloat

from facematch.core.cache import Cache
from facematch.core.fingerprint import Fingerprint
from facematch.core.foreign import as_kind
from facematch.faces.boxes import counterpart
from facematch.faces.detectors import Detector
from facematch.faces.stream import in_order
from facematch.faces.values import Face
from facematch.photos.encoded import jpeg_bytes
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, decode, read_bytes
from facematch.photos.pixels import Rgb

_POINTS_APART = 0.25  # of the distance between the eyes, on average: more is no agreement
_SURE = 0.6  # the score from which two boxes that agree are a face; the detectors look from a lower one on


@dataclass(frozen=True, eq=False)
class Labelled:
    """An upright photo as a JPEG, its faces' boxes (F×4: left, top, right, bottom) and points (F×5×2) in pixels.

    `unknown` (U×4) are places that one detector took for a face and the other did not: nothing is learned there.
    """

    data: bytes
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    unknown: NDArray[np.float32]


class _Row(BaseModel):
    boxes: list[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]]
    points: list[list[tuple[FiniteFloat, FiniteFloat]]]
    unknown: list[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]]


def label_photos(
    files: Sequence[PhotoFile],
    detectors: tuple[Detector, Detector],
    overlap: float,
    cache: Path,
    limits: PhotoLimits,
    workers: int,
    on_progress: Callable[[int], None],
) -> list[Labelled]:
    """Return every photo that can be read with its labels, in the order of `files`; labels are kept in `cache`."""
    fingerprint = Fingerprint(
        {
            "overlap": overlap,
            "apart": _POINTS_APART,
            "sure": _SURE,
            **{f"{each.name}.{key}": value for each in detectors for key, value in each.settings().items()},
        }
    )
    with Cache(cache / f"labels-{fingerprint.digest[:16]}.sqlite") as kept:

        def one(file: PhotoFile) -> Labelled | None:
            read = read_bytes(file, limits)
            if isinstance(read, Unreadable):
                return None
            data, sha256 = read
            photo = decode(file.name, data, sha256, limits)
            if isinstance(photo, Unreadable):
                return None
            row = kept.read(sha256, lambda note, _: as_kind(_Row, json.loads(note)))
            if row is None:
                row = _agreed(photo.image, detectors, overlap)
                kept.put(sha256, row.model_dump_json(), b"")
            return Labelled(
                jpeg_bytes(photo.image, 95),
                np.array(row.boxes, np.float32).reshape(-1, 4),
                np.array(row.points, np.float32).reshape(-1, 5, 2),
                np.array(row.unknown, np.float32).reshape(-1, 4),
            )

        labelled = []
        for done, each in enumerate(in_order(one, files, workers), start=1):
            on_progress(done)
            if each is not None:
                labelled.append(each)
    return labelled


def _agreed(image: Rgb, detectors: tuple[Detector, Detector], overlap: float) -> _Row:
    # Each face of the first with the face of the second that covers it best; what is left of both is unknown.
    first, second = (each.detect(image) for each in detectors)
    row, alone = _Row(boxes=[], points=[], unknown=[]), list(second)
    for face in sorted(first, key=lambda each: -each.score):
        other = counterpart(face, alone, overlap)
        if other is None:
            row.unknown.append(_corners(face))
            continue
        alone.remove(other)
        points, others = np.array(face.points), np.array(other.points)
        eyes = max(1.0, float(np.linalg.norm(points[0] - points[1])), float(np.linalg.norm(others[0] - others[1])))
        apart = float(np.linalg.norm(points - others, axis=1).mean()) / eyes
        if apart > _POINTS_APART or min(face.score, other.score) < _SURE:
            row.unknown += [_corners(face), _corners(other)]
            continue
        mean = (np.array(_corners(face)) + np.array(_corners(other))) / 2
        row.boxes.append(tuple(mean.tolist()))
        row.points.append([tuple(pair) for pair in ((points + others) / 2).tolist()])
    row.unknown += [_corners(face) for face in alone]
    return row


def _corners(face: Face) -> tuple[float, float, float, float]:
    return face.x, face.y, face.x + face.width, face.y + face.height
