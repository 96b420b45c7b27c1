"""What systems are compared on: the photos, who asks whom, and a digest that is equal where all of it is."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.core.errors import FacematchError
from facematch.evaluation.divisions import Division, divide_by_people, fold_divisions, leave_one_out_division
from facematch.evaluation.score import read_ground_truth
from facematch.evaluation.topk import people_of_truth
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, digest_of
from facematch.pipeline.build import photo_limits
from facematch.pipeline.evaluated import HELD_OUT, LEAVE_ONE_OUT, photos_of
from facematch.pipeline.people import ValidationPeople, training_and_validation, validation_people
from facematch.settings.compare import PhotosSettings
from facematch.settings.file import load_settings
from facematch.settings.root import IdentitySettings, PhotoSettings, Settings

FIXED = "fixed queries and gallery"


@dataclass(frozen=True, eq=False)
class ComparedPhotos:
    """Photos, no name twice, and the divisions in which they ask each other: the same for every system.

    `shown` says whom each photo shows, where that is known; `people` are those who ask, `unseen` says that they
    should be in nobody's training. `gallery` is the folder of fixed queries' answers. `digest` is of photos, names
    and right answers.
    """

    files: tuple[PhotoFile, ...]
    divisions: tuple[Division, ...]
    protocol: str
    digest: str
    shown: Mapping[str, str]
    people: frozenset[str]
    unseen: bool
    gallery: Path | None = None

    @property
    def queries(self) -> int:
        """Return how many photos ask."""
        return sum(len(division.asks) for division in self.divisions)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return whom each query shows, in the order of the divisions."""
        return tuple(person for division in self.divisions for person in division.people)

    @property
    def words(self) -> str:
        """Return who asks whom, with their numbers."""
        who = len(set(self.asked))
        answers = len({name for division in self.divisions for name in division.answers})
        return f"{self.queries:,} queries of {who:,} people or classes, {answers:,} gallery photos: {self.protocol}"


def compared_photos(wanted: PhotosSettings, *, in_folds: bool) -> ComparedPhotos:
    """Return the photos a comparison is made on; `in_folds` where a system must not meet the query in its gallery.

    Raises FacematchError when there is nobody to ask, or when the photos, or their labels, are wrong.
    """
    if wanted.query is not None and wanted.gallery is not None and wanted.truth is not None:
        return _fixed(wanted.query, wanted.gallery, wanted.truth)
    if wanted.config is not None:
        settings = load_settings(wanted.config)
        people = training_and_validation(settings)[1]
    else:
        identities = IdentitySettings(validation=wanted.people, distractors=wanted.distractors, images=wanted.images)
        settings = Settings(identities=identities)
        people = validation_people(settings, ())
    return _labelled(people, photo_limits(settings.photos), in_folds=in_folds)


def _labelled(people: ValidationPeople, limits: PhotoLimits, *, in_folds: bool) -> ComparedPhotos:
    sides = {"asked": people.asked, "distractors": people.distractors, "database": people.database}
    pairs = [
        (PhotoFile(f"{side}/{file.name}", file.path), f"distractor {who}" if side == "distractors" else who)
        for side, labelled in sides.items()
        for file, who in labelled.pairs
    ]
    names = [file.name for file, _ in pairs]
    shown = dict(zip(names, (who for _, who in pairs), strict=True))
    asked = [name.startswith("asked/") for name in names]
    if people.by_photo:
        others = [name for name, asks in zip(names, asked, strict=True) if not asks]
        divisions: tuple[Division, ...] = (divide_by_people(names[: sum(asked)], others, shown),)
        protocol = HELD_OUT
    elif in_folds:
        divisions = fold_divisions(names, shown, asked)
        protocol = f"each photo asks once, in {len(divisions)} folds, since a system refines its gallery"
    else:
        divisions, protocol = (leave_one_out_division(names, shown, asked),), LEAVE_ONE_OUT
    _require_queries(divisions)
    files = tuple(file for file, _ in pairs)
    seen = frozenset((*people.asked.people, *people.distractors.people))
    return ComparedPhotos(
        files, divisions, protocol, _digest(files, divisions, limits), shown, seen, unseen=not people.by_photo
    )


def _fixed(query: Path, gallery: Path, truth: Path) -> ComparedPhotos:
    # Every query of the truth asks; one whose photo is missing is wrong for every system.
    answers = {
        f"query/{name}": frozenset(f"gallery/{right}" for right in names)
        for name, names in read_ground_truth(truth).items()
    }
    asks, shown = (
        [PhotoFile(f"{side}/{file.name}", file.path) for file in photos_of(folder).files]
        for folder, side in ((query, "query"), (gallery, "gallery"))
    )
    if not answers.keys() & {file.name for file in asks}:
        raise FacematchError(
            f"the ground truth names {len(answers)} queries, none of which is in {query}.",
            "Check that photos.query and photos.truth belong together.",
        )
    person = people_of_truth(answers)
    queries = tuple(answers)
    there = frozenset(file.name for file in shown)
    relevant = tuple(answers[name] & there for name in queries)
    division = Division(queries, tuple(file.name for file in shown), relevant, tuple(person[name] for name in queries))
    _require_queries([division])
    files = tuple(file for file in (*asks, *shown) if file.name in answers or file.name in there)
    limits = photo_limits(PhotoSettings())
    digest = _digest(files, [division], limits)
    return ComparedPhotos(files, (division,), FIXED, digest, {}, frozenset(), unseen=False, gallery=gallery)


def _require_queries(divisions: Sequence[Division]) -> None:
    if not any(any(division.relevant) for division in divisions):
        raise FacematchError(
            "there is no query with a right answer in the gallery, so there is nothing to compare.",
            "Compare on people with at least two readable photos.",
        )


def _digest(files: Sequence[PhotoFile], divisions: Sequence[Division], limits: PhotoLimits) -> str:
    content = []
    for file in files:
        digest = digest_of(file, limits)
        content.append([file.name, digest.reason if isinstance(digest, Unreadable) else digest])
    asked = [[list(d.asks), list(d.answers), [sorted(names) for names in d.relevant], d.people] for d in divisions]
    text = json.dumps([content, asked], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
