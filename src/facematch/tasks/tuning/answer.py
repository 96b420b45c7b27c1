"""`facematch answer`: who of the gallery each query shows, or nobody."""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from facematch.core.console import Stopwatch, info, show_json, warn
from facematch.core.errors import USAGE, FacematchError, nearest_name
from facematch.core.kinds import known_names
from facematch.core.text import brief
from facematch.embedders.embed import EmbeddedPhotos
from facematch.pipeline.build import build_embedder, photo_embedder, trained_people
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.evaluated import embed_files, embed_named, photos_of
from facematch.pipeline.folders import folder_of
from facematch.pipeline.people import validation_people
from facematch.pipeline.system import System, build_system, gallery_people, load_tuned
from facematch.ranking.ranking import Ranking
from facematch.settings.root import Settings
from facematch.thresholds.calibration import CalibratedThreshold
from facematch.thresholds.conformal import ConformalThreshold, fit_conformal
from facematch.thresholds.dynamic import DynamicRule, DynamicThreshold
from facematch.thresholds.kept import FittedThreshold, threshold_from_dict
from facematch.thresholds.static import StaticThreshold
from facematch.thresholds.values import accept

Threshold = StaticThreshold | DynamicThreshold | CalibratedThreshold | ConformalThreshold


def answer_command(
    config: Path, overrides: Sequence[str], kind: str, *, false_accepts: float, probability: float, as_json: bool
) -> None:
    """Rank the gallery for every query and print the photos that are near enough, as CSV or JSON."""
    known_kinds = (*known_names("thresholds"), "conformal")
    if kind not in known_kinds:
        raise FacematchError(
            f"--threshold {brief(kind)}: expected one of {', '.join(known_kinds)}{nearest_name(kind, known_kinds)}.",
            exit_code=USAGE,
        )
    settings, watch = settings_in_use(config, overrides), Stopwatch()
    system = build_system(settings)
    tuned = None if kind == "conformal" else _tuned(settings, system, kind, probability)
    stage = photo_embedder(settings, system.embedder)
    folders = [folder_of(settings, each) for each in (settings.paths.query, settings.paths.gallery)]
    with watch.stage("embedding"):
        query, gallery = (embed_files(stage, photos_of(folder).files, folder.name) for folder in folders)
    known = gallery_people(system.steps, folders[1])
    with watch.stage("ranking"):
        ranking = system.rank(query.embeddings, gallery.embeddings, len(gallery.embeddings), known)
        if tuned is None:
            threshold: Threshold = _promised(settings, system, gallery, known, false_accepts)
        elif isinstance(tuned, DynamicRule):
            threshold = tuned.on(system.rank.sides(query.embeddings, gallery.embeddings, known)[1])
        else:
            threshold = tuned
        accepted = accept(ranking, threshold.limits(ranking))
    unanswered = [record.name for record in query.records if record.name not in accepted]
    _print(accepted, ranking, threshold, unanswered, as_json=as_json)
    info(f"{len(accepted)} queries, {sum(not names for names in accepted.values())} of them answered by nobody")
    if unanswered:
        warn(f"{len(unanswered)} queries have no embedding and no answer: {', '.join(unanswered[:5])}")
    info(f"seconds: {watch}")


def _tuned(settings: Settings, system: System, kind: str, probability: float) -> FittedThreshold:
    # The kept threshold; it belongs to the steps it was tuned with.
    tuned = load_tuned(settings, build_embedder(settings))
    if tuned.refine != system.steps:
        used, then = (", ".join(step.step for step in steps) or "none" for steps in (system.steps, tuned.refine))
        raise FacematchError(
            f"thresholds were tuned with the refine steps {then}, but the steps in use are {used}: distances differ.",
            "Add --set refine=tuned, or tune again.",
        )
    if kind not in tuned.thresholds:
        raise FacematchError(
            f"no {kind} threshold was kept by `facematch tune`; there are {', '.join(tuned.thresholds) or 'none'}.",
            "Tune again: its lines on insufficient data name what is missing.",
        )
    threshold = threshold_from_dict(tuned.thresholds[kind])
    if isinstance(threshold, CalibratedThreshold):
        if not 0 < probability < 1:
            raise FacematchError(f"--probability {probability:g}: a probability to ask for lies between 0 and 1.")
        return replace(threshold, probability=probability)
    return threshold


def _promised(
    settings: Settings, system: System, gallery: EmbeddedPhotos, known: Mapping[str, str] | None, rate: float
) -> ConformalThreshold:
    # Validation people are the unknown ones: ranked in the very gallery in use.
    if (step := next((step.step for step in system.steps if step.needs_known), None)) is not None:
        raise FacematchError(
            f"{step} compares with training people, and the validation people, who stand for unknown ones, "
            "may be among them: no rate of false accepts can be promised.",
            "Leave the step out of refine, or take another threshold.",
        )
    if (step := next((step.step for step in system.steps if step.gives_distances), None)) is not None:
        raise FacematchError(
            f"{step} may look at all queries together, so no rate of false accepts can be promised.",
            f"Leave {step} out of refine, or take another threshold.",
        )
    trained_on = trained_people(settings)
    unknown = validation_people(settings, trained_on)
    people = embed_named(photo_embedder(settings, system.embedder), unknown.files, "unknown people")
    seen = {record.sha256 for record in gallery.records} - {""}
    both = [record.name for record in people.records if record.sha256 in seen]
    if both:
        raise FacematchError(
            f"{len(both)} photos of the validation people stand in the gallery, first {both[0]}: they are not unknown.",
            "Name people who are not in the gallery: --set identities.validation=FOLDER.",
        )
    rank = replace(system.rank, index="exact")  # a photo that is missed would make unknown people look farther away
    ranking = rank(people.embeddings, gallery.embeddings, 1, known)
    shown = unknown.shown
    identities = [shown[name] for name in ranking.queries]
    threshold = fit_conformal(
        ranking.distances[:, 0], identities, rate, ranking.metric, gallery.embeddings.names, seed=settings.seed
    )
    info(
        f"of people in neither the gallery nor the {threshold.basis.people} validation people, but like these, at most "
        f"{threshold.promised:.2%} will wrongly be given a name, on average over such fits"
    )
    return threshold


def _print(
    accepted: Mapping[str, Sequence[str]],
    ranking: Ranking,
    threshold: Threshold,
    unanswered: Sequence[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        show_json({**accepted, **dict.fromkeys(unanswered)})
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["query", "place", "gallery", "distance", "probability"])
    for row, (query, names) in enumerate(accepted.items()):
        if not names:
            table.writerow([query, "", "nobody", "", ""])
        distance_of = dict(zip(ranking.names(row), ranking.distances[row].tolist(), strict=False))
        for place, name in enumerate(names, start=1):
            chance = ""
            if isinstance(threshold, CalibratedThreshold):
                chance = f"{float(threshold.model.probability(distance_of[name])):.4f}"
            table.writerow([query, place, name, f"{distance_of[name]:.6f}", chance])
