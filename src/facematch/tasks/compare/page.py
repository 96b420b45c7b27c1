"""One HTML file that shows systems beside each other: it needs no network, no other file and no script."""

from collections.abc import Callable, Iterator

from facematch.charts.chart import Chart
from facematch.charts.page import render_page
from facematch.pipeline.rendered import STAND_IN
from facematch.tasks.compare.data import ComparedSystem, CompareReport, Rendered, pair_words, training_words, verdict
from facematch.tasks.compare.results import FIGURES, Cost, Result
from facematch.tasks.compare.side_by_side import Cell, Row, SystemPoint, Table, estimate, headed, trade_off


def figure_table(report: CompareReport) -> Table:
    """Return every figure of every system, or that it failed."""
    rows = [
        Row(_head(each), number=number, failed=each.failed or "no figures")
        if each.figures is None
        else Row(
            _head(each), tuple(estimate(each.figures[name], name) for name in FIGURES), number, each is report.best
        )
        for number, each in _numbered(report)
    ]
    return Table(f"{report.asked}; [95 % interval over people]", headed("system", *FIGURES), tuple(rows))


def cost_table(report: CompareReport) -> Table:
    """Return what every system takes, and what it did not embed."""
    columns = headed(
        "system", "ms a photo", "ms a query", "bytes a photo", Cell("not embedded", ("queries, gallery",)),
        Cell("without a face", ("taken whole",)), "training",
    )  # fmt: skip
    rows = [
        Row(Cell(each.name, (each.words,)), _costs(each.result), number)
        for number, each in _numbered(report)
        if each.result is not None
    ]
    return Table("for each photo, and for a query of the whole gallery", columns, tuple(rows))


def rendering_table(report: CompareReport, rendered: Rendered) -> Table:
    """Return top-1 of every system that was asked each gallery, a row for each."""
    systems = [each for each in report.systems if each.figures is not None]
    rows = [
        Row(Cell(gallery), tuple(estimate(found[each.name]["top-1"]) for each in systems))
        for gallery, found in rendered.figures.items()
    ]
    return Table(rendered.asked, headed("gallery", *map(_head, systems)), tuple(rows))


def compare_page(report: CompareReport) -> bytes:
    """Return the page as UTF-8. Everything that was named by a stranger is escaped."""
    values = {
        "command": "compare",
        "title": report.title,
        "report": report,
        "figures": figure_table(report),
        "costs": cost_table(report),
        "rendered": None if report.rendered is None else rendering_table(report, report.rendered),
        "stand_in": STAND_IN,
        "verdict": verdict(report),
        "against": [(pair.real, pair_words(pair, report.by)) for pair in report.against_best],
        "others": [
            (pair.real, pair_words(pair, report.by)) for pair in report.pairs if pair not in report.against_best
        ],
        "charts": _charts(report),
    }
    return render_page(__package__, "compare.html", values)


def _numbered(report: CompareReport) -> Iterator[tuple[str, ComparedSystem]]:
    return ((str(number), each) for number, each in enumerate(report.systems, start=1))


def _head(system: ComparedSystem) -> Cell:
    if not system.leak:
        return Cell(system.name)
    return Cell(system.name, ("trained on these people" if system.seen else "chosen on these people",))


def _costs(result: Result) -> tuple[Cell, ...]:
    cost = result.cost
    return (
        Cell(f"{cost.photo_ms:.1f}", (f"crop {cost.crop_ms:.1f}, embed {cost.embed_ms:.1f}",)),
        Cell(f"{cost.rank_ms:.2f}"),
        Cell(f"{cost.bytes:,}", (f"{cost.dimensions} {'bits' if cost.metric == 'hamming' else 'numbers'}",)),
        Cell(f"{result.lost}, {result.behind}"),
        Cell(f"{result.stand_ins}"),
        Cell(training_words(result.training_seconds)),
    )


def _charts(report: CompareReport) -> list[Chart]:
    # Of times and of sizes, each of all systems that have the figure that decides.
    there = [
        (number, each, each.result.cost, each.figures[report.by].interval, value)
        for number, each in _numbered(report)
        if each.result is not None and each.figures is not None and (value := report.value(each)) is not None
    ]
    kinds: tuple[tuple[str, str, Callable[[Cost], float]], ...] = (
        ("time", "milliseconds a photo", lambda cost: max(cost.photo_ms, 0.001)),
        ("room", "bytes a photo", lambda cost: max(cost.bytes, 1)),
    )
    return [
        trade_off(
            key,
            report.by,
            unit,
            [SystemPoint(n, each.name, x(cost), y, interval, each.counts) for n, each, cost, interval, y in there],
            report.most if report.by == "score" else 1.0,
        )
        for key, unit, x in kinds
        if there
    ]
