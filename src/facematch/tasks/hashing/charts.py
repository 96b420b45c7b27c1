"""The charts that only codes need: points with bars, the balance of bits, the correlations between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from facematch.charts.axes import Axis, Box, Floats
from facematch.charts.drawing import BOTTOM, HEIGHT, LEFT, LETTER, RIGHT, ROW, TOP, WIDTH, drawing, frame, style, text

_SHAPES = ("circle", "square", "triangle")
_CELLS = 64  # cells of a map across: with more bits a cell stands for several
_LEVELS = 8  # shades of a map
_APART = 26  # between two ticks that can be read


@dataclass(frozen=True)
class NamedAxis(Axis):
    """An axis whose ticks are the values that occur, `at`; one too near to the last is left out."""

    at: tuple[float, ...] = ()

    def ticks(self) -> list[float]:
        """Return the values that stand far enough apart to be read."""
        kept: list[float] = []
        for value in sorted(set(self.at)):
            places = self.share([*kept[-1:], value]) * (WIDTH - LEFT - RIGHT)
            if not kept or places[-1] - places[0] >= _APART:
                kept.append(value)
        return kept


@dataclass(frozen=True)
class Point:
    """One point: its place, what it is called, words for who points at it, and the ends of its bar."""

    x: float
    y: float
    label: str = ""
    title: str = ""
    bar: tuple[float, float] | None = None


@dataclass(frozen=True)
class PointSeries:
    """Points of one kind; `joined` ones are ordered by x and have a line, and a band where all have bars."""

    label: str
    points: tuple[Point, ...]
    joined: bool = True


def point_chart(key: str, title: str, description: str, x: Axis, y: Axis, series: Sequence[PointSeries]) -> str:
    """Return a chart of up to three kinds of points, told apart by their shapes: circles, squares, triangles.

    Raises ValueError for more kinds.
    """
    if len(series) > len(_SHAPES):
        raise ValueError(f"a chart tells {len(_SHAPES)} kinds of points apart, not {len(series)}")
    box = Box(x, y, LEFT, WIDTH - RIGHT, TOP + ROW, HEIGHT - BOTTOM)
    parts, left = [frame(box)], float(LEFT)
    for number, each in enumerate(series):
        parts.append(f'<g class="series {("first", "second", "third")[number]}">')
        parts.append(_shape(left + 8, TOP, number) + text(left + 18, TOP + 4.5, each.label, "start"))
        left += 34 + LETTER * len(each.label)
        if each.joined:
            parts.append(_band(box, each.points) + _join(box, each.points, number))
        parts += [_point(box, point, number) for point in each.points]
        parts.append("</g>")
    return drawing(key, title, description, "".join(parts))


def balance_chart(key: str, title: str, description: str, shares: ArrayLike) -> str:
    """Return D bars, one for each bit in order of its share of ones, from one half up or down to that share.

    Raises ValueError without a bit.
    """
    ordered = np.sort(np.asarray(shares, dtype=np.float64))
    if not len(ordered):
        raise ValueError("there is no bit whose balance could be shown")
    box = Box(
        Axis("bits, in order of their share", 0, len(ordered)),
        Axis("share of photos with a 1", 0, 1),
        LEFT,
        WIDTH - RIGHT,
        TOP,
        HEIGHT - BOTTOM,
    )
    across, up, middle = box.across(np.arange(len(ordered) + 1)), box.up(ordered), float(box.up(0.5))
    gap = 0.2 * float(across[1] - across[0])
    bars = [
        f"M{left + gap / 2:.1f} {middle:.1f}H{right - gap / 2:.1f}V{height:.1f}H{left + gap / 2:.1f}Z"
        for left, right, height in zip(across[:-1].tolist(), across[1:].tolist(), up.tolist(), strict=True)
    ]
    inside = (
        f'{frame(box)}<path class="series first bars" fill="currentColor" d="{"".join(bars)}"/>'
        f'<path class="half" stroke-width="1.5" d="M{box.left} {middle:.1f}H{box.right}"/>'
    )
    return drawing(key, title, description, inside)


def correlation_map(key: str, title: str, description: str, correlation: Floats) -> str:
    """Return the D×D absolute correlations of bits as shades, the diagonal left empty, with a scale beside them.

    With more than 64 bits a cell shows the largest of several. Raises ValueError for another shape.
    """
    strength = np.abs(np.asarray(correlation, dtype=np.float64))
    if strength.ndim != 2 or strength.shape[0] != strength.shape[1] or not len(strength):
        raise ValueError(f"a map of correlations is square; found {strength.shape}")
    bits = len(strength)
    strength = np.where(np.eye(bits, dtype=bool), 0, strength)
    each = -(-bits // _CELLS)
    cells = _pooled(strength, each)
    side, axis = HEIGHT - BOTTOM - TOP, Axis("bit", 0, each * len(cells))
    box = Box(axis, axis, LEFT, LEFT + side, TOP, HEIGHT - BOTTOM)
    # Cells of one shade are one path: a row of equal neighbours is one rectangle of it.
    shade = np.clip(np.ceil(cells * _LEVELS - 1e-9).astype(int), 0, _LEVELS)
    size = side / len(cells)
    parts = []
    for level in range(1, _LEVELS + 1):
        path = "".join(_runs(shade == level, box, size))
        if path:
            parts.append(f'<path class="shade" stroke="none" fill-opacity="{level / _LEVELS:.3f}" d="{path}"/>')
    shades = f'<g class="series first" fill="currentColor">{"".join(parts)}{_scale(box)}</g>'
    return drawing(key, title, description, frame(box) + shades + _scale_words(box))


def _band(box: Box, points: Sequence[Point]) -> str:
    bars = [(point.x, *point.bar) for point in points if point.bar is not None]
    if len(bars) < 2 or len(bars) < len(points):
        return ""
    across, low, high = (np.array(each) for each in zip(*bars, strict=True))
    there = [f"{x:.1f} {y:.1f}" for x, y in zip(box.across(across).tolist(), box.up(high).tolist(), strict=True)]
    back = [f"{x:.1f} {y:.1f}" for x, y in zip(box.across(across).tolist(), box.up(low).tolist(), strict=True)]
    path = "L".join([*there, *reversed(back)])
    return f'<path class="band" fill="currentColor" fill-opacity=".16" stroke="none" d="M{path}Z"/>'


def _join(box: Box, points: Sequence[Point], number: int) -> str:
    if len(points) < 2:
        return ""
    across, up = box.across([point.x for point in points]), box.up([point.y for point in points])
    corners = [f"{x:.1f} {y:.1f}" for x, y in zip(across.tolist(), up.tolist(), strict=True)]
    return f'<path {style(number)} stroke-width="2" d="M{"L".join(corners)}"/>'


def _point(box: Box, point: Point, number: int) -> str:
    x, y = float(box.across(point.x)), float(box.up(point.y))
    parts = [f"<g><title>{escape(point.title)}</title>" if point.title else "<g>"]
    if point.bar is not None:
        low, high = box.up(point.bar).tolist()
        ends = f"M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"
        parts.append(f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}{ends}"/>')
    parts.append(_shape(x, y, number))
    if point.label:
        # Above the point, except where the chart ends.
        above = y - 9 if y - 9 > box.top + 8 else y + 18
        half = LETTER * len(point.label) / 2
        middle = min(max(x, box.left + half), box.right - half)
        parts.append(text(middle, above, point.label, "middle"))
    parts.append("</g>")
    return "".join(parts)


def _shape(x: float, y: float, number: int) -> str:
    if _SHAPES[number] == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="currentColor" stroke="none"/>'
    if _SHAPES[number] == "square":
        return f'<rect class="hollow" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" stroke-width="2"/>'
    return f'<path class="hollow" d="M{x:.1f} {y - 5:.1f}l5.5 9.5h-11Z" stroke-width="2"/>'


def _pooled(cells: Floats, factor: int) -> Floats:
    # The largest of factor × factor cells; a last row and column of fewer count as they are.
    extra = -len(cells) % factor
    whole = np.pad(cells, (0, extra))
    wide = len(whole) // factor
    return np.asarray(whole.reshape(wide, factor, wide, factor).max(axis=(1, 3)))


def _runs(chosen: ArrayLike, box: Box, size: float) -> list[str]:
    # Rectangles over runs of chosen cells; row 0 is the lowest, as bit 0 is on the axis.
    found = []
    for row, cells in enumerate(np.asarray(chosen)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cells.astype(int), [0]])))
        for start, end in edges.reshape(-1, 2).tolist():
            x, y = box.left + start * size, box.bottom - (row + 1) * size
            found.append(f"M{x:.1f} {y:.1f}h{(end - start) * size:.1f}v{size:.1f}h-{(end - start) * size:.1f}z")
    return found


def _scale(box: Box) -> str:
    height = (box.bottom - box.top) / _LEVELS
    return "".join(
        f'<path stroke="none" fill-opacity="{(level + 1) / _LEVELS:.3f}" '
        f'd="M{box.right + 24} {box.bottom - (level + 1) * height:.1f}h16v{height:.1f}h-16z"/>'
        for level in range(_LEVELS)
    )


def _scale_words(box: Box) -> str:
    words = [(0.0, "0"), (0.5, "0.5"), (1.0, "1")]
    places = [(box.bottom - share * (box.bottom - box.top), label) for share, label in words]
    return "".join(text(box.right + 46, y + 4.5, label, "start") for y, label in places)
