"""One HTML file that shows an evaluation: it needs no network, no other file and no script to be read."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup

from facematch.charts.axes import Axis
from facematch.charts.chart import Chart, Series
from facematch.charts.page import render_page
from facematch.evaluation.open_set import OpenSetCurve
from facematch.faces.values import coverage_of
from facematch.tasks.report.data import Curves, ReportData, missed_faces
from facematch.tasks.report.definitions import definitions_of
from facematch.tasks.report.page_json import page_json, photo_numbers

_NAMED = (1, 5, 10)  # places that are named on the CMC curve


def report_page(data: ReportData) -> bytes:
    """Return the page as UTF-8. Everything that was named by a stranger is escaped, in HTML and in the data."""
    known = [row for row in data.queries if row.answerable]
    figures = [figure for table in data.tables for figure in table.figures]
    values = {
        "command": "report",
        "title": data.title,
        "data": data,
        "json": Markup(page_json(data)),
        "number": photo_numbers(data),
        "headline": [figure for figure in figures if figure.name in ("top-1", "top-10", "mAP")],
        "tables": [(table.heading, table.unit, [(each.name, each) for each in table.figures]) for table in data.tables],
        "definitions": definitions_of([figure.name for figure in figures]),
        "charts": list(_charts(data)),
        "known": len(known),
        "missed": [(k, sum(row.missed(k) for row in known)) for k in _NAMED],
        "coverage": coverage_of(data.records),
        "misses": missed_faces(data.records),
        "unreadable": [record for record in data.records if record.status == "unreadable"],
    }
    return render_page(__package__, "report.html", values, styles=["report.css"], script="report.js")


def _charts(data: ReportData) -> Iterator[Chart]:
    curves = data.curves
    if np.isfinite(curves.cmc).any():
        yield _cmc(curves)
        yield _precision_recall(curves)
    if np.isfinite(curves.roc.far).any() and np.isfinite(curves.roc.tar).any():
        yield _roc(curves)
    if data.open_set is not None and np.isfinite(data.open_set.fpir).all() and np.isfinite(data.open_set.dir).all():
        yield _dir(data.open_set)
    if curves.pairs:
        yield _histograms(curves, data.metric, data.threshold)


def _cmc(curves: Curves) -> Chart:
    ranks = np.arange(1, len(curves.cmc) + 1)
    named = [k for k in _NAMED if k <= len(ranks)]
    words = ", ".join(f"top-{k} {curves.cmc[k - 1]:.3f}" for k in named)
    return Chart(
        "cmc",
        "CMC",
        f"Share of queries with a right photo among the first k answers: {words}.",
        Axis("k, the number of answers looked at", 1, max(2, len(ranks)), log=True),
        Axis("share of queries", 0, 1),
        [Series("", ranks, curves.cmc, labels={k - 1: f"top-{k}" for k in named})],
    )


def _precision_recall(curves: Curves) -> Chart:
    half = float(np.interp(0.5, curves.recall, curves.precision))
    words = "Mean over queries of the interpolated precision (the best at this recall or more)"
    return Chart(
        "pr",
        "Precision and recall",
        f"{words}: {half:.3f} at a recall of one half.",
        Axis("recall", 0, 1),
        Axis("precision", 0, 1),
        [Series("", curves.recall, curves.precision)],
    )


def _roc(curves: Curves) -> Chart:
    shares = curves.roc.far[curves.roc.far > 0]
    low = min(0.1, max(1e-6, 10.0 ** np.floor(np.log10(shares.min()))))
    named = [far for far in (1e-1, 1e-2, 1e-3, 1e-4) if far >= low]
    points = [(far, float(curves.roc.tar[curves.roc.far <= far].max())) for far in named]
    words = ", ".join(f"{tar:.3f} at {far:g}" for far, tar in points)
    return Chart(
        "roc",
        "ROC",
        f"{curves.pairs:,} pairs of {curves.people:,} people; true accept rate at a false accept rate: {words}. The "
        f"left edge is a rate of {low:g} or less.",
        Axis("FAR, share of different pairs accepted", low, 1, log=True),
        Axis("TAR, share of same pairs accepted", 0, 1),
        [Series("", curves.roc.far, curves.roc.tar, line="steps")],
    )


def _dir(curve: OpenSetCurve) -> Chart:
    low = 10.0 ** np.floor(np.log10(curve.fpir[curve.fpir > 0].min(initial=0.1)))
    points = [(rate, float(curve.dir[curve.fpir <= rate].max())) for rate in (0.1, 0.01) if rate >= low]
    words = ", ".join(f"{found:.3f} at {rate:g}" for rate, found in points)
    return Chart(
        "dir",
        "Open set",
        "Known people found first and near enough, at a rate of unknown people who get a name: "
        f"{words}. The left edge is a rate of {low:g} or less.",
        Axis("FPIR, share of unknown people's photos with an answer", low, 1, log=True),
        Axis("DIR, share of known ones found", 0, 1),
        [Series("", curve.fpir, curve.dir, line="steps")],
    )


def _histograms(curves: Curves, metric: str, threshold: float | None) -> Chart:
    edges, middles = curves.edges, (curves.edges[:-1] + curves.edges[1:]) / 2
    kinds = (("same person", curves.same), ("different people", curves.different))
    words = ", ".join(f"{label} on average {middles @ each:.3g}" for label, each in kinds if each.any())
    series = [
        Series(label, edges, [*each, 0], line="steps", fill=0) if each.any() else Series(f"{label}: none", [], [])
        for label, each in kinds
    ]
    low, high = float(edges[0]), float(edges[-1])
    tallest = max(float(each.max()) for _, each in kinds)
    if threshold is not None:
        words += f"; the threshold is {threshold:.4g}"
        series.append(Series(f"threshold {threshold:.4g}", [threshold, threshold], [0, tallest]))
        low, high = min(low, threshold), max(high, threshold)
    return Chart(
        "distances",
        "Distances",
        f"Each outline is the share of its own pairs: {words}.",
        Axis(f"distance ({metric})", low, high),
        Axis("share of its pairs", 0, tallest),
        series,
    )
