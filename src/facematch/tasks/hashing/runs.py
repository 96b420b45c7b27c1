"""The runs of a hash report: their settings, the queries and gallery of each, and these embedded."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from facematch.core.errors import FacematchError
from facematch.evaluation.task import HELD_OUT, LEAVE_ONE_OUT, RetrievalTask
from facematch.networks.checkpoint import CheckpointHeader
from facematch.pipeline.build import build_embedder, photo_embedder, trained_header
from facematch.pipeline.default_checkpoint import run_path, run_settings
from facematch.pipeline.evaluated import embed_named
from facematch.pipeline.people import ValidationPeople, training_and_validation, validation_people
from facematch.pipeline.run_folder import validated_on
from facematch.settings.embedding import EmbedderSettings
from facematch.settings.root import RankingSettings, Settings
from facematch.tasks.hashing.codes import HashPhotos, require_answerable

On = Literal["test", "validation"]
TEST = "test photos, which no training and no choice has seen, ask all photos of the training"


@dataclass(frozen=True)
class LoadedRun:
    """A run's name in the report, its settings with its own best weights, and what to warn of.

    Its photos are embedded as floats; `hashing` says whether their signs are codes.
    """

    name: str
    settings: Settings
    header: CheckpointHeader
    hashing: bool
    warnings: tuple[str, ...]

    @property
    def epoch(self) -> int | None:
        """Return the epoch its weights are of, None where its training did not say."""
        epoch = self.header.trained.get("epoch")
        return epoch if isinstance(epoch, int) else None

    def embed(self, queries: "RunQueries") -> "RunPhotos":
        """Embed the photos as floats, with progress.

        Raises FacematchError for photos it cannot embed, and without a query that has a right photo.
        """
        stage = photo_embedder(self.settings, build_embedder(self.settings))
        people = queries.people
        embedded = embed_named(stage, people.files, f"{self.name}: photos")
        photos = HashPhotos(_by_name(people.task(closed=False)).among(embedded.embeddings.names), embedded.embeddings)
        require_answerable(photos)
        content = {record.name: record.sha256 for record in embedded.records}
        return RunPhotos(queries, photos, photos_digest(photos.task, content))


@dataclass(frozen=True)
class RunQueries:
    """Who asks whom, in words too; `chosen_on` says whether the network was chosen on these queries."""

    people: ValidationPeople
    words: str
    chosen_on: bool


@dataclass(frozen=True, eq=False)
class RunPhotos:
    """The queries and gallery of a run, embedded, and a digest that is equal where two runs had the same."""

    queries: RunQueries
    photos: HashPhotos
    digest: str


@dataclass
class PeopleOfRuns:
    """The queries and gallery of every run; labels that several runs share are read and checked once."""

    on: On | None
    _known: dict[Any, RunQueries] = field(default_factory=dict, repr=False)

    def of(self, run: LoadedRun) -> RunQueries:
        """Return the photos of one run. Raises FacematchError without a test that was asked for, or any photos."""
        settings, by_photo = run.settings, run.settings.identities.split_by == "photo"
        # Which people are unseen is each network's own matter.
        trained_on = () if by_photo else run.header.people
        key = (settings.identities, settings.photos, settings.seed, trained_on)
        if key not in self._known:
            self._known[key] = self._held_out(settings) if by_photo else self._unseen(run)
        return self._known[key]

    def _held_out(self, settings: Settings) -> RunQueries:
        validation = training_and_validation(settings)[1]
        test = validation.as_test
        if self.on == "test" and test is None:
            raise _no_test("its identities name no test, test_share or dataset")
        if self.on == "validation" or test is None:
            return RunQueries(validation, f"validation: {HELD_OUT}", True)
        return RunQueries(test, f"test: {TEST}", False)

    def _unseen(self, run: LoadedRun) -> RunQueries:
        if self.on == "test":
            raise _no_test("identities.split_by is person, whose validation asks unseen people")
        people = validation_people(run.settings, run.header.people)
        seen = validated_on(run.header.path.parent)  # --set may have named others than its training was validated on
        chosen_on = seen is None or not seen.isdisjoint(people.queries.people)
        return RunQueries(people, f"validation: unseen people, {LEAVE_ONE_OUT}", chosen_on)


def load_runs(runs: Sequence[Path], references: Sequence[Path], overrides: Sequence[str]) -> list[LoadedRun]:
    """Return runs with codes, then the float references.

    Raises FacematchError without a run, for a folder given twice, for one that holds no settings or no
    weights, and for a network with codes in place of one without them, or the other way round.
    """
    if not runs:
        raise FacematchError(
            "there is no run to report.", "For example: facematch hash-report checkpoints/CUB_16 checkpoints/CUB_32"
        )
    for override in overrides:
        if override.partition("=")[0].strip() == "paths.checkpoint":
            raise FacematchError(f"--set {override}: each run is reported with its own best weights.")
    folders = [run_path(each, overrides) for each in (*runs, *references)]
    resolved = [folder.resolve() for folder in folders]
    for number, folder in enumerate(resolved):
        if folder in resolved[:number]:
            raise FacematchError(f"{folders[number]} is given twice.", "Name each run once.")
    short = [folder.name for folder in resolved]
    names = [name if short.count(name) == 1 else str(folder) for name, folder in zip(short, folders, strict=True)]
    return [
        _load(folder, name, overrides, hashing=number < len(runs))
        for number, (folder, name) in enumerate(zip(folders, names, strict=True))
    ]


def photos_digest(task: RetrievalTask, content: Mapping[str, str]) -> str:
    """Return a digest of queries and gallery, of the names, labels and bytes (`content`) of their photos: 16 digits."""
    (division,) = task.divisions
    sides = (division.queries, division.gallery)
    parts = [[(name, task.shown[name], content[name]) for name in side] for side in sides]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _by_name(task: RetrievalTask) -> RetrievalTask:
    # Queries and gallery in the order of their names.
    (division,) = task.divisions
    queries = division.queries
    ordered = division.at(sorted(range(len(queries)), key=queries.__getitem__))
    return replace(task, divisions=(replace(ordered, gallery=tuple(sorted(division.gallery))),))


def _load(folder: Path, name: str, overrides: Sequence[str], *, hashing: bool) -> LoadedRun:
    settings = run_settings(folder, overrides)
    if settings.network.tanh != hashing:
        raise _other_kind(folder, hashing=hashing)
    metric = "euclidean" if hashing or settings.ranking.metric == "hamming" else settings.ranking.metric
    own = settings.model_copy(
        update={
            "embedder": EmbedderSettings(),  # the run's network, whatever answers elsewhere
            "ranking": RankingSettings(metric=metric),
        }
    )
    trained = run_settings(folder, ())
    return LoadedRun(name, own, trained_header(own), hashing, tuple(_doubts(folder, name, own, trained)))


def _doubts(folder: Path, name: str, settings: Settings, trained: Settings) -> Iterator[str]:
    if folder.is_dir() and not (folder / "finished.json").is_file():
        yield f"{name} is not finished: its best weights so far are reported"
    if settings.refine:
        yield f"{name}: refine steps are left out, codes and floats are compared as the network gives them"
    decides = ("identities", "seed") if settings.identities.split_by == "photo" else ()
    if any(getattr(settings, key) != getattr(trained, key) for key in decides):
        yield (
            f"{name}: identities or seed are not those it was trained with, so photos it was trained on may be "
            "among the queries"
        )


def _other_kind(folder: Path, *, hashing: bool) -> FacematchError:
    if hashing:
        return FacematchError(
            f"{folder} did not learn to hash: network.tanh is false in its settings.yaml.",
            f"To show its floats beside the codes of others, give it as --reference {folder}",
        )
    return FacematchError(
        f"--reference {folder} learned to hash (network.tanh: true), so it has floats and codes.",
        f"Name it as a run: facematch hash-report {folder}",
    )


def _no_test(why: str) -> FacematchError:
    return FacematchError(f"there is no test: {why}.", "Leave --on test out to report its validation.")
