"""From settings to what embeds and what ranks: one system or an ensemble's, and what `facematch tune` keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict

from facematch.core.console import info, warn_once
from facematch.core.errors import FacematchError
from facematch.core.files import write_json
from facematch.core.fingerprint import StoredFingerprint, require_same
from facematch.core.foreign import read_as
from facematch.core.shipped import find_settings
from facematch.embedders import Embedder
from facematch.embedders.views import FlipEmbedder, ViewsEmbedder, make_views
from facematch.identities.sources import load_identities
from facematch.pipeline.build import build_cropper, build_embedder, run_folder
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.training_people import known_people
from facematch.ranking.choice import measured_recall
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, chosen_metric, distance_estimator
from facematch.refine.chain import Ranker, has_flip
from facematch.refine.whitening import load_whitening
from facematch.settings.ensemble import EnsembleSettings, MemberSettings
from facematch.settings.file import load_settings
from facematch.settings.refine import Refine, Step, TemplatesStep, TunedSteps, ViewsStep, WhitenStep
from facematch.settings.root import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Tuned:
    """What `facematch tune` chose on validation people: refine steps and thresholds, for one embedder and metric.

    `thresholds` holds each fitted threshold as plain JSON values, by name.
    """

    metric: Metric
    refine: Refine
    thresholds: Mapping[str, Any]
    fingerprint: StoredFingerprint
    format: Literal["facematch tuned 1"] = "facematch tuned 1"
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class System:
    """What embeds and what ranks, as a configuration says: `embedder` flips and takes views where `steps` say so."""

    embedder: Embedder
    steps: tuple[Step, ...]
    rank: Ranker


def build_system(settings: Settings) -> System:
    """Return the configured embedder with its refine steps. Raises FacematchError as its parts do."""
    plain = build_embedder(settings)
    steps = refine_steps(settings, plain)
    embedder = with_views(settings, plain, steps)
    return System(embedder, steps, build_ranker(settings, steps, embedder))


def tuned_folder(settings: Settings) -> Path:
    """Return the folder where `facematch tune` keeps what it found for this configuration."""
    return run_folder(settings) / "tuned"


def whitening_file(settings: Settings, *, flip: bool) -> Path:
    """Return where whitening fitted on embeddings with or without flip is kept."""
    return tuned_folder(settings) / ("whitening-flip.safetensors" if flip else "whitening.safetensors")


def save_tuned(path: Path, tuned: Tuned) -> None:
    """Write a JSON file, whole or not at all."""
    steps = [step.model_dump(mode="json") for step in tuned.refine]
    values = {"format": tuned.format, "metric": tuned.metric, "refine": steps}
    write_json(path, {**values, "thresholds": tuned.thresholds, "fingerprint": dict(tuned.fingerprint.settings)})


def load_tuned(settings: Settings, embedder: Embedder) -> Tuned:
    """Read what was tuned for this configuration.

    Raises FacematchError when nothing was, for a damaged file, and when it was tuned for another embedder,
    other crops or another metric.
    """
    path = tuned_folder(settings) / "tuned.json"
    if not path.is_file():
        raise FacematchError(
            f"nothing has been tuned for this configuration: {path} does not exist.",
            "Run: facematch tune --config FILE, with the same settings.",
        )
    tuned = read_as(Tuned, path, "tuned steps", "Tune again.")
    require_same(
        build_cropper(settings.faces).fingerprint | embedder.fingerprint, "the settings", tuned.fingerprint, str(path)
    )
    if tuned.metric != settings.ranking.metric:
        raise FacematchError(
            f"{path} was tuned for ranking.metric {tuned.metric}, but it is {settings.ranking.metric} now.",
            "Tune again, or set the metric back.",
        )
    return tuned


def refine_steps(settings: Settings, embedder: Embedder) -> tuple[Step, ...]:
    """Return the steps of `refine:`, with `tuned` resolved. Raises FacematchError as `load_tuned`."""
    if any(isinstance(step, TunedSteps) for step in settings.refine):
        return load_tuned(settings, embedder).refine
    return settings.refine


def with_views(settings: Settings, embedder: Embedder, steps: Sequence[Step]) -> Embedder:
    """Return the embedder, with the steps that are done where photos are embedded: flip and views.

    A face that is aligned by five points has one view only, so where the detector gives them there are no others.
    """
    normalise = _normalised(settings, embedder)
    if has_flip(steps):
        embedder = FlipEmbedder(embedder, normalise)
    for step in steps:
        if isinstance(step, ViewsStep) and not settings.faces.aligns:
            views = make_views(step.margins, step.up, step.shift, step.angle)
            embedder = ViewsEmbedder(embedder, settings.faces.size, views, normalise)
    return embedder


def _normalised(settings: Settings, embedder: Embedder) -> bool:
    # An exported file knows it better than the settings; a hash has signs, no length.
    if settings.embedder.kind == "network":
        return settings.network.normalise
    return bool(getattr(embedder, "normalise", settings.embedder.kind == "pixels"))


def build_ranker(settings: Settings, steps: Sequence[Step], embedder: Embedder) -> Ranker:
    """Return the function that ranks with `steps` what `embedder` embedded, flipped and with views where they say so.

    Whitening is read from the tuned folder; training people are embedded once a step needs them. Raises FacematchError
    where whitening has not been fitted.
    """
    whitening = None
    if any(isinstance(step, WhitenStep) for step in steps):
        whitening = load_whitening(whitening_file(settings, flip=has_flip(steps)))
    known = known_people(settings, steps, embedder)
    return Ranker(tuple(steps), settings.ranking.metric, whitening, settings.gallery.index, known)


def gallery_people(steps: Sequence[Step], gallery: Path) -> Mapping[str, str] | None:
    """Return whom each photo of the gallery folder shows, from the list that step `templates` names; else None."""
    for step in steps:
        if isinstance(step, TemplatesStep) and step.people is not None:
            labelled, _ = load_identities(step.people, gallery)
            return {file.name: person for file, person in labelled.pairs}
    return None


def ensemble_members(
    settings: Settings, ensemble: EnsembleSettings, build: Callable[[Settings, int], T]
) -> tuple[EnsembleSettings, list[T]]:
    """Return what `build` makes of the settings and the number of each member, and the ensemble of those there are.

    Where photos, labels and the cache are is told by the ensemble's file. Where `missing` says so, a member that raises
    FacematchError is named in a warning and left out, with its weight, unless its settings hold a mistake. Raises
    FacematchError, which names the member, where it does not say so, and where none is left.
    """
    made: dict[int, T] = {}
    for number, each in enumerate(ensemble.members, start=1):
        try:
            made[number - 1] = build(_member_settings(settings, each), number)
        except FacematchError as error:
            named = f"member {number} of the ensemble" + (f" ({each.config})" if each.config else "")
            last = number == len(ensemble.members) and not made
            if ensemble.missing == "error" or last or _mistaken(each):
                raise FacematchError(f"{named}: {error.message}", error.hint) from error
            warn_once(f"{named} is left out: {error}")
    return ensemble.among(list(made)), list(made.values())


def _mistaken(member: MemberSettings) -> bool:
    # Whether its settings are there and cannot be read.
    try:
        if member.config is not None:
            find_settings(member.config)
    except FacematchError:
        return False
    try:
        load_settings(member.config, member.overrides())
    except FacematchError:
        return True
    return False


def _member_settings(settings: Settings, member: MemberSettings) -> Settings:
    found = settings_in_use(member.config, member.overrides(), unasked=False)
    kept = ("query", "gallery", "cache")
    paths = found.paths.model_copy(update={name: getattr(settings.paths, name) for name in kept})
    shared = {"paths": paths, "identities": settings.identities, "photos": settings.photos}
    return found.model_copy(update=shared)


def compare_and_note(ranker: Ranker, query: Embeddings, gallery: Embeddings, k: int) -> Ranking:
    """Rank two sides; say on standard error why an index was chosen, and how much it found."""
    choice = ranker.choice(query, gallery, k)
    settled = replace(ranker, index=choice.kind) if ranker.index == "auto" else ranker
    ranking = settled.compare(query, gallery, k)
    if choice.reason:
        info(f"index {choice.kind}: {choice.reason}")
    if choice.kind == "exact":
        return ranking
    k, metric = ranking.indices.shape[1], chosen_metric(query, ranking.metric)
    recall = measured_recall(
        ranking.distances, lambda rows: distance_estimator(query.at(rows.tolist()), gallery, k, metric).distances
    )
    info(f"{'approximate index' if choice.approximate else 'index'} {choice.kind}: {recall}")
    return ranking
