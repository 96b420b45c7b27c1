"""`facematch compare`: every listed system on the same photos, by the same protocol, side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from facematch.core.console import Stopwatch, info, result, show_json, waiting, warn
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.pipeline.how_made import how_made, without_server
from facematch.pipeline.rendered import STAND_IN
from facematch.pipeline.system import ensemble_members
from facematch.refine.chain import needs_folds
from facematch.settings.compare import CompareSettings, SystemSettings
from facematch.settings.competition import FORM_FILE, load_form
from facematch.settings.file import load_section
from facematch.settings.root import Settings
from facematch.tasks.compare.by_name import with_named
from facematch.tasks.compare.data import ComparedSystem, CompareReport, compare_pairs, pair_words, verdict
from facematch.tasks.compare.page import compare_page, cost_table, figure_table, rendering_table
from facematch.tasks.compare.photos import ComparedPhotos, compared_photos
from facematch.tasks.compare.renderings import rendered_figures
from facematch.tasks.compare.results import system_figures
from facematch.tasks.compare.systems import ComparisonRun, leak_of, settings_of


def compare_command(
    config: Path,
    overrides: Sequence[str],
    page: Path,
    *,
    renderings: bool,
    fresh: bool,
    as_json: bool,
    models: str | None = None,
) -> None:
    """Evaluate every system, print what each reaches and takes and which differences are real, and write the page.

    What is finished is stored: another run computes only systems that are new or changed, all of them with `fresh`.
    With `renderings` every system is asked galleries that are drawn, painted and printed, too, anew in each run.
    `models` are published ones to compare as well: names with commas between them, or `all` that are here. Raises
    FacematchError at the end when a system that is not optional failed.
    """
    wanted = load_section(CompareSettings, config, overrides, "config/compare.yaml shows how a comparison is written.")
    if models is not None:
        wanted = with_named(wanted, models)
    settings = _settings_of_each(wanted)
    watch, weights = Stopwatch(), _weights(settings.values())
    with watch.stage("reading photos"):
        photos = compared_photos(wanted.photos, in_folds=_in_folds(settings.values()))
    info(photos.words)
    run, found = ComparisonRun(wanted, settings, photos, weights, fresh), []
    for entry in (each for each in wanted.systems if each.fuse or each.name in settings):
        with watch.stage(entry.name):
            found.append(_evaluated(run, entry))
    systems = [each for each in found if each is not None]
    rendered = None
    if renderings and any(each.result for each in systems):
        with watch.stage("renderings"):
            rendered = rendered_figures(run, systems)
    with watch.stage("comparing"), waiting("comparing every pair …"):
        more = [*["--renderings"] * renderings, *([] if models is None else ["--models", models])]
        made = how_made(["compare", *more], [("--config", config)], overrides)
        report = replace(_report(wanted, photos, systems, sum(weights), made), rendered=rendered)
    with watch.stage("page"):
        write_bytes(page, compare_page(report))
    if as_json:
        show_json(report.as_dict())
    else:
        _show(report)
    (info if as_json else result)(f"report: {page}; open it in a browser, it needs no network")
    info(f"seconds: {watch}")
    if failed := [each.name for each in systems if each.failed]:
        raise FacematchError(f"{len(failed)} of {len(systems)} systems failed: {', '.join(failed)}.")


def _settings_of_each(wanted: CompareSettings) -> dict[str, Settings]:
    # Of all that fuse no others, but for optional ones that are not there.
    settings = {}
    for entry in (each for each in wanted.systems if not each.fuse):
        try:
            settings[entry.name] = settings_of(wanted, entry)
        except FacematchError as error:
            if not entry.optional:
                raise
            _left_out(entry, error)
    return settings


def _weights(every: Iterable[Settings]) -> tuple[float, float, float]:
    # Of the form that the systems name; all of them the same, or their scores could not stand side by side.
    forms = {each.server.form for each in every}
    if len(forms) > 1:
        named = ", ".join(sorted(str(form or FORM_FILE) for form in forms))
        raise FacematchError(
            f"the systems name different competition forms (server.form): {named}.",
            "Name one for all of them, in `set:` of the comparison.",
        )
    return load_form(next(iter(forms), None)).weights


def _left_out(entry: SystemSettings, error: FacematchError) -> None:
    info(f"{entry.name} is left out: {error}", "yellow")


def _evaluated(run: ComparisonRun, entry: SystemSettings) -> ComparedSystem | None:
    # A system with all that is known of it; None for an optional one that is not there.
    try:
        outcome = run.result(entry)
        leak, seen = leak_of(run, entry)
    except FacematchError as error:
        if entry.optional:
            _left_out(entry, error)
            return None
        warn(f"{entry.name} failed: {error}")
        return ComparedSystem(entry.name, system_words(run, entry), failed=str(error).replace("\n", " "))
    if leak:
        warn(f"{entry.name} {leak}")
    figures = system_figures(outcome.values, run.photos.task.identities, sum(run.weights))
    return ComparedSystem(entry.name, system_words(run, entry, outcome.weights), outcome, figures, leak, seen)


def system_words(run: ComparisonRun, entry: SystemSettings, weights: Sequence[float] = ()) -> str:
    """Return what a system is in a few words: crops, embedder, distance and steps, or what is fused and how."""
    fusion = run.fusion_of(entry)
    if fusion is None:
        settings = run.settings[entry.name]
        faces = settings.faces
        looks = [faces.detector, *([] if faces.looking_behind == "none" else [faces.looking_behind])]
        crops = "whole photos" if faces.detector == "none" else f"{' + '.join(looks)} crops"
        kind = settings.network.backbone if settings.embedder.kind == "network" else settings.embedder.kind
        return ", ".join([crops, kind, settings.ranking.metric, *(step.step for step in settings.refine)])
    names = [each.name.removeprefix(f"{entry.name}, ") for each in (run.members(entry) if weights else ())]
    members = entry.fuse or names or [str(entry.config)]
    shares = [f" × {weight / sum(weights):.2g}" for weight in weights] or [""] * len(members)
    joined = " + ".join(f"{name}{share}" for name, share in zip(members, shares, strict=True))
    return f"{fusion.method} of {joined}" + (", weights tuned" if fusion.weights == "tuned" else "")


def _in_folds(every: Iterable[Settings]) -> bool:
    # Whether any system, or a member of one, refines its gallery.
    def members(each: Settings) -> list[Settings]:
        return [each] if each.ensemble is None else ensemble_members(each, each.ensemble, lambda one, _: one)[1]

    return any(needs_folds(member.refine) for each in every for member in members(each))


def _report(
    wanted: CompareSettings,
    photos: ComparedPhotos,
    systems: Sequence[ComparedSystem],
    most: float,
    made: Sequence[tuple[str, str]],
) -> CompareReport:
    values = {each.name: each.result.values[wanted.by] for each in systems if each.result and each.counts}
    machines = {each.result.machine for each in systems if each.result}
    facts = (
        *made,
        ("times measured on", "; ".join(sorted(machines)) or "nothing"),
        ("every system", _shown_settings(None, wanted.overrides()) or "as its own settings say"),
        *((each.name, _shown_settings(each.config, each.overrides())) for each in wanted.systems if not each.fuse),
    )
    pairs = tuple(compare_pairs(values, photos.task.identities))
    people = len(set(photos.task.identities))
    return CompareReport(wanted.name, photos.words, people, wanted.by, most, tuple(systems), pairs, facts)


def _show(report: CompareReport) -> None:
    figure_table(report).show()
    cost_table(report).show()
    if report.rendered is not None:
        rendering_table(report, report.rendered).show()
        info(STAND_IN)
    for pair in report.against_best:
        result(pair_words(pair, report.by))
    if len(report.pairs) > 1:
        info(f"p is adjusted for {len(report.pairs)} pairs (Holm); intervals are of one pair alone")
    for words in verdict(report):
        result(words, "bold")


def _shown_settings(config: Path | None, overrides: Sequence[str]) -> str:
    return "; ".join([*([str(config)] if config else []), *without_server(overrides)])
