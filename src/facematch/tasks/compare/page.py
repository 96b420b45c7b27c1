"""One HTML file that shows systems beside each other: it needs no network, no other file and no script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from facematch.charts.axes import Axis
from facematch.charts.page import render_page
from facematch.core.text import printable
from facematch.tasks.compare.charts import Bargain, frontier, pareto_chart
from facematch.tasks.compare.data import (
    ComparedSystem,
    CompareReport,
    interval_words,
    pair_words,
    shown,
    training_words,
    verdict,
)
from facematch.tasks.compare.figures import FIGURES
from facematch.tasks.compare.results import Result

_DEFINITIONS = (
    ("top-1, top-5, top-10", "share of queries with a right photo among the first 1, 5 or 10 (CMC at that rank)"),
    ("score", "the competition's, from the three before"),
    (
        "mAP",
        "mean over queries of the average precision over the whole ranking, divided by all right photos of the gallery",
    ),
    (
        "F1",
        "mean over queries of the F1 of all photos nearer than one threshold (macro-F1). The threshold is the best for "
        "one half of the people and measured on the other half, both ways round",
    ),
    (
        "ties",
        "photos at one distance have no order: every figure but F1 is its expected value over all their orders",
    ),
    (
        "not embedded",
        "a query that a system cannot embed counts as wrong for it; a gallery photo that it cannot embed stands behind "
        "all others. Nothing is left out for one system only",
    ),
    (
        "ms a photo",
        "from the file to the embedding, on a sample, cached nowhere: read, decoded and cropped alone on one thread "
        "(median photo), embedded in batches as in use (median round)",
    ),
    ("ms a query", "a whole ranking of the gallery, a hundred queries together, divided by their number"),
    (
        "p",
        "how often chance alone parts two equal systems as far, person by person (paired sign flips), adjusted for the "
        "number of pairs (Holm). An interval in brackets is of its pair alone",
    ),
)


@dataclass(frozen=True)
class Chart:
    """One chart: its heading, the SVG, and what it shows in words."""

    heading: str
    svg: Markup
    caption: str


def compare_page(report: CompareReport) -> bytes:
    """Return the page as UTF-8. Everything that was named by a stranger is escaped."""
    there = [each for each in report.systems if each.figures is not None]
    values = {
        "report": report,
        "systems": report.systems,
        "figures": FIGURES,
        "verdict": verdict(report),
        "against": [(pair.real, pair_words(pair, report.by)) for pair in report.against_best],
        "others": [
            (pair.real, pair_words(pair, report.by)) for pair in report.pairs if pair not in report.against_best
        ],
        "charts": _charts(report) if any(report.value(each) is not None for each in there) else [],
        "definitions": _DEFINITIONS,
    }
    filters: dict[str, Callable[..., str]] = {"value": _value, "interval": interval_words, "training": training_words}
    return render_page(
        __package__, "compare.html", values, styles=["report.css", "hash.css", "compare.css"], filters=filters
    )


def _value(system: ComparedSystem, name: str) -> str:
    return "" if system.figures is None else shown(system.figures[name].value, name)


def _charts(report: CompareReport) -> list[Chart]:
    return [
        _chart(report, "time", "milliseconds a photo", lambda result: max(result.cost.photo_ms, 0.001)),
        _chart(report, "room", "bytes a photo", lambda result: max(result.cost.bytes, 1)),
    ]


def _chart(report: CompareReport, key: str, unit: str, cost: Callable[[Result], float]) -> Chart:
    points = []
    for number, each in enumerate(report.systems, start=1):
        value = report.value(each)
        if each.result is not None and each.figures is not None and value is not None:
            figure, x = each.figures[report.by], cost(each.result)
            title = printable(f"{each.name}: {report.by} {shown(value, report.by)}, {x:,.3g} {unit}")
            points.append(Bargain(x, value, str(number), title, figure.interval, each.counts))
    low, high = min(point.x for point in points), max(point.x for point in points)
    best = ", ".join(f"{points[at].label} {report.systems[int(points[at].label) - 1].name}" for at in frontier(points))
    words = (
        f"Every point is a system, by its number in the tables, with its 95 % interval; the line joins those that no "
        f"other beats in both {report.by} and {unit}: {printable(best)}."
    )
    if any(not point.counts for point in points):
        words += " Off the line whatever they reach: systems that were trained on these people."
    axis = Axis(f"{unit}, logarithmic", low / 1.8, high * 1.8, log=True)
    svg = pareto_chart(key, f"{report.by} against {unit}", words, axis, _reach(report, points), points)
    return Chart(f"{report.by} against {unit}", Markup(svg), words)


def _reach(report: CompareReport, points: Sequence[Bargain]) -> Axis:
    most = report.most if report.by == "score" else 1.0
    ends = [end for point in points for end in (point.y, *(point.bar or ()))]
    room = 0.08 * (max(ends) - min(ends) or most)
    return Axis(report.by, max(0.0, min(ends) - room), min(most, max(ends) + room))
