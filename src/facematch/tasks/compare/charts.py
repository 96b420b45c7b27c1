"""The charts of a comparison: what systems reach against what they take, with the Pareto front joined by a line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import product

from markupsafe import Markup

from facematch.charts.axes import Axis, Box
from facematch.charts.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, drawing, frame, text
from facematch.core.text import printable
from facematch.tasks.compare.table import shown

_DIGIT, _HEIGHT = 8.5, 13  # of a label, no less than any font takes
_NEAR = 16  # a label farther than this from its point has a line to it
_RINGS = (8, 13, 19, 26, 34, 43, 53, 64)

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Chart:
    """One chart: its heading, the SVG, and what it shows in words."""

    heading: str
    svg: Markup
    caption: str


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

    The line joins the points of `pareto_front`; those on it are full, others hollow.
    """
    front = pareto_front(points)
    names = printable(", ".join(f"{points[number].label} {points[number].name}" for number in front))
    words = (
        f"Every point is a system, by its number in the tables, with its 95 % interval; the line joins those that no "
        f"other beats in both {by} and {unit}: {names}."
    )
    if not all(point.counts for point in points):
        words += " Off the line whatever they reach: systems that were trained on these people."
    ends = [end for point in points for end in (point.y, *(point.interval or ()))]
    room = 0.08 * (max(ends) - min(ends) or most)
    box = Box(
        Axis(f"{unit}, logarithmic", min(p.x for p in points) / 1.8, max(p.x for p in points) * 1.8, log=True),
        Axis(by, max(0.0, min(ends) - room), min(most, max(ends) + room)),
        LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM,
    )  # fmt: skip
    at = [(float(box.across(point.x)), float(box.up(point.y))) for point in points]
    bars = [_bar(box, point) for point in points]
    labels = place_labels(at, bars, [point.label for point in points], box)
    parts = [frame(box), _steps([at[number] for number in front], box)]
    for number, point in enumerate(points):
        kind = "first" if number in front else "second" if point.counts else "out"
        title = printable(f"{point.name}: {by} {shown(point.y, by)}, {point.x:,.3g} {unit}")
        parts.append(f'<g class="series {kind}"><title>{escape(title)}</title>')
        parts.append(_drawn(at[number], bars[number], labels[number], point.label, full=number in front))
        parts.append("</g>")
    heading = f"{by} against {unit}"
    return Chart(heading, Markup(drawing(key, heading, words, "".join(parts))), words)


def place_labels(
    at: Sequence[tuple[float, float]], bars: Sequence[Rectangle | None], labels: Sequence[str], box: Box
) -> list[Rectangle]:
    """Return where each label goes: beside its point, as near as there is room, else where it covers least.

    No label leaves the chart.
    """
    taken: list[Rectangle] = [(x - 6, y - 6, x + 6, y + 6) for x, y in at]
    taken += [bar for bar in bars if bar is not None]
    placed: dict[int, Rectangle] = {}
    for number in sorted(range(len(at)), key=lambda number: at[number]):
        wide = _DIGIT * len(labels[number])
        best = min(_candidates(at[number], wide, box), key=lambda place: sum(_overlap(place, each) for each in taken))
        placed[number] = best
        taken.append(best)
    return [placed[number] for number in range(len(at))]


def _candidates(at: tuple[float, float], wide: float, box: Box) -> list[Rectangle]:
    # Right, left, above and below first, then the corners, ring by ring; moved where the chart ends.
    found = []
    sides = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
    for ring, (across, up) in product(_RINGS, sides):
        left = at[0] + across * ring - wide * (1 - across) / 2
        top = at[1] + up * ring - _HEIGHT * (1 - up) / 2
        left = min(max(left, box.left + 3), box.right - wide)
        top = min(max(top, box.top), box.bottom - _HEIGHT - 2)
        found.append((left, top, left + wide, top + _HEIGHT))
    return found


def _overlap(one: Rectangle, other: Rectangle) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def _bar(box: Box, point: SystemPoint) -> Rectangle | None:
    if point.interval is None:
        return None
    x, (low, high) = float(box.across(point.x)), box.up(point.interval).tolist()
    return (x - 4, high, x + 4, low)


def _steps(at: Sequence[tuple[float, float]], box: Box) -> str:
    # What can be had at a cost: it rises where a point begins.
    if not at:
        return ""
    path = f"M{at[0][0]:.1f} {at[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in at[1:]) + f"H{box.right}"
    return f'<path class="frontier" stroke-width="1.5" stroke-dasharray="5 4" d="{path}"/>'


def _drawn(at: tuple[float, float], bar: Rectangle | None, label: Rectangle, words: str, *, full: bool) -> str:
    x, y = at
    parts = []
    if bar is not None:
        ends = f"M{bar[0]:.1f} {bar[1]:.1f}h8M{bar[0]:.1f} {bar[3]:.1f}h8"
        parts.append(f'<path class="bar" d="M{x:.1f} {bar[1]:.1f}V{bar[3]:.1f}{ends}"/>')
    nearest = (min(max(x, label[0]), label[2]), min(max(y, label[1]), label[3]))
    if math.dist(at, nearest) > _NEAR:
        parts.append(f'<path class="leader" opacity=".6" d="M{x:.1f} {y:.1f}L{nearest[0]:.1f} {nearest[1]:.1f}"/>')
    mark = 'fill="currentColor" stroke="none" r="4.5"' if full else 'class="hollow" stroke-width="2" r="4"'
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" {mark}/>')
    parts.append(f'<g class="label">{text((label[0] + label[2]) / 2, label[3] - 2, words, "middle")}</g>')
    return "".join(parts)
