"""What is submitted: one system, or an ensemble of several, both as something that ranks two folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from facematch.commands.embed import compare_and_note
from facematch.commands.evaluated import embed_people
from facematch.commands.expected import Expected, expected_score
from facematch.commands.people import validation_people
from facematch.compare.divisions import (
    Division,
    fold_divisions,
    judge_divisions,
    leave_one_out_division,
    rank_division,
)
from facematch.competition.folders import Folder
from facematch.competition.form import CompetitionForm
from facematch.console import Stopwatch, loud, note, working
from facematch.default_checkpoint import settings_in_use
from facematch.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.embeddings import Embeddings
from facematch.errors import FacematchError
from facematch.evaluation.expectation import expect
from facematch.evaluation.outcomes import judged_outcomes
from facematch.faces.values import coverage_of
from facematch.flow import photo_embedder, trained_people
from facematch.flow_refine import System, build_system, gallery_people
from facematch.fusion import fuse
from facematch.ranking import Ranking
from facematch.refine.chain import needs_folds
from facematch.settings import Settings
from facematch.settings_ensemble import EnsembleSettings


class Submitted(Protocol):
    """What ranks a gallery folder for a query folder, and tells what score to expect of it."""

    def expected(self, queries: int, gallery: int, form: CompetitionForm) -> Expected:
        """Return the score to expect for a task of this size."""

    def rank(self, query: Folder, gallery: Folder, names: int, watch: Stopwatch) -> Ranking:
        """Return at least `names` gallery photos of every query that could be embedded."""


@dataclass(frozen=True, eq=False)
class OneSystem:
    """A single system."""

    settings: Settings
    system: System
    stage: PhotoEmbedder

    def expected(self, queries: int, gallery: int, form: CompetitionForm) -> Expected:
        """Return the score to expect for a task of this size."""
        return expected_score(self.settings, self.stage, self.system, queries, gallery, form)

    def rank(self, query: Folder, gallery: Folder, names: int, watch: Stopwatch) -> Ranking:
        """Return the first `names` gallery photos of every query that could be embedded."""
        known = gallery_people(self.system.steps, gallery.path)
        with watch.stage("embedding queries"):
            queries = _embed(self.stage, query, "queries")
        with watch.stage("embedding gallery"):
            answers = _embed(self.stage, gallery, "gallery")
        with watch.stage("ranking"):
            asked, shown = self.system.rank.sides(queries.embeddings, answers.embeddings, known)
            return compare_and_note(self.system.rank, asked, shown, names)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Several systems whose whole rankings are fused."""

    settings: Settings
    members: tuple[OneSystem, ...]
    how: EnsembleSettings

    def expected(self, queries: int, gallery: int, form: CompetitionForm) -> Expected:
        """Return the score to expect: every member ranks the same validation people, whom none has seen."""
        try:
            trained_on = {person for member in self.members for person in trained_people(member.settings)}
            people = validation_people(self.settings, trained_on)
            embedded = [embed_people(member.stage, people, f"validation people, {member.settings.name}")
                        for member in self.members]  # fmt: skip
        except FacematchError as error:
            return Expected(None, None, f"there is nobody to validate on: {error.message}")
        shown = {
            name: who for each in embedded for name, who in zip(each.embeddings.names, each.identities, strict=True)
        }
        names = sorted(shown)
        asked = [name.startswith("asked/") for name in names]
        if any(needs_folds(member.system.steps) for member in self.members):
            divisions: tuple[Division, ...] = fold_divisions(names, shown, asked)
        else:
            divisions = (leave_one_out_division(names, shown, asked),)
        rankings = [self._fused([each.embeddings for each in embedded], division, shown) for division in divisions]
        found = judged_outcomes(judge_divisions(rankings, divisions)[0])
        expectation = expect(found, queries=queries, gallery=gallery, weights=form.weights, seed=self.settings.seed)
        if expectation is None:
            return Expected(None, None, "nobody of the validation has two photos that can be compared.")
        return Expected(found, expectation)

    def rank(self, query: Folder, gallery: Folder, names: int, watch: Stopwatch) -> Ranking:
        """Return the whole gallery, fused, for every query that any member could embed."""
        rankings = [member.rank(query, gallery, len(gallery.files), watch) for member in self.members]
        with watch.stage("fusing"):
            return self._joined(rankings)

    def _fused(self, embedded: Sequence[Embeddings], division: Division, shown: Mapping[str, str]) -> Ranking:
        members = zip(self.members, embedded, strict=True)
        return self._joined([rank_division(each, member.system.rank, division, shown) for member, each in members])

    def _joined(self, rankings: Sequence[Ranking]) -> Ranking:
        return fuse(rankings, None if self.how.weights == "equal" else self.how.weights, self.how.method)


def build_submitted(settings: Settings) -> Submitted:
    """Return what a settings file submits. Raises FacematchError as `build_system`, and names the member."""
    if settings.ensemble is None:
        return _one(settings)
    members = ensemble_members(settings, settings.ensemble)
    return Ensemble(settings, tuple(_one(each) for each in members), settings.ensemble)


def ensemble_members(settings: Settings, ensemble: EnsembleSettings) -> list[Settings]:
    """Return the settings of each member; where photos, labels and the cache are is told by the ensemble's file."""
    found = []
    for number, each in enumerate(ensemble.members, start=1):
        try:
            member = settings_in_use(each.config, each.overrides(), unasked=False)
        except FacematchError as error:
            raise FacematchError(f"member {number} of the ensemble: {error.message}", error.hint) from error
        kept = ("query", "gallery", "cache")
        paths = member.paths.model_copy(update={name: getattr(settings.paths, name) for name in kept})
        shared = {"paths": paths, "identities": settings.identities, "photos": settings.photos}
        found.append(member.model_copy(update=shared))
    return found


def _one(settings: Settings) -> OneSystem:
    system = build_system(settings)
    return OneSystem(settings, system, photo_embedder(settings, system.embedder))


def _embed(embedder: PhotoEmbedder, folder: Folder, what: str) -> EmbeddedPhotos:
    with working(what, len(folder.files)) as progress:
        embedded = embedder.run(folder.files, progress)
    note(f"{what}: {coverage_of(embedded.records)}")
    reasons = [f"{r.name} ({r.reason})" for r in embedded.records if r.status == "unreadable"]
    reasons += [f"{bad.name} ({bad.reason})" for bad in folder.unreadable]
    if reasons:
        loud(f"{what}: not read, {len(reasons)}: {', '.join(reasons[:5])}{' …' if len(reasons) > 5 else ''}")
    return embedded
