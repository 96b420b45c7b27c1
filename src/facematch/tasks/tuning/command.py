"""`facematch tune`: which refine steps gain something on validation people, and how near is near enough."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facematch.core.console import Step as Progress
from facematch.core.console import Stopwatch, info, progress, result, show_json, show_table, waiting, warn
from facematch.core.text import evenly
from facematch.embedders.embed import PhotoEmbedder
from facematch.identities.values import LabelledPhotos
from facematch.pipeline.build import build_embedder, photo_embedder, trained_people
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.evaluated import embed_named
from facematch.pipeline.people import ValidationPeople, other_people, validation_people
from facematch.pipeline.system import Tuned, save_tuned, tuned_folder, whitening_file, with_views
from facematch.pipeline.training_people import embed_known
from facematch.refine.chain import has_flip
from facematch.refine.known import KnownPeople
from facematch.refine.whitening import fit_whitening
from facematch.settings.competition import load_form
from facematch.settings.refine import FlipStep, Step, ViewsStep
from facematch.settings.root import Settings
from facematch.tasks.tuning.steps import Gain, Goal, Measure, Trial, ablation, choose, grid
from facematch.tasks.tuning.thresholds import show_thresholds, tune_thresholds
from facematch.tasks.tuning.trials import Trials, where_known

NAMES_NEEDED = "templates"  # the step that a gallery without names cannot take
_FEW = 20  # people below which hardly any gain can be distinguished from luck
_MOST = 5000  # training photos that whitening is fitted on, and that bridge and cohort are tried with


def tune_command(config: Path, overrides: Sequence[str], *, goal: Goal, as_json: bool) -> None:
    """Try every refine step on validation people, choose those with a real gain, keep them for `refine: tuned`.

    Views that the configuration takes of a face are part of what everything is tried on, and are kept with the rest.
    """
    settings, watch = settings_in_use(config, overrides), Stopwatch()
    trained_on = trained_people(settings)
    embedder = build_embedder(settings)
    views = tuple(step for step in settings.refine if isinstance(step, ViewsStep))
    stages = {
        flip: photo_embedder(settings, with_views(settings, embedder, (*views, FlipStep()) if flip else views))
        for flip in (False, True)
    }
    people = validation_people(settings, trained_on)
    with watch.stage("embedding"):
        sides = {
            flip: embed_named(stage, people.files, _named("validation people", flip)).embeddings
            for flip, stage in stages.items()
        }
        known = _known(settings, stages, people, trained_on)
    fitted = {flip: fit_whitening(each.embeddings) for flip, each in (known or {}).items()}
    weights = load_form(settings.server.form).weights
    trials = Trials(settings, people.task(in_folds=True), sides, known, fitted, weights)
    steps = grid(trials.dimensions, settings.ranking.metric, training_people=known is not None)
    tries = 2 * sum(map(len, steps.values()))  # about: each alone, and again beside the first that gains
    with watch.stage("trying"), progress("trying refine steps", tries) as step:
        measure = _counted(trials.measure, step)
        chosen, rounds = choose(measure, steps, trials.people, goal, never=(NAMES_NEEDED,))
    with watch.stage("trying"), waiting("trying bridge where the people are known …"):
        halved = where_known(trials, people)
        if_known = (
            [] if halved is None else ablation(halved.measure, {"bridge": steps["bridge"]}, halved.people, goal=goal)
        )
    with watch.stage("thresholds"), waiting("fitting thresholds …"):
        thresholds = tune_thresholds(
            trials.task, sides[has_flip(chosen)], trials.ranker(chosen), tuned_folder(settings)
        )
    if as_json:
        measured = asdict(thresholds)
        del measured["fitted"]
        values = {"queries": len(trials.people), "chosen": [step.model_dump(mode="json") for step in chosen]}
        gains = [[_plain(gain, goal) for gain in gains] for gains in rounds]
        if if_known:
            values["known"] = [_plain(gain, goal) for gain in if_known]
        show_json({**values, "rounds": gains, "thresholds": measured})
    else:
        _show(trials, chosen, rounds, goal)
        if halved is not None:
            _show_known(halved, if_known, goal)
        show_thresholds(thresholds)
    _keep(settings, photo_embedder(settings, embedder), trials, (*views, *chosen), thresholds.fitted)
    info(f"seconds: {watch}")


def _counted(measure: Measure, step: Progress) -> Measure:
    tried = itertools.count(1)

    def counted(steps: tuple[Step, ...]) -> Trial:
        trial = measure(steps)
        step(next(tried), ", ".join(step.step for step in steps))
        return trial

    return counted


def _named(what: str, flip: bool) -> str:
    return f"{what}, mirrored too" if flip else what


def _known(
    settings: Settings, stages: Mapping[bool, PhotoEmbedder], people: ValidationPeople, trained_on: Sequence[str]
) -> dict[bool, KnownPeople] | None:
    # People the validation does not ask for, embedded plainly and with flip; None where there are none.
    if settings.ranking.metric == "hamming":
        return None
    others = other_people(settings, people.queries, trained_on)
    if others is None or len(others.files) < 2:
        warn(
            "no people but those validated on, so whitening cannot be fitted, and neither bridge nor cohort be tried: "
            "name others in identities.train"
        )
        return None
    some = LabelledPhotos.of(evenly(others.pairs, _MOST))
    return {flip: embed_known(settings, stage, some, _named("training people", flip)) for flip, stage in stages.items()}


def _show(trials: Trials, chosen: tuple[Step, ...], rounds: Sequence[Sequence[Gain]], goal: Goal) -> None:
    base = trials.measure(())
    people, queries = len(set(trials.people)), len(trials.people)
    plain = f"plain: score {base.scores.mean():.0f}, mAP {base.precisions.mean():.3f}"
    show_table(
        f"{queries} queries of {people} people in {len(trials.task.divisions)} folds; {plain}. Each step alone; "
        "parameters chosen on half of the people, gain measured on the other [95 % interval over people]",
        ["step", "parameters", "score", "mAP", "verdict"],
        [_row(gain, goal) for gain in rounds[0]],
    )
    info(f"{NAMES_NEEDED} need to know whom each gallery photo shows: measured here, never chosen")
    for gains in rounds[1:]:
        for gain in gains:
            if gain.real(goal) and gain.name != NAMES_NEEDED:
                both = f"score {gain.score:+.0f}, mAP {gain.precision:+.3f}"
                info(f"with those before it, {gain.name} gains: {both}")
    if people < _FEW:
        warn(
            f"insufficient data: {people} people; with fewer than {_FEW} hardly any gain can be distinguished from luck"
        )
    if not chosen:
        result("chosen: none; no step gains what could not be luck")
        return
    best = trials.measure(chosen)
    result(f"chosen: {', '.join(step.step for step in chosen)}")
    result(
        f"score {base.scores.mean():.0f} → {best.scores.mean():.0f}, mAP {base.precisions.mean():.3f} → "
        f"{best.precisions.mean():.3f} (on the people it was chosen on)"
    )


def _show_known(trials: Trials, gains: Sequence[Gain], goal: Goal) -> None:
    base = trials.measure(())
    plain = f"plain: score {base.scores.mean():.0f}, mAP {base.precisions.mean():.3f}"
    show_table(
        "bridge where the people are known, as in a contest about people of identities.train: half of each one's "
        f"photos are, {len(trials.people)} of the others ask each other; {plain}",
        ["step", "parameters", "score", "mAP", "verdict"],
        [_row(gain, goal) for gain in gains],
    )
    info("above it is judged on people it does not know, and by that chosen; where they are known, list it by hand")


def _row(gain: Gain, goal: Goal) -> list[str]:
    (own,) = (step for step in gain.steps if step.step == gain.name)
    given = {key: value for key, value in own.options_given.items() if value is not None}
    shown = " ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in given.items()
    )
    found = gain.by(goal)
    verdict = "gains" if gain.real(goal) else "hurts" if found.p_value < 0.05 else "may be luck"
    if found.p_value == 1:
        verdict = "no difference"
    return [gain.name, shown, f"{gain.score:+.0f}", f"{gain.precision:+.3f}", verdict]


def _plain(gain: Gain, goal: Goal) -> dict[str, Any]:
    steps = [step.model_dump(mode="json") for step in gain.steps]
    return {
        "name": gain.name, "steps": steps, "real": gain.real(goal),
        "score": gain.score.as_dict(), "map": gain.precision.as_dict(),
    }  # fmt: skip


def _keep(
    settings: Settings, stage: PhotoEmbedder, trials: Trials, chosen: tuple[Step, ...], thresholds: Mapping[str, Any]
) -> None:
    folder = tuned_folder(settings)
    for flip, whitening in trials.fitted.items():  # also when not chosen: it may be listed by hand
        whitening.save(whitening_file(settings, flip=flip))
    save_tuned(folder / "tuned.json", Tuned(settings.ranking.metric, chosen, thresholds, stage.fingerprint))
    info(f"kept: {folder / 'tuned.json'}; use it with: --set refine=tuned")
