"""Labelled photos of a configuration: checked, split by person, reported. Shared by several commands."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facematch.console import loud, note
from facematch.errors import FacematchError
from facematch.flow import photo_limits
from facematch.identities import (
    Checked,
    LabelledPhotos,
    Problem,
    check_identities,
    load_identities,
    load_many,
    require_disjoint,
    split_identities,
    summarise_problems,
)
from facematch.settings import Settings


@dataclass(frozen=True)
class ValidationPeople:
    """People to validate on, and distractors that stand in the gallery only."""

    asked: LabelledPhotos
    distractors: LabelledPhotos


def training_and_validation(settings: Settings) -> tuple[LabelledPhotos, ValidationPeople]:
    """Return the people to train on and those to validate on, after every check.

    Raises FacematchError when there are too few, or when a person or a photo is on both sides.
    """
    wanted = settings.identities
    everyone = _checked(load_many(wanted.train, wanted.images), settings, wanted.min_photos, "training")
    if wanted.validation is None:
        train, asked = split_identities(everyone.labelled, wanted.validation_share, settings.seed)
    else:
        train = everyone.labelled
        checked = _checked(load_identities(wanted.validation, wanted.images), settings, 1, "validation")
        require_disjoint(everyone, checked)
        asked = checked.labelled
    return train, _with_distractors(settings, asked, train.people)


def validation_people(settings: Settings, trained_on: Iterable[str]) -> ValidationPeople:
    """Return the people to validate a finished network on: none of those it was trained on.

    Raises FacematchError when a validation folder holds a person of the training.
    """
    wanted, seen = settings.identities, set(trained_on)
    if wanted.validation is not None:
        asked = _checked(load_identities(wanted.validation, wanted.images), settings, 1, "validation").labelled
        both = sorted(seen & set(asked.people))
        if both:
            raise FacematchError(
                f"{len(both)} people of {wanted.validation} were in the training, first {both[0]}.",
                "Validate on people the network has never seen: its figures mean nothing on the others.",
            )
        return _with_distractors(settings, asked, seen)
    everyone = _checked(load_many(wanted.train, wanted.images), settings, wanted.min_photos, "training").labelled
    if not seen:  # an embedder that was not trained here
        return _with_distractors(settings, everyone, ())
    asked = everyone.only([person for person in everyone.people if person not in seen])
    if not asked.files:
        raise FacematchError(
            "every person of identities.train was in the training, so there is nobody to validate on.",
            "Name a folder of other people with --set identities.validation=FOLDER.",
        )
    return _with_distractors(settings, asked, seen)


def other_people(settings: Settings, asked: LabelledPhotos, trained_on: Iterable[str]) -> LabelledPhotos | None:
    """Return photos of people apart from those validated on, for what is fitted on training people.

    For a network they are those it was trained on, else all of `identities.train` that are not asked;
    None where there are none.
    """
    wanted = settings.identities
    try:
        everyone, _ = load_many(wanted.train, wanted.images)
    except FacematchError as error:
        note(f"no training people: {error.message}")
        return None
    people = set(trained_on) or (set(everyone.people) - set(asked.people))
    others = everyone.only(people)
    return others if others.files else None


def _with_distractors(settings: Settings, asked: LabelledPhotos, trained_on: Iterable[str]) -> ValidationPeople:
    folder: Path | None = settings.identities.distractors
    if folder is None:
        return ValidationPeople(asked, LabelledPhotos((), ()))
    others = _checked(load_identities(folder, settings.identities.images), settings, 1, "distractors").labelled
    for people, where in ((asked.people, "asked for in validation"), (trained_on, "in the training")):
        if both := sorted(set(others.people) & set(people)):
            raise FacematchError(
                f"{len(both)} people of identities.distractors ({folder}) are also {where}, first {both[0]}.",
                "Distractors are people that nobody asks for and that the network has never seen: take them out.",
            )
    return ValidationPeople(asked, others)


def _checked(loaded: tuple[LabelledPhotos, list[Problem]], settings: Settings, min_photos: int, what: str) -> Checked:
    labelled, problems = loaded
    fewest = 2 if what == "training" else 1
    checked = check_identities(labelled, photo_limits(settings.photos), min_photos, fewest)
    lines = summarise_problems([*problems, *checked.problems])
    for line in lines:
        loud(f"{what}: {line}")
    note(f"{what}: {len(checked.labelled.people)} people, {len(checked.labelled.files)} photos")
    return checked
