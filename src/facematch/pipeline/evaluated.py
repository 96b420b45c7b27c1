"""Whole rankings of labelled photos, judged: what `validate`, `tune` and `report` look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facematch.core.console import info, progress
from facematch.core.errors import FacematchError
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.evaluation.folds import Evaluated, Fold, evaluate_folds, fixed_fold, make_folds
from facematch.evaluation.mean_ap import tied_among, tied_between
from facematch.evaluation.relevance import relevance_matrix
from facematch.evaluation.score import read_ground_truth
from facematch.evaluation.tie_groups import TieGroups
from facematch.evaluation.topk import people_of_truth
from facematch.faces.values import FaceRecord, coverage_of
from facematch.photos.photo import FolderPhotos, PhotoFile, find_photos
from facematch.pipeline.build import photo_embedder, trained_people
from facematch.pipeline.people import ValidationPeople, validation_photos
from facematch.pipeline.system import System, build_system, gallery_people
from facematch.pipeline.two_folders import folder_of
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, distance_estimator
from facematch.refine.chain import Ranker, needs_folds
from facematch.settings.root import Settings

LEAVE_ONE_OUT = "each photo asks all others in turn (leave-one-out)"
HELD_OUT = "held-out photos ask the training photos of the same classes"


@dataclass(frozen=True, eq=False)
class EvaluatedPhotos:
    """RelevanceMatrix rankings with the photos they are about.

    `embeddings` are those of all photos, names unique; `people` says whom each name shows ("" where nobody
    knows), `files` where its photo is. `records` tells how every file ended; `unread` names what was no
    photo at all. `protocol` says in words who asked whom.
    """

    evaluated: Evaluated
    embeddings: Embeddings
    people: Mapping[str, str]
    files: Mapping[str, PhotoFile]
    records: tuple[FaceRecord, ...]
    protocol: str
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class EmbeddedPeople:
    """Validation people and distractors, embedded: whom each of N photos shows, whether it asks and answers.

    `source` are the people that were embedded. Unseen people ask each other, so all of them answer; held-out photos
    ask the training photos only.
    """

    embeddings: Embeddings
    identities: tuple[str, ...]
    asked: tuple[bool, ...]
    answering: tuple[bool, ...]
    files: Mapping[str, PhotoFile]
    records: tuple[FaceRecord, ...]
    source: ValidationPeople

    @property
    def fixed_sides(self) -> Fold | None:
        """Return queries and gallery where they are apart; None where all photos ask each other."""
        if all(self.answering):
            return None
        return fixed_fold(self.embeddings, self.identities, self.asked, self.answering)


def embed_people(stage: PhotoEmbedder, people: ValidationPeople, what: str) -> EmbeddedPeople:
    """Embed validation people and the others; names begin with `asked/`, `distractors/` or `database/`."""
    files = [
        *_renamed(people.asked.files, "asked"),
        *_renamed(people.distractors.files, "distractors"),
        *_renamed(people.database.files, "database"),
    ]
    who = [
        *people.asked.identities,
        *(f"distractor {name}" for name in people.distractors.identities),
        *people.database.identities,
    ]
    identities = dict(zip((file.name for file in files), who, strict=True))
    asked = {file.name for file in files[: len(people.asked.files)]}
    embedded = embed_files(stage, files, what)
    names = embedded.embeddings.names
    return EmbeddedPeople(
        embedded.embeddings,
        tuple(identities[name] for name in names),
        tuple(name in asked for name in names),
        tuple(not (people.by_photo and name in asked) for name in names),
        {file.name: file for file in files},
        embedded.records,
        people,
    )


def embed_validation(settings: Settings) -> tuple[EmbeddedPeople, System]:
    """Embed the validation people of a configuration, and return them with the system that did.

    Raises FacematchError when there is nobody to validate on, and as `build_system`.
    """
    trained_on = trained_people(settings)
    system = build_system(settings)
    people = validation_photos(settings, trained_on)
    return embed_people(photo_embedder(settings, system.embedder), people, "validation people"), system


def evaluate_people(settings: Settings) -> EvaluatedPhotos:
    """Rank the validation people of a configuration with its refine steps, and judge every query.

    Raises FacematchError as `embed_validation`.
    """
    return evaluate_embedded(*embed_validation(settings))


def evaluate_embedded(people: EmbeddedPeople, system: System) -> EvaluatedPhotos:
    """Rank embedded validation people with a system's refine steps, and judge every query."""
    in_folds = needs_folds(system.steps)
    evaluated = rank_people(people, system.rank, in_folds=in_folds)
    protocol = f"each photo asks once, in {len(evaluated.rankings)} folds" if in_folds else LEAVE_ONE_OUT
    if people.fixed_sides is not None:
        protocol = HELD_OUT
    shown = dict(zip(people.embeddings.names, people.identities, strict=True))
    return EvaluatedPhotos(evaluated, people.embeddings, shown, people.files, people.records, protocol)


def rank_people(people: EmbeddedPeople, rank: Ranker, *, in_folds: bool) -> Evaluated:
    """Return the whole rankings of labelled photos, judged.

    Either every photo asks all others (leave-one-out, plainly ranked), or each asks once, in folds, which
    steps that look at the gallery need; held-out photos ask the training photos. Raises FacematchError without
    a query.
    """
    sides = people.fixed_sides
    if sides is not None:
        return evaluate_folds([sides], lambda fold: rank_fold(fold, rank))
    if not in_folds:
        return leave_one_out(people)
    folds = make_folds(people.embeddings, people.identities, people.asked)
    if not folds:
        raise _nobody()
    return evaluate_folds(folds, lambda fold: rank_fold(fold, rank))


def rank_fold(fold: Fold, rank: Ranker) -> Ranking:
    """Return the whole ranking of one fold."""
    return rank(fold.query, fold.gallery, len(fold.gallery), fold.known)


def leave_one_out(people: EmbeddedPeople) -> Evaluated:
    """Return the ranking of every asked photo among all others, judged. Raises FacematchError without a query."""
    photos: dict[str, set[str]] = {}
    for name, person in zip(people.embeddings.names, people.identities, strict=True):
        photos.setdefault(person, set()).add(name)
    chosen = [i for i, who in enumerate(people.identities) if people.asked[i] and len(photos[who]) > 1]
    if not chosen:
        raise _nobody()
    asks = people.embeddings.at(chosen)
    ranking = distance_estimator(asks, people.embeddings, len(people.embeddings), exclude_same_name=True)
    who = [people.identities[i] for i in chosen]
    return Evaluated(
        (ranking,), relevance_matrix(ranking, [photos[person] for person in who], who, exclude_same_name=True)
    )


def tied_people(people: EmbeddedPeople) -> TieGroups:
    """Return how many photos, and right ones, stand at each distance of every asked photo, plainly ranked."""
    sides = people.fixed_sides
    if sides is not None:
        return tied_between(sides.query, sides.gallery, sides.people, sides.gallery_people)
    return tied_among(people.embeddings, people.identities, people.asked)


def evaluate_folders(settings: Settings, query: Path, gallery: Path, truth: Path) -> EvaluatedPhotos:
    """Rank a gallery folder for a query folder and judge it by a ground truth.

    Queries that share a right gallery photo show one person. A query without an embedding is left out,
    which the protocol says. Raises FacematchError when the truth names none of the queries.
    """
    answers = {
        f"query/{name}": {f"gallery/{right}" for right in names} for name, names in read_ground_truth(truth).items()
    }
    query, gallery = folder_of(settings, query), folder_of(settings, gallery)
    system = build_system(settings)
    stage = photo_embedder(settings, system.embedder)
    asks, answering = (embed_folder(stage, folder, side) for folder, side in ((query, "query"), (gallery, "gallery")))
    kept = [i for i, name in enumerate(asks.embeddings.names) if name in answers]
    if not kept:
        raise FacematchError(
            f"the ground truth names {len(answers)} queries, none of which is in {query}.",
            "Check that --query and --truth belong together.",
        )
    queries, everyone = asks.embeddings.at(kept), answering.embeddings
    known = gallery_people(system.steps, gallery)
    named = None if known is None else {f"gallery/{name}": person for name, person in known.items()}
    ranking = system.rank(queries, everyone, len(everyone), named)
    right = [answers[name] for name in queries.names]
    person = people_of_truth(answers)
    who = [person[name] for name in queries.names]
    left = len(answers) - len(kept)
    return EvaluatedPhotos(
        Evaluated((ranking,), relevance_matrix(ranking, right, who)),
        _joined(queries, everyone),
        {**dict.fromkeys(everyone.names, ""), **dict(zip(queries.names, who, strict=True)), **(named or {})},
        {**asks.files, **answering.files},
        asks.records + answering.records,
        "fixed queries and gallery" + (f"; {left} queries without an embedding are left out" if left else ""),
        asks.unread + answering.unread,
    )


@dataclass(frozen=True, eq=False)
class EmbeddedFolder:
    """A folder's embeddings, the file of each name, how every file ended, and what was no photo."""

    embeddings: Embeddings
    files: Mapping[str, PhotoFile]
    records: tuple[FaceRecord, ...]
    unread: tuple[str, ...]


def embed_folder(stage: PhotoEmbedder, folder: Path, side: str) -> EmbeddedFolder:
    """Embed a folder; names begin with `side`/. Raises FacematchError without a photo."""
    found = photos_of(folder)
    files = _renamed(found.files, side)
    embedded = embed_files(stage, files, f"{side} photos")
    unread = tuple(f"{side}/{bad.name} ({bad.reason})" for bad in found.unreadable)
    return EmbeddedFolder(embedded.embeddings, {file.name: file for file in files}, embedded.records, unread)


def photos_of(folder: Path) -> FolderPhotos:
    """Return the photos of a folder. Raises FacematchError without one."""
    found = find_photos(folder)
    if not found.files:
        raise FacematchError(f"{folder} holds no photos.")
    return found


def embed_files(stage: PhotoEmbedder, files: Sequence[PhotoFile], what: str) -> EmbeddedPhotos:
    """Embed files with a progress bar, and say how many faces were found."""
    with progress(what, len(files)) as step:
        embedded = stage.run(files, step)
    info(f"{what}: {coverage_of(embedded.records)}")
    return embedded


def _renamed(files: Sequence[PhotoFile], folder: str) -> list[PhotoFile]:
    return [PhotoFile(f"{folder}/{file.name}", file.path) for file in files]


def _joined(first: Embeddings, second: Embeddings) -> Embeddings:
    return replace(first, names=first.names + second.names, vectors=np.concatenate([first.vectors, second.vectors]))


def _nobody() -> FacematchError:
    return FacematchError(
        "there is no query with a right answer in the gallery, so there is nothing to score.",
        "Validation needs people with at least two readable photos.",
    )
