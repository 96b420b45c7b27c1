"""What a training is fed: crops of labelled photos, and what a teacher made of the same photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.console import info, progress
from facematch.core.errors import FacematchError
from facematch.faces.values import Box, Crop, Miss, Outcome, coverage_of, record_of
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile, Unreadable, digest_of
from facematch.pipeline.build import crops_of, photo_limits
from facematch.settings.embedding import MissChoice
from facematch.settings.root import Settings


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """Crops (N×S×S×3) of photos, the file, the identity and the box of each."""

    images: NDArray[np.uint8]
    files: tuple[PhotoFile, ...]
    identities: tuple[str, ...]
    boxes: tuple[Box, ...]

    def at(self, rows: Sequence[int]) -> "LabelledCrops":
        """Return the crops of some rows, in their order."""
        files, identities, boxes = (
            tuple(column[row] for row in rows) for column in (self.files, self.identities, self.boxes)
        )
        return LabelledCrops(np.ascontiguousarray(self.images[list(rows)]), files, identities, boxes)  # type: ignore[arg-type]

    @property
    def people(self) -> tuple[str, ...]:
        """Return the identities, each once, sorted."""
        return tuple(sorted(set(self.identities)))


class PhotoReader:
    """Photos of a training, each opened once: its digest, by which people are checked, comes with its crop.

    `sha256` holds the digests of all that were read. Only a photo without a face is opened again, where something else
    than to skip it is wanted.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sha256: dict[PhotoFile, str] = {}
        self._outcomes: dict[PhotoFile, Outcome] = {}

    def digests(self, files: Sequence[PhotoFile]) -> Iterator[str | Unreadable]:
        """Yield the SHA-256 of each photo's bytes, or the reason it cannot be read; its crop is kept for `crops`."""
        limits = photo_limits(self.settings.photos)
        for file, outcome in zip(files, crops_of(self.settings, files, "skip"), strict=True):
            self._outcomes[file] = outcome
            digest = outcome.sha256 or digest_of(file, limits)  # where it is too large for the memory, say
            if isinstance(digest, str):
                self.sha256[file] = digest
            yield digest

    def crops(self, people: LabelledPhotos, miss: MissChoice, what: str) -> LabelledCrops:
        """Crop labelled photos; `miss` says what one without a face becomes, `what` they are called on the way."""
        done = Crop | Unreadable | Miss if miss == "skip" else Crop | Unreadable
        rest = [file for file in people.files if not isinstance(self._outcomes.get(file), done)]
        if rest:
            with progress(f"cropping {what}", len(rest)) as step:
                self._outcomes |= zip(rest, crops_of(self.settings, rest, miss, step), strict=True)
        found = [(file, who, self._outcomes[file]) for file, who in people.pairs]
        self.sha256 |= {file: outcome.sha256 for file, _, outcome in found if outcome.sha256 is not None}
        if found:
            info(f"{what}: {coverage_of([record_of(outcome) for _, _, outcome in found])}")
        cropped = [(file, who, outcome) for file, who, outcome in found if isinstance(outcome, Crop)]
        size = self.settings.faces.size
        return LabelledCrops(
            np.stack([crop.image for *_, crop in cropped]) if cropped else np.empty((0, size, size, 3), np.uint8),
            tuple(file for file, _, _ in cropped),
            tuple(who for _, who, _ in cropped),
            tuple(crop.box for *_, crop in cropped),
        )


def training_crops(photos: PhotoReader, people: LabelledPhotos, what: str) -> LabelledCrops:
    """Crop the training photos; people with too few crops are left out. Raises FacematchError when few are left."""
    settings = photos.settings
    crops = photos.crops(people, settings.faces.miss_training, what)
    counts = {person: crops.identities.count(person) for person in crops.people}
    fewest = settings.identities.min_photos
    enough = crops.at([row for row, person in enumerate(crops.identities) if counts[person] >= fewest])
    if len(enough.people) < 2:
        raise FacematchError(
            f"{len(enough.people)} people are left with {fewest} cropped faces each; training needs 2 or more.",
            "Look at the crops: facematch crop FOLDER OUT. faces.miss_training: whole keeps photos without a face.",
        )
    return enough


def numbered(crops: LabelledCrops, people: Sequence[str]) -> NDArray[np.int64]:
    """Return for each of N crops the place of its person among `people`."""
    numbers = {name: number for number, name in enumerate(people)}
    return np.array([numbers[person] for person in crops.identities], dtype=np.int64)
