"""What a training is fed: crops of labelled photos, and what a teacher made of the same photos."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.core.console import info, progress
from facematch.core.errors import FacematchError
from facematch.embedders import Embedder
from facematch.embedders.views import FlipEmbedder
from facematch.faces.stream import in_order
from facematch.faces.values import Box, Crop, Miss, Outcome, coverage_of, record_of
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import Photo, PhotoFile, Unreadable, digest_of, made_of, read_photo
from facematch.pipeline.build import build_cropper, build_embedder, crops_of, photo_embedder, photo_limits
from facematch.settings.embedding import MissChoice
from facematch.settings.root import Settings
from facematch.settings.training import TeacherSettings
from facematch.tasks.training.blending import Blends, FaceFrame, face_frame
from facematch.tasks.training.data import TrainingSet


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


def training_set(settings: Settings, crops: LabelledCrops) -> TrainingSet:
    """Return the crops with their people numbered in the order of their names, and what a teacher makes of them."""
    data = TrainingSet(crops.images, numbered(crops, crops.people), len(crops.people))
    if (teacher := settings.loss.teacher) is None:
        return data
    embedder, blends = teacher_embedder(settings, teacher), None
    targets = teacher_targets(settings, teacher, embedder, crops.files)
    if teacher.blends:
        blends = Blends(*frames_to_blend(settings, teacher, crops), teacher.blends, embedder.embed)
    return replace(data, targets=targets, blends=blends)


def numbered(crops: LabelledCrops, people: Sequence[str]) -> NDArray[np.int64]:
    """Return for each of N crops the place of its person among `people`."""
    numbers = {name: number for number, name in enumerate(people)}
    return np.array([numbers[person] for person in crops.identities], dtype=np.int64)


def teacher_embedder(settings: Settings, teacher: TeacherSettings) -> Embedder:
    """Return what embeds the teacher's crops. Raises FacematchError for a teacher that cannot be loaded."""
    faces = teacher.faces or settings.faces
    embedder = build_embedder(settings.model_copy(update={"embedder": teacher.embedder, "faces": faces}))
    return FlipEmbedder(embedder) if teacher.flip else embedder


def teacher_targets(
    settings: Settings, teacher: TeacherSettings, embedder: Embedder, files: Sequence[PhotoFile]
) -> NDArray[np.float32]:
    """Return the teacher's embeddings N×E of the training photos; a row of NaN where it finds no face.

    Each photo is embedded once, from its own clean crop, and kept in the cache of embeddings. Raises FacematchError
    when the teacher embeds no photo.
    """
    faces = teacher.faces or settings.faces
    taught = settings.model_copy(update={"faces": faces.model_copy(update={"miss": faces.miss_training})})
    stage = replace(photo_embedder(taught, embedder), metric="cosine")
    with progress("the teacher embeds", len(files)) as step:
        found = stage.run(files, step)
    if not len(found.embeddings):
        raise FacematchError(
            "the teacher embedded none of the training photos: " + str(coverage_of(found.records)) + ".",
            "Look at loss.teacher.faces: it describes how its crops are made.",
        )
    rows = {file.name: row for row, file in enumerate(files)}
    targets = np.full((len(files), found.embeddings.vectors.shape[1]), np.nan, np.float32)
    targets[[rows[name] for name in found.embeddings.names]] = found.embeddings.vectors
    info(f"teacher: {coverage_of(found.records)}; embeddings of {targets.shape[1]} numbers")
    return targets


def frames_to_blend(settings: Settings, teacher: TeacherSettings, crops: LabelledCrops) -> tuple[list[FaceFrame], int]:
    """Return the photos' faces, aligned and ready to be blended, and the side of the teacher's crops in pixels.

    Raises FacematchError where the teacher's detector finds fewer than two faces.
    """
    assert teacher.faces is not None
    cropper, limits = build_cropper(teacher.faces), photo_limits(settings.photos)
    boxes = {file.name: box for file, box in zip(crops.files, crops.boxes, strict=True)}

    def frame_of(name: str, photo: Photo) -> FaceFrame | None:
        face = cropper.face(photo)
        return None if face is None else face_frame(photo.image, face.points, boxes[name], settings.faces.margin)

    def framed(file: PhotoFile) -> FaceFrame | None:
        photo = read_photo(file, limits)
        frame = photo if isinstance(photo, Unreadable) else made_of(photo, lambda whole: frame_of(file.name, whole))
        return None if isinstance(frame, Unreadable) else frame

    frames: list[FaceFrame] = []
    with progress("aligning faces to blend", len(crops.files)) as step:
        for number, frame in enumerate(in_order(framed, crops.files, os.cpu_count() or 1)):
            frames += [] if frame is None else [frame]
            step(number + 1)
    if len(frames) < 2:
        raise FacematchError(
            f"{len(frames)} faces were found to blend; loss.teacher.blends needs two or more.",
            "Look at loss.teacher.faces, or set loss.teacher.blends: 0.",
        )
    return frames, cropper.size
