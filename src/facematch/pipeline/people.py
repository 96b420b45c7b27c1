"""Labelled photos of a configuration: checked, split by person or by photo, reported. Shared by several commands."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facematch.core.console import info, progress, warn
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of
from facematch.evaluation.task import RetrievalTask, across_domains, leave_one_out, two_sides
from facematch.evaluation.task import in_folds as folds
from facematch.identities.check import Checked, check_identities, require_disjoint
from facematch.identities.domains import Domains
from facematch.identities.published import load_published
from facematch.identities.sources import load_many
from facematch.identities.split import split_identities, split_photos
from facematch.identities.values import LabelledPhotos, Problem, summarise_problems, trained_among
from facematch.photos.photo import PhotoFile, Unreadable
from facematch.pipeline.build import photo_limits
from facematch.settings.root import IdentitySettings, Settings

_FEWEST = 800  # photos, see `enough_people`
NOBODY = LabelledPhotos((), ())
Digests = Callable[[Sequence[PhotoFile]], Iterable[str | Unreadable]]  # SHA-256 of photos, or why one is not read


@dataclass(frozen=True)
class ValidationPeople:
    """Photos to validate on: those that ask, and distractors that stand in the gallery only.

    Unseen people ask each other. Where training and validation share their classes (`split_by: photo`) the
    held-out photos ask `database`, the training photos, and not each other; `test` is for the end. `seen` are
    held-out photos of the training people, for the accuracy of a classifier. With `across` only pictures of the first
    domain ask, and only those of the second are asked.
    """

    queries: LabelledPhotos
    distractors: LabelledPhotos = NOBODY
    database: LabelledPhotos = NOBODY
    test: LabelledPhotos = NOBODY
    seen: LabelledPhotos = NOBODY
    across: tuple[str, str] | None = None

    @property
    def by_photo(self) -> bool:
        """Return whether there is a database of the same classes."""
        return bool(self.database.files)

    @property
    def files(self) -> dict[str, PhotoFile]:
        """Return all photos that take part, each under a name of its own: `asked/…`, `distractors/…`, `database/…`."""
        return {f"{side}/{file.name}": file for side, photos in self._sides.items() for file in photos.files}

    @property
    def shown(self) -> dict[str, str]:
        """Return whom each of `files` shows; nobody asks for a distractor, whatever its name."""
        return {
            f"{side}/{file.name}": f"distractor {who}" if photos is self.distractors else who
            for side, photos in self._sides.items()
            for file, who in photos.pairs
        }

    def task(self, *, in_folds: bool = False, closed: bool = True) -> RetrievalTask:
        """Return who asks whom: unseen people each other, leave-one-out or `in_folds`; held-out photos the database.

        Of people who ask each other, one without another photo takes no part in a `closed` task.
        """
        shown = self.shown
        queries = list(shown)[: len(self.queries.files)]
        if self.across is not None and self.across[0] != self.across[1]:
            domains = {name: file.domain for name, file in self.files.items()}
            return across_domains(shown, queries, domains, self.across, closed=closed)
        if self.by_photo:
            return two_sides(queries, list(shown)[len(queries) :], shown)
        return folds(shown, queries) if in_folds else leave_one_out(shown, queries, closed=closed)

    def asking(self, across: tuple[str, str] | None) -> "ValidationPeople":
        """Return the people of whom pictures of the first domain ask those of the second; None: as they are.

        Raises FacematchError where a domain has no picture.
        """
        if across is None:
            return self
        counts = Counter(file.domain for file in self.queries.files)
        for domain in across:
            if not counts[domain]:
                found = ", ".join(f"{name or 'no domain'} {count}" for name, count in sorted(counts.items()))
                raise FacematchError(
                    f"identities.across: no validation picture is of the domain {domain}; found: {found}.",
                    "identities.domain says how a picture's domain is told: folder, column, or {NAME: GLOB}.",
                )
        queries = LabelledPhotos.of(pair for pair in self.queries.pairs if pair[0].domain in across)
        others = LabelledPhotos.of(pair for pair in self.distractors.pairs if pair[0].domain == across[1])
        return replace(self, queries=queries, distractors=others, across=across)

    @property
    def _sides(self) -> dict[str, LabelledPhotos]:
        return {"asked": self.queries, "distractors": self.distractors, "database": self.database}

    @property
    def as_test(self) -> "ValidationPeople | None":
        """Return the test photos, which ask all photos of the training; None without any."""
        if not self.test.files:
            return None
        return ValidationPeople(self.test, database=LabelledPhotos.of((*self.database.pairs, *self.queries.pairs)))


def training_and_validation(
    settings: Settings, digests: Digests | None = None
) -> tuple[LabelledPhotos, ValidationPeople]:
    """Return the people to train on and those to validate on, after every check.

    `digests` reads the photos, where they are not read for the check alone.

    Raises FacematchError when there are too few, or when a person or a photo is on both sides.
    """
    wanted = settings.identities
    if wanted.split_by == "photo":
        return _class_photos(settings, digests)
    everyone = _checked(labelled_photos(wanted, wanted.train), settings, wanted.min_photos, "training", digests)
    if wanted.validation is None:
        train, queries = split_identities(everyone.labelled, wanted.validation_share, settings.seed)
    else:
        train = everyone.labelled
        checked = _checked(labelled_photos(wanted, [wanted.validation]), settings, 1, "validation", digests)
        require_disjoint(everyone, checked)
        queries = checked.labelled
    unseen = _with_distractors(settings, queries, train.people, digests)
    if not wanted.seen_share:
        return train, unseen
    train, seen = split_photos(train, wanted.seen_share, settings.seed + 2)
    return train, replace(unseen, seen=seen)


def validation_people(settings: Settings, trained_on: Iterable[str]) -> ValidationPeople:
    """Return the people to validate a finished network on: none of those it was trained on.

    Raises FacematchError when a validation folder holds a person of the training.
    """
    wanted, seen = settings.identities, set(trained_on)
    if wanted.split_by == "photo":
        raise FacematchError(
            "this needs people that the network has never seen; identities.split_by is photo, so validation asks "
            "for the classes it was trained on.",
            "validate, figures, report and hash-report work with held-out photos.",
        )
    if wanted.validation is not None:
        queries = _checked(labelled_photos(wanted, [wanted.validation]), settings, 1, "validation").labelled
        both = sorted(trained_among(queries.people, seen))
        if both:
            raise FacematchError(
                f"{len(both)} people of {wanted.validation} were in the training, first {both[0]}.",
                "Validate on people the network has never seen: its figures mean nothing on the others.",
            )
        return _with_distractors(settings, queries, seen)
    everyone = _checked(labelled_photos(wanted, wanted.train), settings, wanted.min_photos, "training").labelled
    if not seen:  # an embedder that was not trained here
        return _with_distractors(settings, everyone, ())
    queries = everyone.only(set(everyone.people) - trained_among(everyone.people, seen))
    if not queries.files:
        raise FacematchError(
            "every person of identities.train was in the training, so there is nobody to validate on.",
            "Name a folder of other people with --set identities.validation=FOLDER.",
        )
    return _with_distractors(settings, queries, seen)


def validation_photos(settings: Settings, trained_on: Iterable[str]) -> ValidationPeople:
    """Return unseen people, or held-out photos of the training classes with their database, as the split says."""
    if settings.identities.split_by == "photo":
        return training_and_validation(settings)[1]
    return validation_people(settings, trained_on)


def _class_photos(settings: Settings, digests: Digests | None) -> tuple[LabelledPhotos, ValidationPeople]:
    # Photos of shared classes: a published set's own split, or shares of each class's photos.
    wanted = settings.identities
    if wanted.dataset is not None:
        with progress(f"unpacking {wanted.dataset}", 1000) as step:
            split = load_published(
                wanted.dataset, wanted.datasets, on_progress=lambda done, total: step(1000 * done // max(total, 1))
            )
        everything, test = split.train, split.test
        info(f"{wanted.dataset}, official split: {len(everything.files)} training, {len(test.files)} test photos")
    else:
        checked = _checked(
            labelled_photos(wanted, wanted.train), settings, max(wanted.min_photos, 2), "training", digests
        )
        everything, test = checked.labelled, NOBODY
        if wanted.test is not None:
            asks = _checked(labelled_photos(wanted, [wanted.test]), settings, 1, "test", digests)
            _require_other_photos(checked, asks)
            test = asks.labelled
        elif wanted.test_share:
            everything, test = split_photos(everything, wanted.test_share, settings.seed)
    train, validation = split_photos(everything, wanted.validation_share, settings.seed + 1)
    return train, ValidationPeople(validation, database=train, test=test, seen=validation)


def other_people(settings: Settings, queries: LabelledPhotos, trained_on: Iterable[str]) -> LabelledPhotos | None:
    """Return photos of people apart from those validated on, for what is fitted on training people.

    For a network they are those it was trained on, else all of `identities.train` that are not asked;
    None where there are none.
    """
    wanted = settings.identities
    try:
        everyone, _ = labelled_photos(wanted, wanted.train)
    except FacematchError as error:
        info(f"no training people: {error.message}")
        return None
    known = set(trained_on)
    others = everyone.only(
        trained_among(everyone.people, known) if known else set(everyone.people) - set(queries.people)
    )
    return others if others.files else None


def _with_distractors(
    settings: Settings, queries: LabelledPhotos, trained_on: Iterable[str], digests: Digests | None = None
) -> ValidationPeople:
    folder, across = settings.identities.distractors, settings.identities.across
    if folder is None:
        return ValidationPeople(queries).asking(across)
    others = _checked(labelled_photos(settings.identities, [folder]), settings, 1, "distractors", digests).labelled
    for people, where in ((queries.people, "asked for in validation"), (trained_on, "in the training")):
        if both := sorted(trained_among(others.people, people)):
            raise FacematchError(
                f"{len(both)} people of identities.distractors ({folder}) are also {where}, first {both[0]}.",
                "Distractors are people that nobody asks for and that the network has never seen: take them out.",
            )
    return ValidationPeople(queries, others).asking(across)


def labelled_photos(wanted: IdentitySettings, sources: Sequence[Path]) -> tuple[LabelledPhotos, list[Problem]]:
    """Return the photos of folders or lists as one set, with their domains; raises FacematchError as `load_many`."""
    domains = None
    if wanted.domain is not None:
        domains = Domains("names", wanted.domain) if isinstance(wanted.domain, dict) else Domains(wanted.domain)
    return load_many(sources, wanted.images, domains)


def _require_other_photos(train: Checked, test: Checked) -> None:
    seen = set(train.sha256.values())
    both = sorted(name for name, digest in test.sha256.items() if digest in seen)
    if both:
        raise FacematchError(
            f"{len(both)} photos of the test are also in the training, by their bytes, first {both[0]}.",
            "Take them out of one of the two: a photo that was trained on tests nothing.",
        )


def _checked(
    loaded: tuple[LabelledPhotos, list[Problem]],
    settings: Settings,
    min_photos: int,
    what: str,
    digests: Digests | None = None,
) -> Checked:
    labelled, problems = loaded
    fewest = 2 if what == "training" else 1
    with progress(f"{what} photos checked", len(labelled.files)) as step:
        read = None if digests is None else digests(labelled.files)
        checked = check_identities(labelled, photo_limits(settings.photos), min_photos, fewest, step, read)
    lines = summarise_problems([*problems, *checked.problems])
    for line in lines:
        warn(f"{what}: {line}")
    who = "people" if settings.identities.split_by == "person" else "classes"
    info(f"{what}: {len(checked.labelled.people)} {who}, {len(checked.labelled.files)} photos")
    return checked


def enough_people(people: ValidationPeople, photos: int, seed: int) -> tuple[ValidationPeople, int | None]:
    """Return as many people as have as many photos as the task, `photos`, and at least 800, and of how many; or all.

    More would cost more than the task itself and tell little: of 430 people with 2,236 photos, 800 gave an interval
    1.06 times as wide as all did in the mean, 1.13 times at most (two networks, tasks of 107 + 300 and of 157 + 571
    photos, six draws each). Who is drawn depends on the seed and on each one's name alone, so that two systems are
    compared on the same people. Distractors all stay.
    """
    if len(people.queries.files) <= (enough := max(photos, _FEWEST)):
        return people, None
    drawn = sorted(people.queries.people, key=lambda person: sha256_of(f"{seed} {person}".encode()))
    counts = Counter(people.queries.identities)
    before = itertools.accumulate((counts[person] for person in drawn), initial=0)
    chosen = [person for person, photos_before in zip(drawn, before, strict=False) if photos_before < enough]
    return replace(people, queries=people.queries.only(chosen)), len(drawn)
