"""What is submitted: one system, or an ensemble of several, both as something that ranks two folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facematch.core.console import Stopwatch, info, progress, warn
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.evaluation.outcomes import Outcomes, outcomes_of, task_outcomes
from facematch.evaluation.rank_task import judge_task, rank_divisions
from facematch.evaluation.task import RetrievalTask
from facematch.faces.values import coverage_of
from facematch.pipeline.build import photo_embedder, trained_people
from facematch.pipeline.evaluated import TaskPhotos, embed_task, task_photos
from facematch.pipeline.folders import Folder
from facematch.pipeline.people import enough_people, validation_people
from facematch.pipeline.system import System, build_system, compare_and_note, ensemble_members, gallery_people
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.fusion import fuse
from facematch.ranking.ranking import Ranking
from facematch.refine.chain import needs_folds
from facematch.settings.ensemble import EnsembleSettings
from facematch.settings.root import Settings
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
class Member:
    """A single system: what embeds, and what ranks."""

    settings: Settings
    system: System
    stage: PhotoEmbedder

    def rank(
        self, query: Folder, gallery: Folder, names: int, watch: Stopwatch
    ) -> tuple[Ranking, tuple[Faceless, ...]]:
        """Return the first `names` gallery photos of every query that could be embedded, and what had no face."""
        known, name = gallery_people(self.system.steps, gallery.place), self.settings.name
        with watch.stage("embedding queries"):
            queries, faceless = _embed(self.stage, query, "query", name)
        with watch.stage("embedding gallery"):
            answers, more = _embed(self.stage, gallery, "gallery", name)
        with watch.stage("ranking"):
            asked, shown = self.system.rank.sides(queries.embeddings, answers.embeddings, known)
            ranking = compare_and_note(self.system.rank, asked, shown, names)
        return ranking, faceless + more


@dataclass(frozen=True, eq=False)
class Submitted:
    """What ranks a gallery folder for a query folder: one system, or several whose whole rankings are fused by `how`.

    `settings` are those of the file.
    """

    settings: Settings
    members: tuple[Member, ...]
    how: EnsembleSettings | None = None

    @property
    def described(self) -> dict[str, Any]:
        """Return what the journal keeps of it, as a JSON object: what embeds and ranks, how members are fused."""
        members = [system_of(each.settings, each.system, each.stage) for each in self.members]
        if self.how is None:
            return members[0]
        how = {"method": self.how.method, "weights": self.how.weights}
        return {"kind": "ensemble", "model": self.settings.name, **how, "members": members}

    def validation(self, count: int) -> tuple[TaskPhotos, list[Embeddings], int | None]:
        """Return people whom no member has seen, for a task of `count` photos: their embeddings for each member.

        The last value is how many people there are, where some were drawn. Raises FacematchError for nobody.
        """
        trained_on = {person for member in self.members for person in trained_people(member.settings)}
        people, of = enough_people(validation_people(self.settings, trained_on), count, self.settings.seed)
        photos = task_photos(people, in_folds=any(needs_folds(member.system.steps) for member in self.members))
        names = [member.settings.name if self.how else "" for member in self.members]
        stages = zip(self.members, names, strict=True)
        return photos, [embed_task(each.stage, photos, name).embeddings for each, name in stages], of

    def outcomes(self, task: RetrievalTask, embedded: Sequence[Embeddings]) -> Outcomes:
        """Return the outcomes of a task by the embeddings of each member."""
        if self.how is None:
            return task_outcomes(task, embedded[0], self.members[0].system.rank)
        task = task.among({name for each in embedded for name in each.names})
        members = zip(self.members, embedded, strict=True)
        rankings = [rank_divisions(task, each, member.system.rank) for member, each in members]
        return outcomes_of(judge_task(task, [_fused(self.how, each) for each in zip(*rankings, strict=True)]))

    def rank(
        self, query: Folder, gallery: Folder, names: int, watch: Stopwatch
    ) -> tuple[Ranking, tuple[Faceless, ...]]:
        """Return at least `names` gallery photos of every query that any member could embed, and what had no face."""
        if self.how is None:
            return self.members[0].rank(query, gallery, names, watch)
        ranked = [member.rank(query, gallery, len(gallery.files), watch) for member in self.members]
        with watch.stage("fusing"):
            fused = _fused(self.how, [ranking for ranking, _ in ranked])
        return fused, tuple(photo for _, faceless in ranked for photo in faceless)


def build_submitted(settings: Settings) -> Submitted:
    """Return what a settings file submits. Raises FacematchError as `build_system`, and names the member."""
    how, members = settings.ensemble, []
    for each in [settings] if how is None else ensemble_members(settings, how):
        system = build_system(each)
        members.append(Member(each, system, photo_embedder(each, system.embedder)))
    return Submitted(settings, tuple(members), how)


def _fused(how: EnsembleSettings, rankings: Sequence[Ranking]) -> Ranking:
    return fuse(rankings, None if how.weights == "equal" else how.weights, how.method)


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
