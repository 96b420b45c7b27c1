"""The photos of a retrieval task, embedded, ranked and judged: what `validate`, `figures` and `report` look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facematch.core.console import info, progress, show_table
from facematch.core.errors import FacematchError
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.rank_task import Evaluated, rank_task
from facematch.evaluation.score import read_ground_truth
from facematch.evaluation.task import RetrievalTask, by_truth
from facematch.faces.values import FaceRecord, coverage_of
from facematch.photos.photo import FolderPhotos, PhotoFile, find_photos
from facematch.pipeline.build import photo_embedder, trained_people
from facematch.pipeline.folders import folder_of
from facematch.pipeline.people import ValidationPeople, validation_photos
from facematch.pipeline.system import build_system, gallery_people
from facematch.ranking.embeddings import Embeddings, joined
from facematch.refine.chain import Ranker, needs_folds
from facematch.settings.refine import Step
from facematch.settings.root import Settings

Folders = tuple[Path, Path, Path]  # of the queries and of the gallery, and the ground truth


@dataclass(frozen=True, eq=False)
class TaskPhotos:
    """A task with the file of each photo, in `parts` that are embedded one after the other, by what they are.

    `gallery` is the folder of a fixed gallery; `unread` names what was no photo at all.
    """

    task: RetrievalTask
    parts: Mapping[str, Mapping[str, PhotoFile]]
    gallery: Path | None = None
    unread: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, PhotoFile]:
        """Return the file of each photo, by its name in the task."""
        return {name: file for part in self.parts.values() for name, file in part.items()}

    def known(self, steps: Sequence[Step]) -> Mapping[str, str] | None:
        """Return whom gallery photos show; of a fixed gallery what the list says that a step names, None without."""
        if self.gallery is None:
            return self.task.shown
        people = gallery_people(steps, self.gallery)
        return None if people is None else {f"gallery/{name}": person for name, person in people.items()}

    def judged(self, rank: Ranker) -> Ranker:
        """Return what ranks, without training photos of the people who ask each other; of fixed folders as it is."""
        return rank if self.gallery is not None else rank.without(self.task.shown.values())


@dataclass(frozen=True, eq=False)
class EvaluatedPhotos:
    """An evaluation with its photos: embeddings of all, the file of each, how every file ended, and what ranked."""

    evaluated: Evaluated
    embeddings: Embeddings
    photos: TaskPhotos
    records: tuple[FaceRecord, ...]
    rank: Ranker

    @property
    def protocol(self) -> str:
        """Return in words who asked whom."""
        left = len(self.photos.task.queries) - len(self.evaluated.task.queries)
        if self.photos.gallery is None or not left:
            return self.photos.task.protocol
        return f"{self.photos.task.protocol}; {left} queries without an embedding are left out"


def task_photos(people: ValidationPeople, *, in_folds: bool) -> TaskPhotos:
    """Return the task of validation people with their photos."""
    return TaskPhotos(people.task(in_folds=in_folds), {"validation people": people.files})


def fixed_folders(query: Path | None, gallery: Path | None, truth: Path | None) -> Folders | None:
    """Return the three of a fixed validation, or None. Raises FacematchError when some are missing."""
    if query is None or gallery is None or truth is None:
        if (query, gallery, truth) != (None, None, None):
            raise FacematchError("a fixed validation needs all of --query, --gallery and --truth.")
        return None
    return query, gallery, truth


def folder_photos(settings: Settings, folders: Folders) -> TaskPhotos:
    """Return the task that a ground truth makes of a query folder and a gallery folder, or of zip files of them.

    Names begin with `query/` or `gallery/`. Every query of the truth asks, also one whose photo is missing. Raises
    FacematchError without a photo, and when the truth names none of the queries.
    """
    truth = {
        f"query/{name}": frozenset(f"gallery/{right}" for right in names)
        for name, names in read_ground_truth(folders[2]).items()
    }
    places = {side: folder_of(settings, each) for side, each in zip(("query", "gallery"), folders, strict=False)}
    found = {side: photos_of(place) for side, place in places.items()}
    files = {side: {f"{side}/{file.name}": file for file in each.files} for side, each in found.items()}
    if truth.keys().isdisjoint(files["query"]):
        raise FacematchError(
            f"the ground truth names {len(truth)} queries, none of which is in {places['query']} "
            f"(first in the truth: {next(iter(truth))}; first in the folder: {next(iter(files['query']))}).",
            "Check that the queries and the ground truth belong together.",
        )
    unread = tuple(f"{side}/{bad.name} ({bad.reason})" for side, each in found.items() for bad in each.unreadable)
    task = by_truth(truth, list(truth), list(files["gallery"]))
    return TaskPhotos(task, {f"{side} photos": part for side, part in files.items()}, places["gallery"], unread)


def evaluate(settings: Settings, fixed: Folders | None) -> EvaluatedPhotos:
    """Rank the validation people of a configuration, or fixed folders, with its refine steps, and judge every query.

    People ask in folds where the steps need them. A photo without an embedding is left out. Raises FacematchError when
    there is nobody to validate on, and as `folder_photos` and `build_system`.
    """
    trained_on = () if fixed is not None else trained_people(settings)
    system = build_system(settings)
    if fixed is None:
        photos = task_photos(validation_photos(settings, trained_on), in_folds=needs_folds(system.steps))
    else:
        photos = folder_photos(settings, fixed)
    embedded = embed_task(photo_embedder(settings, system.embedder), photos)
    rank = photos.judged(system.rank)
    evaluated = rank_task(photos.task, embedded.embeddings, rank, known=photos.known(system.steps))
    return EvaluatedPhotos(evaluated, embedded.embeddings, photos, embedded.records, rank)


def embed_task(stage: PhotoEmbedder, photos: TaskPhotos, who: str = "") -> EmbeddedPhotos:
    """Embed all photos of a task; `who` names the system in what is said."""
    parts = [embed_named(stage, part, f"{who}, {what}" if who else what) for what, part in photos.parts.items()]
    records = tuple(record for part in parts for record in part.records)
    return EmbeddedPhotos(joined([part.embeddings for part in parts]), records)


def embed_named(stage: PhotoEmbedder, files: Mapping[str, PhotoFile], what: str) -> EmbeddedPhotos:
    """Embed files under the names given, as `embed_files`."""
    return embed_files(stage, [PhotoFile(name, file.path) for name, file in files.items()], what)


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


def show_figures(title: str, figures: Sequence[Estimate]) -> None:
    """Print a table of figures with their intervals and notes."""
    show_table(
        f"{title} [95 % interval over people]",
        ["figure", "value", "of", "people", "note"],
        [[each.name, str(each), str(each.count), str(each.people), each.note] for each in figures],
    )
