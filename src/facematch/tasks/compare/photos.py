"""What systems are compared on: the photos, who asks whom, and a digest that is equal where all of it is."""

import hashlib
import json
from dataclasses import dataclass, replace

from facematch.core.errors import FacematchError
from facematch.evaluation.task import RetrievalTask
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, digest_of
from facematch.pipeline.build import photo_limits
from facematch.pipeline.evaluated import TaskPhotos, folder_photos, task_photos
from facematch.pipeline.people import enough_people, training_and_validation, validation_people
from facematch.settings.compare import PhotosSettings
from facematch.settings.file import load_settings
from facematch.settings.root import Settings


@dataclass(frozen=True, eq=False)
class ComparedPhotos:
    """A task with its photos, the same for every system.

    `people` are those who ask, `unseen` says that they should be in nobody's training. `digest` is of photos, names
    and right answers. `to_render` are as many of them as `validate --renderings` takes, read within `limits`.
    """

    photos: TaskPhotos
    protocol: str
    digest: str
    to_render: TaskPhotos
    limits: PhotoLimits
    people: frozenset[str] = frozenset()
    unseen: bool = False

    @property
    def task(self) -> RetrievalTask:
        """Return who asks whom."""
        return self.photos.task

    @property
    def files(self) -> list[PhotoFile]:
        """Return the photos, under their names in the task."""
        return [PhotoFile(name, file.path) for name, file in self.photos.files.items()]

    @property
    def words(self) -> str:
        """Return who asks whom, with their numbers."""
        task = self.task
        return (
            f"{len(task.queries):,} queries of {len(set(task.identities)):,} people or classes, "
            f"{len(task.gallery):,} gallery photos: {self.protocol}"
        )


def compared_photos(wanted: PhotosSettings, *, in_folds: bool) -> ComparedPhotos:
    """Return the photos a comparison is made on; `in_folds` where a system must not meet the query in its gallery.

    Raises FacematchError when there is nobody to ask, or when the photos, or their labels, are wrong.
    """
    if wanted.query is not None and wanted.gallery is not None and wanted.truth is not None:
        photos = folder_photos(Settings(), (wanted.query, wanted.gallery, wanted.truth))
        return _compared(photos, photos, photos.task.protocol, photo_limits(Settings().photos))
    settings = load_settings(wanted.config, _identities(wanted))
    people = training_and_validation(settings)[1] if wanted.config is not None else validation_people(settings, ())
    photos = task_photos(people, in_folds=in_folds)
    protocol = photos.task.protocol + (", since a system refines its gallery" if len(photos.task.divisions) > 1 else "")
    some = task_photos(enough_people(people, 0, settings.seed)[0], in_folds=in_folds)
    compared = _compared(photos, some, protocol, photo_limits(settings.photos))
    who = frozenset((*people.queries.people, *people.distractors.people))
    return replace(compared, people=who, unseen=not people.by_photo)


def _identities(wanted: PhotosSettings) -> list[str]:
    # What a comparison says of labelled photos, as overrides.
    names = {"people": "validation", **{name: name for name in ("distractors", "images", "domain", "across")}}
    said = wanted.model_dump(mode="json", include=set(names), exclude_none=True)
    return [f"identities.{names[name]}={json.dumps(value)}" for name, value in said.items()]


def _compared(photos: TaskPhotos, some: TaskPhotos, protocol: str, limits: PhotoLimits) -> ComparedPhotos:
    if not any(any(division.answerable) for division in photos.task.divisions):
        raise FacematchError(
            "there is no query with a right answer in the gallery, so there is nothing to compare.",
            "Compare on people with at least two readable photos.",
        )
    photos = _taking_part(photos)
    return ComparedPhotos(photos, protocol, _digest(photos, limits), _taking_part(some), limits)


def _taking_part(photos: TaskPhotos) -> TaskPhotos:
    names = photos.task.gallery.union(photos.task.queries)
    return replace(photos, parts={"photos": {name: file for name, file in photos.files.items() if name in names}})


def _digest(photos: TaskPhotos, limits: PhotoLimits) -> str:
    content = []
    for name, file in photos.files.items():
        digest = digest_of(file, limits)
        content.append([name, digest.reason if isinstance(digest, Unreadable) else digest])
    asked = []
    for division in photos.task.divisions:
        ignored = division.ignored or [frozenset[str]()] * len(division.queries)
        right = [sorted(names - out) for names, out in zip(division.relevant, ignored, strict=True)]
        asked.append([list(division.queries), list(division.gallery), right, division.identities])
    text = json.dumps([content, asked], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
