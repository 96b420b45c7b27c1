"""Systems side by side, for the terminal and for pages: their tables, and the chart of what they reach and take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facematch.charts.chart import Axis, Chart, Series
from facematch.core.console import show_table
from facematch.core.text import interval_words, number_words, printable
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.comparison import Comparison


@dataclass(frozen=True)
class Cell:
    """A value, and in small lines below it what belongs to it: an interval, a count."""

    text: str
    under: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(printable, (self.text, *self.under)))


@dataclass(frozen=True)
class Row:
    """A system's cells: `number` is its name in the charts, and `failed` stands in place of all cells."""

    head: Cell
    cells: tuple[Cell, ...] = ()
    number: str = ""
    best: bool = False
    failed: str = ""


@dataclass(frozen=True)
class Table:
    """Rows below the names of their columns, of which the first is over the rows' heads."""

    heading: str
    columns: tuple[Cell, ...]
    rows: tuple[Row, ...]

    def show(self) -> None:
        """Print the table."""
        rows = [[str(row.head), *(["failed"] if row.failed else map(str, row.cells))] for row in self.rows]
        show_table(self.heading, list(map(str, self.columns)), rows)


def headed(*columns: str | Cell) -> tuple[Cell, ...]:
    """Return the heads of columns."""
    return tuple(each if isinstance(each, Cell) else Cell(each) for each in columns)


def shown(value: float | None, by: str = "") -> str:
    """Return a figure's value as it is printed: whole points of a score, else three digits of a share."""
    return "–" if value is None else number_words(value, _form(by))


def gain(found: Comparison, by: str = "") -> Cell:
    """Return a difference with its interval."""
    return _cell(number_words(found.difference, f"+{_form(by)}"), interval_words(found.interval, f"+{_form(by)}"))


def estimate(figure: Estimate, by: str = "") -> Cell:
    """Return a figure with its interval."""
    return _cell(shown(figure.value, by), interval_words(figure.interval, _form(by)))


def _form(by: str) -> str:
    return ".0f" if by == "score" else ".3f"


def _cell(text: str, under: str) -> Cell:
    return Cell(text, (under,) if under else ())


@dataclass(frozen=True)
class SystemPoint:
    """One system: its number in the tables, its name, what it takes (`x`), what it reaches (`y`) with its interval.

    `counts` is False for one that is shown but cannot be the best.
    """

    label: str
    name: str
    x: float
    y: float
    interval: tuple[float, float] | None = None
    counts: bool = True


def pareto_front(points: Sequence[SystemPoint]) -> list[int]:
    """Return the numbers of the points that no other beats in both ways, from the cheapest to the best."""
    chosen: list[int] = []
    order = [number for number, point in enumerate(points) if point.counts]
    for number in sorted(order, key=lambda number: (points[number].x, -points[number].y)):
        if not chosen or points[number].y > points[chosen[-1]].y:
            chosen.append(number)
    return chosen


def trade_off(key: str, by: str, unit: str, points: Sequence[SystemPoint], most: float = 1.0) -> Chart:
    """Return the chart of what systems reach in figure `by`, of at most `most`, against what they take in `unit`.

    The line joins the points of `pareto_front`; others are hollow.
    """
    front = [points[number] for number in pareto_front(points)]
    words = (
        f"Every point is a system, by its number in the tables, with its 95 % interval; the line joins those that no "
        f"other beats in both {by} and {unit}: {', '.join(f'{point.label} {point.name}' for point in front)}."
    )
    if not all(point.counts for point in points):
        words += " Off the line whatever they reach: systems that were trained on these people."
    ends = [end for point in points for end in (point.y, *(point.interval or ()))]
    room = 0.08 * (max(ends) - min(ends) or most)

    def series(label: str, chosen: Sequence[SystemPoint], joined: bool = False) -> Series:
        return Series(
            label,
            [point.x for point in chosen],
            [point.y for point in chosen],
            line="steps" if joined else "",
            points=True,
            labels={number: point.label for number, point in enumerate(chosen)},
            bars=[point.interval or (math.nan, math.nan) for point in chosen],
            titles=[f"{point.name}: {by} {shown(point.y, by)}, {point.x:,.3g} {unit}" for point in chosen],
        )

    kinds = [
        series("no other beats it", front, joined=True),
        series("other systems", [point for point in points if point.counts and point not in front]),
        series("trained on these people", [point for point in points if not point.counts]),
    ]
    return Chart(
        key,
        f"{by} against {unit}",
        words,
        Axis(f"{unit}, logarithmic", min(p.x for p in points) / 1.8, max(p.x for p in points) * 1.8, log=True),
        Axis(by, max(0.0, min(ends) - room), min(most, max(ends) + room)),
        [each for each in kinds if len(each.titles)],
    )
