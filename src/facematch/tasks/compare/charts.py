"""The chart of a comparison: what systems reach against what they take, with the Pareto front joined by a line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facematch.charts.axes import Axis
from facematch.charts.chart import Chart, Series
from facematch.tasks.compare.table import shown


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
