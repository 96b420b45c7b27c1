"""What a network's teachers make of the training photos, and of faces blended of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.core.console import info, progress
from facematch.core.errors import FacematchError
from facematch.embedders import Embedder
from facematch.embedders.views import FlipEmbedder
from facematch.faces.stream import in_order
from facematch.faces.templates import template_points
from facematch.faces.values import coverage_of
from facematch.identities.domains import PHOTO
from facematch.photos.photo import Photo, PhotoFile, Unreadable, made_of, read_photo
from facematch.pipeline.build import build_cropper, build_embedder, photo_embedder, photo_limits
from facematch.settings.root import Settings
from facematch.settings.training import TeacherModel, TeacherSettings
from facematch.tasks.training.blending import Blends, FaceFrame, aligned, aligned_frame, face_frame
from facematch.tasks.training.crops import LabelledCrops, numbered
from facematch.tasks.training.data import TrainingSet

Vectors = NDArray[np.float32]


def training_set(settings: Settings, crops: LabelledCrops) -> TrainingSet:
    """Return the crops with their people numbered in the order of their names, and what teachers make of them."""
    names = [file.domain or PHOTO for file in crops.files]
    domains = np.unique(names, return_inverse=True)[1].astype(np.int64)
    data = TrainingSet(crops.images, numbered(crops, crops.people), len(crops.people), domains=domains)
    if (teacher := settings.loss.teacher) is None:
        return data
    embedders, blends = [teacher_embedder(settings, each) for each in teacher.models], None
    shares = [each.share for each in teacher.models]
    targets = joined(
        [
            teacher_targets(settings, model, embedder, crops.files)
            for model, embedder in zip(teacher.models, embedders, strict=True)
        ],
        shares,
    )
    if teacher.sees == "photo":
        targets = of_photographs(targets, crops)
    if teacher.blends:
        embed = _embedding_blends(settings, teacher.models, embedders, shares)
        blends = Blends(frames_to_blend(settings, teacher, crops), teacher.blends, embed)
    return replace(data, targets=targets, blends=blends)


def joined(parts: Sequence[Vectors], shares: Sequence[float]) -> Vectors:
    """Return the embeddings of several teachers (each N×E) as one of the sum of their numbers.

    Each is scaled to length 1 and by the root of its share, so that the cosine of two photos is the mean of the
    teachers' cosines, weighted by their shares. Where one has no embedding (NaN), all have none. One alone stays as it
    is.
    """
    if len(parts) == 1:
        return parts[0]
    whole = sum(shares)
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in parts]
    scaled = [part * np.float32((share / whole) ** 0.5) for part, share in zip(unit, shares, strict=True)]
    targets = np.concatenate(scaled, axis=1)
    targets[~np.isfinite(targets).all(axis=1)] = np.nan
    return targets


def of_photographs(targets: Vectors, crops: LabelledCrops) -> Vectors:
    """Return the targets (N×E) in which pictures of other domains have the mean of their person's photographs.

    Photographs are those of the domain `photo`, or of none. A person's means are of length 1. A person without a
    photograph that was embedded keeps what the teachers make of its pictures.
    """
    found = targets.copy()
    photographs = np.array([file.domain in ("", PHOTO) for file in crops.files])
    there, who = photographs & np.isfinite(targets).all(axis=1), numbered(crops, crops.people)
    unit = targets / np.linalg.norm(targets, axis=1, keepdims=True).clip(1e-12)
    for person in np.unique(who[~photographs]):
        own = who == person
        if (own & there).any():
            mean = unit[own & there].mean(axis=0)
            found[own & ~photographs] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return found


def _embedding_blends(
    settings: Settings, models: Sequence[TeacherModel], embedders: Sequence[Embedder], shares: Sequence[float]
) -> Callable[[NDArray[np.uint8]], Vectors]:
    # Each teacher sees a new face where its own template has the five points.
    crops = [each.faces or settings.faces for each in models]
    places = [(each.size, template_points(each.template, each.size, each.margin)) for each in crops]

    def embed(pictures: NDArray[np.uint8]) -> Vectors:
        found = [embedder.embed(aligned(pictures, *place)) for embedder, place in zip(embedders, places, strict=True)]
        return joined(found, shares)

    return embed


def teacher_embedder(settings: Settings, teacher: TeacherModel) -> Embedder:
    """Return what embeds the teacher's crops. Raises FacematchError for a teacher that cannot be loaded."""
    faces = teacher.faces or settings.faces
    embedder = build_embedder(settings.model_copy(update={"embedder": teacher.embedder, "faces": faces}))
    return FlipEmbedder(embedder) if teacher.flip else embedder


def teacher_targets(
    settings: Settings, teacher: TeacherModel, embedder: Embedder, files: Sequence[PhotoFile]
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


def frames_to_blend(settings: Settings, teacher: TeacherSettings, crops: LabelledCrops) -> list[FaceFrame]:
    """Return the photos' faces, aligned and ready to be blended.

    Raises FacematchError where the teacher's detector finds fewer than two faces.
    """
    assert teacher.faces is not None
    cropper, limits = build_cropper(teacher.faces), photo_limits(settings.photos)
    boxes = {file.name: box for file, box in zip(crops.files, crops.boxes, strict=True)}

    own = settings.faces
    template = template_points(own.template, 112, own.margin) if own.aligns else None

    def frame_of(name: str, photo: Photo) -> FaceFrame | None:
        face = cropper.face(photo)
        if face is None:
            return None
        if template is not None:
            return aligned_frame(photo.image, face.points, template)
        return face_frame(photo.image, face.points, boxes[name], own.margin)

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
    return frames
