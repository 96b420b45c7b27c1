"""One HTML file that shows an evaluation: it needs no network, no other file and no script to be read."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.page import render_page
from facematch.core.text import printable
from facematch.evaluation.open_set import OpenSetCurve
from facematch.faces.values import coverage_of
from facematch.tasks.report.data import Answer, Curves, QueryRow, ReportData, missed_faces, wanted_photos

# What a figure's name looks like, and what it means.
_DEFINITIONS = (
    (r"top-\d+", "share of queries with a right photo among the first 1, 5, … (CMC at that rank)"),
    (
        r"mAP",
        "mean over queries of the average precision over the whole ranking, divided by all right photos of the gallery",
    ),
    (r"mAP \(trapezoid\)", "the same by the trapezoidal rule, as the published ROxford evaluator sums it"),
    (r"mAP@R", "average precision over the first R places, R being the number of a query's right photos"),
    (r"R-precision", "share of right photos among the first R places, R being the number of a query's right photos"),
    (r"MRR", "mean of one over the place of the first right photo"),
    (
        r"precision@\d+",
        "right photos among the first so many, divided by that number, even where fewer are right at all",
    ),
    (r"recall@\d+", "right photos among the first so many, divided by all right photos of the gallery"),
    (r"ROC AUC", "how often a pair of one person is nearer than a pair of two, ties counting one half"),
    (
        r"EER",
        "the error rate at the threshold that accepts as large a share of wrong pairs as it refuses of right ones",
    ),
    (
        r"TAR@FAR=.+",
        "share of right pairs accepted at the largest threshold that accepts at most this share of the wrong ones",
    ),
    (
        r"FNIR@FPIR=.+",
        "share of known people not found at the threshold that answers at most this share of the unknown ones",
    ),
)


def definitions_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (figures, what they mean) for all figures that have a definition; those of one kind stand together."""
    found = []
    for pattern, words in _DEFINITIONS:
        alike = [name for name in names if re.fullmatch(pattern, name)]
        if alike:
            found.append((", ".join(alike), words))
    return found


# Inside <script> no text may open a tag or a comment; & is escaped so that XHTML reads the same.
_SAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def page_json(data: ReportData) -> str:
    """Return the page's data as ASCII JSON without `<`, `>` and `&`.

    Every photo has a number: its name, whom it shows and its thumbnail stand once, at that number. A query is
    [photo, right photos in the gallery, average precision or null, answers, first right answer or null], an
    answer [photo, place, distance, 1 where it is right].
    """
    number = photo_numbers(data)
    names = list(number)
    people = {who: at for at, who in enumerate(dict.fromkeys(data.people.get(name, "") for name in names))}

    def answer(each: Answer) -> list[Any]:
        return [number[each.name], each.place, float(f"{each.distance:.5g}"), int(each.right)]

    def query(row: QueryRow) -> list[Any]:
        precision = None if row.average_precision is None else round(row.average_precision, 4)
        first = None if row.first is None else answer(row.first)
        return [number[row.name], row.relevant, precision, [answer(each) for each in row.answers], first]

    drawn = data.drawn
    values = {
        "names": [printable(name) for name in names],
        "people": [printable(who) for who in people],
        "shows": [people[data.people.get(name, "")] for name in names],
        "thumbnails": [base64.b64encode(data.thumbnails.get(name, b"")).decode() for name in names],
        "queries": [query(row) for row in data.queries],
        "map": None
        if drawn is None
        else [
            [number[name], *xy] for name, xy in zip(drawn.names, (drawn.points * 1000).round().tolist(), strict=True)
        ],
        "threshold": data.threshold,
    }
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(_SAFE)


def photo_numbers(data: ReportData) -> dict[str, int]:
    """Return the number that each photo has in the page's data."""
    return {name: at for at, name in enumerate(wanted_photos(data.queries, data.records, data.drawn))}


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
