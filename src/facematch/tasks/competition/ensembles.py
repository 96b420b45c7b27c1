"""What is submitted: one system, or an ensemble of several, both as something that ranks two folders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from facematch.core.console import Stopwatch, info, progress, warn
from facematch.core.errors import FacematchError
from facematch.embedders.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.evaluation.outcomes import Outcomes, joined_outcomes, outcomes_of, task_outcomes
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
from facematch.thresholds.probability import Probability, fit_probabilities, halves_of

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


@dataclass(eq=False)
class _Kept:
    # What was computed for one submission and is asked for again.
    validation: dict[int, tuple[TaskPhotos, list[Embeddings], int | None]] = field(default_factory=dict)
    fits: tuple[Probability, ...] = ()


@dataclass(frozen=True, eq=False)
class Submitted:
    """What ranks a gallery folder for a query folder: one system, or several whose whole rankings are fused by `how`.

    `settings` are those of the file.
    """

    settings: Settings
    members: tuple[Member, ...]
    how: EnsembleSettings | None = None
    _kept: _Kept = field(default_factory=_Kept, repr=False)

    @property
    def described(self) -> dict[str, Any]:
        """Return what the journal keeps of it, as a JSON object: what embeds and ranks, how members are fused.

        Probabilities tell what the fits rest on once something was ranked.
        """
        members = [system_of(each.settings, each.system, each.stage) for each in self.members]
        if self.how is None:
            return members[0]
        how: dict[str, Any] = {"method": self.how.method, "weights": self.how.weights}
        if self._kept.fits:
            how["fitted_on"] = [{"people": each.people, "pairs": each.pairs} for each in self._kept.fits]
        return {"kind": "ensemble", "model": self.settings.name, **how, "members": members}

    def validation(self, count: int) -> tuple[TaskPhotos, list[Embeddings], int | None]:
        """Return people whom no member has seen, for a task of `count` photos: their embeddings for each member.

        The last value is how many people there are, where some were drawn. Computed once for a `count`. Raises
        FacematchError for nobody.
        """
        if count not in self._kept.validation:
            trained_on = {person for member in self.members for person in trained_people(member.settings)}
            people, of = enough_people(validation_people(self.settings, trained_on), count, self.settings.seed)
            photos = task_photos(people, in_folds=any(needs_folds(member.system.steps) for member in self.members))
            stages = zip(self.members, self._names if self.how else [""], strict=True)
            embedded = [embed_task(each.stage, photos, name).embeddings for each, name in stages]
            self._kept.validation[count] = photos, embedded, of
        return self._kept.validation[count]

    def outcomes(self, task: RetrievalTask, embedded: Sequence[Embeddings]) -> Outcomes:
        """Return the outcomes of a task by the embeddings of each member; nobody who asks is a training person.

        Where probabilities are fused, those of one half of the people are fitted on the other half.
        """
        if self.how is None:
            return task_outcomes(task, embedded[0], self.members[0].system.rank.without(task.shown.values()))
        task, systems = self._ranked(task, embedded)
        if self.how.method != "probability":
            return outcomes_of(judge_task(task, _fused(self.how, systems)))
        parts = []
        first, second = halves_of(task)
        for judged, seen in ((first, second), (second, first)):
            fits = fit_probabilities(task, systems, self._names, seen)
            parts.append(outcomes_of(judge_task(task.asked_by(judged), _fused(self.how, systems, fits))))
        return joined_outcomes(parts)

    def rank(
        self, query: Folder, gallery: Folder, names: int, watch: Stopwatch
    ) -> tuple[Ranking, tuple[Faceless, ...]]:
        """Return at least `names` gallery photos of every query that any member could embed, and what had no face.

        Probabilities are fitted on the validation people that the expected score asks. Raises FacematchError where
        there are none.
        """
        if self.how is None:
            return self.members[0].rank(query, gallery, names, watch)
        if self.how.method == "probability":
            with watch.stage("fitting probabilities"):
                self._kept.fits = self._fit(len(query.names) + len(gallery.files))
        ranked = [member.rank(query, gallery, len(gallery.files), watch) for member in self.members]
        with watch.stage("fusing"):
            (fused,) = _fused(self.how, [[ranking] for ranking, _ in ranked], self._kept.fits)
        return fused, tuple(photo for _, faceless in ranked for photo in faceless)

    @property
    def _names(self) -> list[str]:
        return [member.settings.name for member in self.members]

    def _ranked(
        self, task: RetrievalTask, embedded: Sequence[Embeddings]
    ) -> tuple[RetrievalTask, list[tuple[Ranking, ...]]]:
        # The task among the photos that any member embedded, and each member's rankings of it.
        task = task.among({name for each in embedded for name in each.names})
        members = zip(self.members, embedded, strict=True)
        judged = task.shown.values()
        return task, [rank_divisions(task, each, member.system.rank.without(judged)) for member, each in members]

    def _fit(self, count: int) -> tuple[Probability, ...]:
        try:
            photos, embedded, _ = self.validation(count)
        except FacematchError as error:
            raise FacematchError(
                f"ensemble.method is probability, which is fitted on validation people: {error.message}",
                f"--set ensemble.method=z-score needs nobody. {error.hint}",
            ) from error
        return fit_probabilities(*self._ranked(photos.task, embedded), self._names)


def build_submitted(settings: Settings) -> Submitted:
    """Return what a settings file submits. Raises FacematchError as `build_system`, and names the member."""
    if settings.ensemble is None:
        return Submitted(settings, (_member(settings),))
    how, members = ensemble_members(settings, settings.ensemble, lambda each, _: _member(each))
    return Submitted(settings, tuple(members), how)


def _member(settings: Settings) -> Member:
    system = build_system(settings)
    return Member(settings, system, photo_embedder(settings, system.embedder))


def _fused(
    how: EnsembleSettings, systems: Sequence[Sequence[Ranking]], fits: Sequence[Probability] = ()
) -> list[Ranking]:
    # One ranking for each division.
    weights, probabilities = None if how.weights == "equal" else how.weights, [each.of for each in fits]
    return [fuse(rankings, weights, how.method, probabilities) for rankings in zip(*systems, strict=True)]


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
