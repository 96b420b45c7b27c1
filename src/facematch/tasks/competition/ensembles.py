"""What is submitted: one system, or an ensemble of several, both as something that ranks two folders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from facematch.core.console import Stopwatch, info, progress, warn
from facematch.core.errors import FacematchError
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.evaluation.outcomes import outcomes_of
from facematch.evaluation.rank_task import judge_task, rank_divisions
from facematch.faces.values import coverage_of
from facematch.pipeline.build import photo_embedder, trained_people
from facematch.pipeline.evaluated import embed_task, task_photos
from facematch.pipeline.folders import Folder
from facematch.pipeline.people import enough_people, validation_people
from facematch.pipeline.system import System, build_system, compare_and_note, ensemble_members, gallery_people
from facematch.ranking.fusion import fuse
from facematch.ranking.ranking import Ranking
from facematch.refine.chain import needs_folds
from facematch.settings.competition import CompetitionForm
from facematch.settings.ensemble import EnsembleSettings
from facematch.settings.root import Settings
from facematch.tasks.competition.expected import Expected, expected_of, expected_score, unknown_score
from facematch.tasks.competition.made_by import system_of

_SHOWN = 5  # photos that are named


@dataclass(frozen=True)
class Faceless:
    """A photo without a face, or one that could not be read, as `status` and `reason` tell; `system` embedded it."""

    system: str
    side: str
    name: str
    status: str
    reason: str


@dataclass(frozen=True, eq=False)
class Ranked:
    """At least as many gallery photos as asked for, for every query that could be embedded; what had no face."""

    ranking: Ranking
    faceless: tuple[Faceless, ...]


class Submitted(Protocol):
    """What ranks a gallery folder for a query folder, and tells what it is and what score to expect of it."""

    @property
    def settings(self) -> Settings:
        """Return the settings of the file."""

    @property
    def described(self) -> dict[str, Any]:
        """Return what the journal keeps of it, as a JSON object."""

    def expected(self, queries: int, gallery: int, form: CompetitionForm) -> Expected:
        """Return the score to expect for a task of this size."""

    def rank(self, query: Folder, gallery: Folder, names: int, watch: Stopwatch) -> Ranked:
        """Return at least `names` gallery photos of every query that could be embedded."""


@dataclass(frozen=True, eq=False)
class OneSystem:
    """A single system."""

    settings: Settings
    system: System
    stage: PhotoEmbedder

    @property
    def described(self) -> dict[str, Any]:
        """Return what embeds and ranks."""
        return system_of(self.settings, self.system, self.stage)

    def expected(self, queries: int, gallery: int, form: CompetitionForm) -> Expected:
        """Return the score to expect for a task of this size."""
        return expected_score(self.settings, self.stage, self.system, queries, gallery, form)

    def rank(self, query: Folder, gallery: Folder, names: int, watch: Stopwatch) -> Ranked:
        """Return the first `names` gallery photos of every query that could be embedded."""
        known, name = gallery_people(self.system.steps, gallery.place), self.settings.name
        with watch.stage("embedding queries"):
            queries, faceless = _embed(self.stage, query, "query", name)
        with watch.stage("embedding gallery"):
            answers, more = _embed(self.stage, gallery, "gallery", name)
        with watch.stage("ranking"):
            asked, shown = self.system.rank.sides(queries.embeddings, answers.embeddings, known)
            ranking = compare_and_note(self.system.rank, asked, shown, names)
        return Ranked(ranking, faceless + more)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Several systems whose whole rankings are fused."""

    settings: Settings
    members: tuple[OneSystem, ...]
    how: EnsembleSettings

    @property
    def described(self) -> dict[str, Any]:
        """Return the members and how they are fused."""
        how = {"method": self.how.method, "weights": self.how.weights}
        return {
            "kind": "ensemble",
            "model": self.settings.name,
            **how,
            "members": [each.described for each in self.members],
        }

    def expected(self, queries: int, gallery: int, form: CompetitionForm) -> Expected:
        """Return the score to expect: every member ranks the same validation people, whom none has seen."""
        try:
            trained_on = {person for member in self.members for person in trained_people(member.settings)}
            everyone = validation_people(self.settings, trained_on)
            people, of = enough_people(everyone, queries + gallery, self.settings.seed)
            photos = task_photos(people, in_folds=any(needs_folds(member.system.steps) for member in self.members))
            embedded = [embed_task(member.stage, photos, member.settings.name).embeddings for member in self.members]
        except FacematchError as error:
            return unknown_score(error)
        task = photos.task.among({name for each in embedded for name in each.names})
        members = zip(self.members, embedded, strict=True)
        rankings = [rank_divisions(task, each, member.system.rank) for member, each in members]
        fused = [self._joined(each) for each in zip(*rankings, strict=True)]
        found = outcomes_of(judge_task(task, fused))
        return replace(expected_of(found, of, queries, gallery, form, self.settings.seed), photos=photos)

    def rank(self, query: Folder, gallery: Folder, names: int, watch: Stopwatch) -> Ranked:
        """Return the whole gallery, fused, for every query that any member could embed."""
        ranked = [member.rank(query, gallery, len(gallery.files), watch) for member in self.members]
        with watch.stage("fusing"):
            fused = self._joined([each.ranking for each in ranked])
        return Ranked(fused, tuple(photo for each in ranked for photo in each.faceless))

    def _joined(self, rankings: Sequence[Ranking]) -> Ranking:
        return fuse(rankings, None if self.how.weights == "equal" else self.how.weights, self.how.method)


def build_submitted(settings: Settings) -> Submitted:
    """Return what a settings file submits. Raises FacematchError as `build_system`, and names the member."""
    if settings.ensemble is None:
        return _one(settings)
    members = ensemble_members(settings, settings.ensemble)
    return Ensemble(settings, tuple(_one(each) for each in members), settings.ensemble)


def _one(settings: Settings) -> OneSystem:
    system = build_system(settings)
    return OneSystem(settings, system, photo_embedder(settings, system.embedder))


def _embed(
    embedder: PhotoEmbedder, folder: Folder, side: str, system: str
) -> tuple[EmbeddedPhotos, tuple[Faceless, ...]]:
    what = {"query": "queries"}.get(side, side)
    with progress(what, len(folder.files)) as step:
        embedded = embedder.run(folder.files, step)
    info(f"{what}: {coverage_of(embedded.records)}")
    bad = [Faceless(system, side, r.name, r.status, r.reason) for r in embedded.records if r.status != "found"]
    bad += [Faceless(system, side, each.name, "unreadable", each.reason) for each in folder.unreadable]
    _name_them(f"{what}: no face found in", [each.name for each in bad if each.status != "unreadable"])
    _name_them(f"{what}: not read,", [f"{each.name} ({each.reason})" for each in bad if each.status == "unreadable"])
    return embedded, tuple(bad)


def _name_them(what: str, names: Sequence[str]) -> None:
    if names:
        warn(f"{what} {len(names)}: {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}")
