"""What cropping makes of a photo: a `Crop`, or a `Miss` with the reason there is none."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.photos.photo import Unreadable

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the photo
Status = Literal["found", "whole", "centre", "miss", "unreadable"]


@dataclass(frozen=True)
class Face:
    """One detected face: box in pixels of the photo, the detector's own score, and for detectors
    that give them five points (eyes, nose, mouth corners; left of the picture first)."""

    x: float
    y: float
    width: float
    height: float
    score: float
    detector: str
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Crop:
    """A square RGB `uint8` S×S×3 picture of one face, and where it came from.

    `reason` is empty for a detected face; otherwise it is why the whole photo or its centre
    is in place of one.
    """

    name: str
    sha256: str
    image: Image
    box: Box
    detector: str
    score: float
    reason: str = ""

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
            raise ValueError(f"a crop is uint8 S×S×3; {self.name} is {self.image.dtype} {shape}")


@dataclass(frozen=True)
class Miss:
    """A photo that was read and shows no face the detector finds."""

    name: str
    sha256: str
    reason: str


Outcome = Crop | Miss | Unreadable


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """How one file ended, without pixels: a row of the crop table; `digest` is the SHA-256 of the file's bytes."""

    name: str
    status: Status
    detector: str = ""
    box: Box | None = None
    score: float = 0.0
    reason: str = ""
    digest: bytes = b""  # half the memory of its 64 hex digits: a gallery has a million of them

    @property
    def sha256(self) -> str:
        """Return the digest as 64 hex digits; empty for a file that could not be read."""
        return self.digest.hex()


def record_of(outcome: Outcome) -> FaceRecord:
    """Return the row of how one file ended."""
    digest = bytes.fromhex(outcome.sha256 or "")
    if isinstance(outcome, Crop):
        status: Status = "found"
        if outcome.reason:
            status = "centre" if outcome.detector == "centre" else "whole"
        return FaceRecord(outcome.name, status, outcome.detector, outcome.box, outcome.score, outcome.reason, digest)
    status = "miss" if isinstance(outcome, Miss) else "unreadable"
    return FaceRecord(outcome.name, status, reason=outcome.reason, digest=digest)


@dataclass(frozen=True)
class Coverage:
    """How many files were met and how they ended; the parts add up to `files`."""

    files: int
    found: int
    stand_in: int  # no face found: the whole photo or its centre is used
    missed: int  # no face found: left out
    unreadable: int
    uncropped: bool = False  # nobody looked for faces: `found` are whole photos

    def __str__(self) -> str:
        read = self.files - self.unreadable
        share = f" ({self.found / read:.1%})" if read else ""
        parts = [
            f"{self.found} photos, taken whole" if self.uncropped else f"{self.found} faces in {read} photos{share}"
        ]
        if self.stand_in:
            parts.append(f"{self.stand_in} without a face: whole photo or centre used")
        if self.missed:
            parts.append(f"{self.missed} without a face: left out")
        if self.unreadable:
            parts.append(f"{self.unreadable} file{'s' if self.unreadable > 1 else ''} not read")
        return ", ".join(parts)


def coverage_of(records: Iterable[FaceRecord]) -> Coverage:
    """Count how files ended."""
    ended = Counter((record.status, record.detector) for record in records)
    counts: Counter[Status] = Counter()
    for (status, _), number in ended.items():
        counts[status] += number
    return Coverage(
        files=counts.total(),
        found=counts["found"],
        stand_in=counts["whole"] + counts["centre"],
        missed=counts["miss"],
        unreadable=counts["unreadable"],
        uncropped={detector for status, detector in ended if status == "found"} == {"whole"},
    )
