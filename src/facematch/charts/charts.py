"""Small charts as inline SVG, from arrays to a string.

Series are told apart by their dashes and a label of their own; what all charts share is in `drawing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facematch.charts.axes import Axis, Box, Floats
from facematch.charts.drawing import (
    BOTTOM,
    DASHES,
    HEIGHT,
    LEFT,
    LETTER,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    drawing,
    frame,
    style,
    text,
)

_LABELS = 92  # room for the labels of several lines, on the right


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart: equally many x and y values; a point with NaN is left out."""

    label: str
    x: ArrayLike
    y: ArrayLike

    def __post_init__(self) -> None:
        if np.shape(self.x) != np.shape(self.y) or np.ndim(self.x) != 1:
            raise ValueError(
                f"a series has equally many x and y; {self.label} has {np.shape(self.x)}, {np.shape(self.y)}"
            )


@dataclass(frozen=True)
class Mark:
    """A point that is named on a chart."""

    x: float
    y: float
    label: str


def line_chart(
    key: str,
    title: str,
    description: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    *,
    steps: bool = False,
    marks: Sequence[Mark] = (),
) -> str:
    """Return a chart of one to four lines; with `steps` each goes on level until its next point.

    `key` makes the ids of title and description, so it is unique on a page and holds letters only. Several
    lines are labelled at their right ends. Raises ValueError for more lines than there are dashes.
    """
    if len(series) > len(DASHES):
        raise ValueError(f"a chart tells {len(DASHES)} lines apart, not {len(series)}")
    room = _LABELS if len(series) > 1 else 0
    box = Box(x, y, LEFT, WIDTH - RIGHT - room, TOP, HEIGHT - BOTTOM)
    parts = [frame(box)]
    for number, each in enumerate(series):
        across, up = _points(box, each)
        parts.append(_line(across, up, number, steps))
    if room:
        parts.append(_end_labels(box, series))
    parts += [_mark(box, mark) for mark in marks]
    return drawing(key, title, description, "".join(parts))


def histogram_pair(
    key: str,
    title: str,
    description: str,
    x_label: str,
    edges: ArrayLike,
    counts: Sequence[tuple[str, ArrayLike]],
    *,
    threshold: float | None = None,
) -> str:
    """Return outlines of two histograms over the same B+1 edges, each as shares of its own B counts.

    A `threshold` is a line across the chart, named above it. A histogram without counts is left out.
    Raises ValueError unless there are two, with as many counts as there are bins.
    """
    sides, bins = np.asarray(edges, dtype=np.float64), [(label, np.asarray(each, np.float64)) for label, each in counts]
    if len(bins) != 2 or any(each.shape != (len(sides) - 1,) for _, each in bins):
        raise ValueError("a pair of histograms has two lists of counts, one count for each bin")
    shares = [(label, each / each.sum() if each.sum() else each) for label, each in bins]
    low, high = float(sides[0]), float(sides[-1])
    if threshold is not None:
        low, high = min(low, threshold), max(high, threshold)
    tallest = max(float(each.max(initial=0)) for _, each in shares) or 1.0
    top = TOP + ROW * (3 if threshold is not None else 2)
    box = Box(
        Axis(x_label, low, high),
        Axis("share of its pairs", 0, tallest),
        LEFT,
        WIDTH - RIGHT,
        top,
        HEIGHT - BOTTOM,
    )
    parts = [frame(box)]
    for number, (label, each) in enumerate(shares):
        parts.append(_outline(box, sides, each, number))
        peak = float(box.across((sides[:-1] + sides[1:]) / 2)[int(each.argmax())])
        parts.append(_row_label(box, label if each.any() else f"{label}: none", peak, number))
    if threshold is not None:
        at = float(box.across(threshold))
        parts.append(f'<path class="threshold" d="M{at:.1f} {box.top - 4:.1f}V{box.bottom}" stroke-width="3"/>')
        parts.append(_row_label(box, f"threshold {threshold:.4g}", at, 2))
    return drawing(key, title, description, "".join(parts))


def interval_strip(value: float | None, interval: tuple[float, float] | None) -> str:
    """Return a value as a dot between 0 and 1, with its interval as a bar; nothing where one of them lies outside.

    The numbers stand beside it in a table, so it is hidden from screen readers.
    """
    low, high = (value, value) if interval is None else interval
    if value is None or low is None or high is None or not 0 <= low <= value <= high <= 1:
        return ""
    left, right = 4 + 112 * low, 4 + 112 * high
    return (
        '<svg class="strip" viewBox="0 0 120 16" width="120" height="16" aria-hidden="true" focusable="false" '
        'fill="none" stroke="currentColor"><path class="foot" d="M4 8H116M4 4v8M116 4v8" opacity=".45"/>'
        f'<path d="M{left:.1f} 8H{right:.1f}" stroke-width="4"/>'
        f'<circle cx="{4 + 112 * value:.1f}" cy="8" r="4" fill="currentColor" stroke="none"/></svg>'
    )


def _points(box: Box, series: Series) -> tuple[Floats, Floats]:
    x, y = np.asarray(series.x, dtype=np.float64), np.asarray(series.y, dtype=np.float64)
    there = np.isfinite(x) & np.isfinite(y)
    return box.across(x[there]), box.up(y[there])


def _line(across: Floats, up: Floats, number: int, steps: bool) -> str:
    if not len(across):
        return ""
    at = np.round(np.stack([across, up], axis=1), 1)
    at = at[np.concatenate([[True], (at[1:] != at[:-1]).any(axis=1)])]  # a million points, few that can be told apart
    path = [f"M{at[0, 0]:.1f} {at[0, 1]:.1f}"]
    path += [f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}" for x, y in at[1:].tolist()]
    return f'<path {style(number)} stroke-width="2.5" stroke-linejoin="round" d="{"".join(path)}"/>'


def _outline(box: Box, edges: Floats, shares: Floats, number: int) -> str:
    if not shares.any():
        return ""
    across, up = box.across(edges), box.up(shares)
    path = [f"M{across[0]:.1f} {box.bottom}"]
    path += [f"V{height:.1f}H{right:.1f}" for height, right in zip(up.tolist(), across[1:].tolist(), strict=True)]
    return (
        f'<path {style(number)} stroke-width="2" fill="currentColor" fill-opacity="{0.16 if number == 0 else 0.05}" '
        f'd="{"".join(path)}V{box.bottom}"/>'
    )


def _end_labels(box: Box, series: Sequence[Series]) -> str:
    # Each label at its line's end, moved where two would touch but not off the chart; its dashes go before it.
    ends = []
    for number, each in enumerate(series):
        _, up = _points(box, each)
        ends.append((float(up[-1]) if len(up) else box.bottom, number))
    ends.sort()
    places, free = [], box.top + 6
    for at, _ in ends:
        places.append(max(at, free))
        free = places[-1] + ROW
    parts, free = [], box.bottom
    for at, (_, number) in zip(reversed(places), reversed(ends), strict=True):
        y = min(at, free)
        free = y - ROW
        sample = f'<path {style(number)} stroke-width="2.5" d="M{box.right + 4} {y:.1f}h20"/>'
        parts.append(sample + text(box.right + 28, y + 4.5, series[number].label, "start"))
    return "".join(reversed(parts))


def _row_label(box: Box, label: str, at: float, row: int) -> str:
    # A label in a row of its own above the chart, so that it never lies on a line; rows 0 and 1 show dashes.
    sample = 26 if row < 2 else 0
    wide = sample + LETTER * len(label)
    left = min(max(box.left, at - wide / 2), max(box.left, box.right - wide))
    y = TOP + row * ROW
    line = f'<path {style(row)} stroke-width="2.5" d="M{left:.1f} {y}h20"/>' if sample else ""
    return line + text(left + sample, y + 4.5, label, "start")


def _mark(box: Box, mark: Mark) -> str:
    # The label goes below and to the right of its point, or to the left where the chart ends.
    x, y = float(box.across(mark.x)), float(box.up(mark.y))
    fits = x + 8 + LETTER * len(mark.label) < box.right
    below = y + 18 if y + 18 < box.bottom else y - 8
    label = text(x + 4 if fits else x - 4, below, mark.label, "start" if fits else "end")
    return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="currentColor" stroke="none"/>{label}'
