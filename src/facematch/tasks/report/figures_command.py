"""`facematch figures`: every figure of an evaluation, each with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from facematch.core.console import info, show_json, show_table, warn
from facematch.core.errors import FacematchError
from facematch.core.text import interval_words, number_words
from facematch.evaluation.bootstrap import Estimate, Floats
from facematch.evaluation.classes import by_class, class_figures, set_scores, top_k_accepted
from facematch.evaluation.comparison import Comparison, paired_values
from facematch.evaluation.open_set import open_set, open_set_figures
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.retrieval import RETRIEVAL_METRICS, average_precision, hit_at, retrieval_figures
from facematch.evaluation.tie_groups import groups_of_judged
from facematch.evaluation.tied_figures import tied_figures
from facematch.evaluation.topk import KS
from facematch.evaluation.verification import pooled_pairs, verification_figures
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.evaluated import EvaluatedPhotos, Folders, evaluate, fixed_folders, show_figures
from facematch.tasks.report.subgroups import (
    column_values,
    largest_gap,
    read_attributes,
    subgroup_figures,
    subgroup_labels,
)

Tables = dict[str, list[Estimate]]
_WORST = 15  # people named one by one


def figures_command(
    config: Path,
    overrides: Sequence[str],
    query: Path | None,
    gallery: Path | None,
    truth: Path | None,
    attributes: Path | None,
    column: Sequence[str],
    against: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print retrieval, precision and recall at k, verification, open-set and subgroup figures.

    Query folder, gallery folder and ground truth stand in place of validation people; every `column` of
    the CSV `attributes` (all but the first when none is named) give subgroups. `against` is another
    configuration, evaluated on the same photos: each figure's difference is tested.
    """
    fixed = fixed_folders(query, gallery, truth)
    settings = settings_in_use(config, overrides)
    if column and attributes is None:
        raise FacematchError("--column names a column of a CSV file, but there is none.", "Add --attributes FILE.csv")
    photos = evaluate(settings, fixed)
    info(f"protocol: {photos.protocol}")
    judged = photos.evaluated.judged
    differences = {} if against is None else _differences(judged, _other(against, overrides, fixed))
    tables: Tables = {"retrieval": retrieval_figures(judged)}
    if settings.ranking.metric == "hamming":
        tables["codes, expected over the order of ties"] = tied_figures(groups_of_judged(judged))
    for k in KS:
        tables[f"first {k} accepted"] = class_figures(set_scores(judged, top_k_accepted(judged, k)), judged.groups)
    if fixed is None:
        tables |= _people_tables(photos)
    if attributes is not None:
        tables |= _subgroups(photos, attributes, column)
    classes = by_class(set_scores(judged, top_k_accepted(judged, max(KS))), judged.groups)
    if as_json:
        values: dict[str, object] = {name: [each.as_dict() for each in table] for name, table in tables.items()}
        if differences:
            values["differences"] = {name: found.as_dict() for name, found in differences.items()}
        show_json({**values, f"by class, first {max(KS)}": [asdict(each) for each in classes]})
        return
    for name, table in tables.items():
        show_figures(name, table)
    if differences:
        show_table(
            f"{settings.name} less {against}, on the same queries [95 % interval over people]",
            ["figure", "difference", "", "p", "queries"],
            [_difference_row(name, found) for name, found in differences.items()],
        )
    worst = sorted(classes, key=lambda each: (each.recall if each.recall is not None else 2, str(each.group)))[:_WORST]
    show_table(
        f"by class, the first {max(KS)} accepted; the {len(worst)} of {len(classes)} with the least recall",
        ["person", "precision A/B", "recall A/C", "F1", "queries"],
        [[str(e.group), _share(e.precision), _share(e.recall), _share(e.f1), str(e.queries)] for e in worst],
    )


def _other(config: Path, overrides: Sequence[str], fixed: Folders | None) -> RelevanceMatrix:
    # What is set on the command line about people and folders holds for both; what makes a system does not.
    shared = [each for each in overrides if each.startswith(("identities.", "paths.cache"))]
    settings = settings_in_use(config, shared)
    return evaluate(settings, fixed).evaluated.judged


def _differences(ours: RelevanceMatrix, theirs: RelevanceMatrix) -> dict[str, Comparison]:
    place = {name: row for row, name in enumerate(theirs.queries)}
    here = [row for row, name in enumerate(ours.queries) if name in place]
    there, groups = [place[ours.queries[row]] for row in here], [ours.groups[row] for row in here]
    found = {}
    for name, metric in RETRIEVAL_METRICS.items():
        mine, other = metric(ours)[here], metric(theirs)[there]
        if not np.isnan(mine - other).all():
            found[name] = paired_values(mine, other, groups)
    if not found:
        raise FacematchError("the two configurations share no query, so they cannot be compared.")
    return found


def _difference_row(name: str, found: Comparison) -> list[str]:
    difference, interval = number_words(found.difference, "+.3f"), interval_words(found.interval, "+.3f")
    return [name, difference, interval, f"{found.p_value:.3f}", str(found.queries)]


def _people_tables(photos: EvaluatedPhotos) -> Tables:
    # What needs to know whom every photo shows: pairs, and people missing from the gallery.
    tables: Tables = {}
    task = photos.photos.task
    if len(photos.evaluated.rankings) == 1:
        pairs = pooled_pairs(photos.evaluated.rankings, task.shown)
        tables["verification, all pairs"] = verification_figures(pairs)
    else:
        info("verification: pairs are told by plain embeddings; leave refine: out for its figures")
    try:
        unknown = open_set(task.shown, task.queries, photos.embeddings, photos.rank)
        tables["open set, one person in five unknown"] = open_set_figures(unknown.judged)
    except FacematchError as error:
        warn(error.message)
    return tables


def _subgroups(photos: EvaluatedPhotos, path: Path, columns: Sequence[str]) -> Tables:
    judged, attributes = photos.evaluated.judged, read_attributes(path)
    files = photos.photos.files
    names = [files[name].name for name in judged.queries]
    values: Mapping[str, Floats] = {"top-1": hit_at(judged, 1), "AP": average_precision(judged)}
    tables: Tables = {}
    for column in columns or attributes.columns:
        cells, undescribed = column_values(attributes, column, names, judged.groups)
        if undescribed:
            warn(f"{path} describes {len(names) - len(undescribed)} of {len(names)} queries")
        labels = subgroup_labels(cells)
        table = []
        for name, each in values.items():
            for label, figure in subgroup_figures(name, each, judged.groups, labels):
                table.append(replace(figure, name=f"{name}, {label}"))
            table.append(largest_gap(f"{name}, largest gap", each, judged.groups, labels))
        tables[f"subgroups by {column}"] = table
    return tables


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
