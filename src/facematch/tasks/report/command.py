"""`facematch report`: an evaluation as one HTML file to look through and to send."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from facematch.core.console import info, progress, result, show_json, waiting
from facematch.core.errors import FacematchError
from facematch.core.files import RESULTS, write_bytes
from facematch.evaluation.bootstrap import ROUNDS
from facematch.evaluation.open_set import dir_curve, open_set, open_set_figures
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.retrieval import hit_at, retrieval_figures
from facematch.evaluation.topk import first_places
from facematch.evaluation.verification import pooled_pairs, verification_figures
from facematch.photos.photo import PhotoFile
from facematch.pipeline.beside import Weights, in_use, rivals, stand
from facematch.pipeline.build import build_embedder, crops_of, photo_limits
from facematch.pipeline.default_checkpoint import run_settings, settings_in_use
from facematch.pipeline.evaluated import EvaluatedPhotos, evaluate, fixed_folders
from facematch.pipeline.how_made import how_made
from facematch.pipeline.system import build_system, load_tuned, tuned_folder
from facematch.settings.competition import load_form
from facematch.settings.root import Settings
from facematch.tasks.report.data import (
    FigureTable,
    ReportData,
    SubgroupTable,
    SystemRow,
    curves_of,
    known_people,
    query_rows,
    wanted_photos,
)
from facematch.tasks.report.embedding_map import map_embeddings
from facematch.tasks.report.page import report_page
from facematch.tasks.report.subgroups import (
    Attributes,
    column_values,
    largest_gap,
    read_attributes,
    subgroup_figures,
    subgroup_labels,
)
from facematch.tasks.report.thumbnails import make_thumbnails, plan_thumbnails
from facematch.thresholds.kept import threshold_from_dict
from facematch.thresholds.static import StaticThreshold

_PACKAGES = ("numpy", "faiss-cpu", "scikit-learn", "opencv-python-headless", "torch", "onnxruntime")
_QUICK_PAIRS, _FEWEST_ROUNDS = 500_000, 200  # with more pairs there are fewer draws: half a minute, not many
_MOST_SUBGROUPS = 40  # a column with more different values is no attribute but a name or a note


def report_command(
    run: Path | None,
    out: Path | None,
    config: Path | None,
    overrides: Sequence[str],
    query: Path | None,
    gallery: Path | None,
    truth: Path | None,
    attributes: Path | None,
    *,
    as_json: bool = False,
) -> None:
    """Evaluate a run, or a configuration, and write the page, by default results/report-NAME.html.

    Raises FacematchError when there is no such run, nobody to validate on, or only a part of a fixed
    validation's --query, --gallery and --truth.
    """
    settings = _settings(run, config, overrides)
    described = None if attributes is None else read_attributes(attributes)  # a mistake in it is told at once
    fixed = fixed_folders(query, gallery, truth)
    photos = evaluate(settings, fixed)
    unknown = None if fixed is not None else _open_set(photos)
    weights = load_form(settings.server.form).weights
    folders_given = (("--query", query), ("--gallery", gallery), ("--truth", truth))
    options = (("--config", config), *folders_given, ("--attributes", attributes))
    made = how_made(["report", *([] if run is None else [run])], options, overrides, _PACKAGES)
    page = report_page(_report(settings, photos, weights, unknown, described, made))
    path = out or RESULTS / f"report-{settings.name}.html"
    write_bytes(path, page)
    if as_json:
        show_json({"page": str(path), "bytes": len(page)})
    else:
        result(f"report: {path} ({len(page) / 1e6:.1f} MB); open it in a browser, it needs no network")


def _settings(run: Path | None, config: Path | None, overrides: Sequence[str]) -> Settings:
    if (run is None) == (config is None):
        found = "neither was given" if run is None else f"both were given: {run} and --config {config}"
        raise FacematchError(
            f"a report is made of a run folder or of a configuration; {found}.",
            "For example: facematch report checkpoints/triplet",
        )
    if run is None:
        return settings_in_use(config, overrides)
    return run_settings(run, overrides, instead=", or give --config FILE instead")


def _open_set(photos: EvaluatedPhotos) -> RelevanceMatrix | None:
    # With one person in five unknown; None where there are too few people for that.
    task = photos.photos.task
    try:
        return open_set(task.shown, task.queries, photos.embeddings, photos.rank).judged
    except FacematchError as error:
        info(error.message, "yellow")
        return None


def _systems(settings: Settings, photos: EvaluatedPhotos, weights: Weights) -> tuple[SystemRow, ...]:
    # The one reported, then grey pixels and the shipped network on the same queries; what cannot be asked is said.
    found = [in_use(settings)[-1].standing(first_places(photos.evaluated.judged), weights)]
    try:
        found += [stand(each, photos.photos, weights) for each in rivals(settings)]
    except FacematchError as error:
        info(f"not everything it has to beat is shown: {error.message}", "yellow")
    return tuple(SystemRow(each.name, each.figures, each.flattered) for each in found if each.places.queries)


def _report(
    settings: Settings,
    photos: EvaluatedPhotos,
    weights: Weights,
    unknown: RelevanceMatrix | None,
    attributes: Attributes | None,
    made: tuple[tuple[str, str], ...],
) -> ReportData:
    evaluated, systems = photos.evaluated, _systems(settings, photos, weights)
    people = known_people(evaluated)
    with waiting("figures with their intervals"):
        pairs = pooled_pairs(evaluated.rankings, people)
        rounds = min(ROUNDS, max(_FEWEST_ROUNDS, ROUNDS * _QUICK_PAIRS // max(1, len(pairs))))
        tables = [
            FigureTable("Retrieval", tuple(retrieval_figures(evaluated.judged))),
            FigureTable("Verification", tuple(verification_figures(pairs, rounds=rounds)), "pairs"),
        ]
        if unknown is not None:
            tables.append(FigureTable("Open set, one person in five unknown", tuple(open_set_figures(unknown))))
    with waiting("map of the embeddings"):
        drawn = map_embeddings(photos.embeddings)
    queries, files = query_rows(evaluated), photos.photos.files
    plan = plan_thumbnails([name for name in wanted_photos(queries, photos.records, drawn) if name in files])
    return ReportData(
        title=settings.name,
        protocol=photos.protocol,
        metric=evaluated.rankings[0].metric,
        tables=tuple(tables),
        curves=curves_of(evaluated, pairs),
        queries=tuple(queries),
        people=people,
        thumbnails=_thumbnails(settings, [PhotoFile(name, files[name].path) for name in plan.names], plan.most),
        records=photos.records,
        fingerprint=photos.embeddings.fingerprint,
        settings=_yaml(settings),
        facts=(*made, ("intervals", f"{ROUNDS:,} draws of people, {rounds:,} for verification")),
        unread=photos.photos.unread,
        subgroups=() if attributes is None else _subgroups(photos, attributes),
        drawn=drawn,
        open_set=None if unknown is None else dir_curve(unknown),
        left_out=plan.left_out,
        threshold=_static_threshold(settings),
        systems=systems,
        weights=weights,
    )


def _static_threshold(settings: Settings) -> float | None:
    # What `facematch tune` kept for this very configuration; None where nothing fits.
    if not (tuned_folder(settings) / "tuned.json").is_file():
        return None
    try:
        system = build_system(settings)
        tuned = load_tuned(settings, build_embedder(settings))
        if tuned.refine == system.steps and "static" in tuned.thresholds:
            threshold = threshold_from_dict(tuned.thresholds["static"])
            return threshold.distance if isinstance(threshold, StaticThreshold) else None
    except FacematchError as error:
        info(f"no threshold is shown: {error.message}", "yellow")
        return None
    info("no threshold is shown: those that were tuned belong to other refine steps", "yellow")
    return None


def _thumbnails(settings: Settings, files: Sequence[PhotoFile], most: int) -> dict[str, bytes]:
    with progress("thumbnails", len(files)) as step:
        outcomes = crops_of(settings, files, settings.faces.miss, step)
        return make_thumbnails(files, outcomes, most, photo_limits(settings.photos))


def _subgroups(photos: EvaluatedPhotos, attributes: Attributes) -> tuple[SubgroupTable, ...]:
    judged, files = photos.evaluated.judged, photos.photos.files
    names = [files[name].name for name in judged.queries]
    hits, found = hit_at(judged, 1), []
    for column in attributes.columns:
        values, undescribed = column_values(attributes, column, names, judged.groups)
        labels = subgroup_labels(values)
        if len(set(labels) - {None}) > _MOST_SUBGROUPS:
            info(f"attribute {column!r} has more than {_MOST_SUBGROUPS} different values and is left out", "yellow")
            continue
        figures = tuple(subgroup_figures("top-1", hits, judged.groups, labels))
        gap = largest_gap("top-1", hits, judged.groups, labels)
        found.append(SubgroupTable(column, figures, gap, len(undescribed)))
    return tuple(found)


def _yaml(settings: Settings) -> str:
    # Where submissions are sent has no part in an evaluation, and is nobody's business who gets the page.
    values = settings.model_dump(mode="json", exclude={"server"})
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
