"""The picture of a chart, as inline SVG or a file of its own.

Everything is drawn in `currentColor`, so a chart follows the light or dark page that it is part of, and the classes
`chart`, `series` and `first` … let a page colour it. Series differ by dashes and shapes too, so that a print without
colour can be read. Each chart has a title and a description for screen readers.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike

from facematch.charts.chart import Axis, Box, Chart, Floats, Series
from facematch.core.text import printable

_DASHES = ("", "7 4", "2 3", "10 3 2 3")
_CLASSES = ("first", "second", "third", "fourth")
_SHAPES = (  # around the middle, for a radius r: circle, square, triangle, diamond
    "M-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0Z",
    "M-{r} -{r}h{d}v{d}h-{d}Z",
    "M0 -{r}l{r} {d}h-{d}Z",
    "M0 -{r}l{r} {r} -{r} {r} -{r} -{r}Z",
)
_WIDTH, _HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 14, 44
_ROW, _LETTER = 17, 7.4  # height of a line of text, and the width of a letter, roughly
_RADIUS = 4.5  # of a mark
_NEAR = 16  # a label farther than this from its point has a line to it
_RINGS = (8, 13, 19, 26, 34, 43, 53, 64)
_SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True)
class _Mark:
    # A point of series `number` in the drawing; `bar` has the y of its lower and upper end, or nothing.
    x: float
    y: float
    number: int
    radius: float
    bar: tuple[float, ...]
    title: str
    label: str


def draw(chart: Chart) -> Markup:
    """Return a chart as SVG; labels keep clear of points, bars, lines and each other where there is room."""
    box, legend = _layout(chart)
    lines = [_corners(box, each) for each in chart.series]
    parts = [_frame(box), legend]
    parts += [_line(number, each, line) for number, (each, line) in enumerate(zip(chart.series, lines, strict=True))]
    marks = [mark for number, each in enumerate(chart.series) for mark in _marks(box, number, each)]
    parts += [*map(_drawn, marks), *_labels(box, marks, lines)]
    key, title, words = chart.key, _safe(chart.title), _safe(chart.words)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {box.bottom + _BOTTOM:g}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc" fill="none" stroke="currentColor" stroke-width="1" '
        f'font-family="system-ui, sans-serif" font-size="13"><title id="{key}-title">{title}</title>'
        f'<desc id="{key}-desc">{words}</desc>{"".join(parts)}</svg>'
    )


def chart_file(chart: Chart, columns: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a chart as an SVG file of its own: on white, below its title and words, above a table of `rows`."""
    bold = 'font-weight="bold"'
    lines = [(line, bold) for line in textwrap.wrap(chart.title, 50)]
    lines += [(line, "") for line in textwrap.wrap(chart.words, 58)]
    parts = [text(_WIDTH / 2, 24 + _ROW * row, line, "middle", style) for row, (line, style) in enumerate(lines)]
    above, high = 30 + _ROW * len(lines), int(_layout(chart)[0].bottom) + _BOTTOM
    parts.append(str(draw(chart)).replace("<svg ", f'<svg y="{above}" width="{_WIDTH}" height="{high}" ', 1))
    if columns:
        letters = np.cumsum([2 + max(map(len, column)) for column in zip(columns, *rows, strict=True)])
        ends = (_RIGHT + (_WIDTH - 2 * _RIGHT) * letters / letters[-1]).tolist()
    for number, row in enumerate([columns, *rows] if columns else []):
        y = above + high + _ROW * (number + 1)
        parts += [text(end, y, cell, "end", "" if number else bold) for end, cell in zip(ends, row, strict=True)]
    whole = above + high + (_ROW * (len(rows) + 2) if columns else 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {whole}" font-family="system-ui, sans-serif" '
        f'font-size="13"><rect width="{_WIDTH}" height="{whole}" fill="white"/>{"".join(parts)}</svg>\n'
    ).encode("utf-8", "replace")


def text(x: float, y: float, words: str, anchor: str, style: str = "") -> str:
    """Return words in a drawing that begin, end or have their middle at x."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" stroke="none" {style}>'
        f"{_safe(words)}</text>"
    )


def _safe(words: str) -> str:
    # Nothing of a title or label can end a tag.
    return str(escape(printable(words)))


def _layout(chart: Chart) -> tuple[Box, str]:
    # The plotted area, and the legend above it.
    legend, rows = _legend(chart.series)
    top = _TOP + _ROW * rows
    bottom = top + _WIDTH - _LEFT - _RIGHT if chart.square else _HEIGHT - _BOTTOM
    return Box(chart.x, chart.y, _LEFT, _WIDTH - _RIGHT, top, bottom), legend


def _legend(series: Sequence[Series]) -> tuple[str, int]:
    # Samples with their labels in rows above the chart, and how many rows there are.
    parts, left, row = [], float(_LEFT), 0
    for number, each in enumerate(series):
        if not each.label:
            continue
        wide = 40 + _LETTER * len(each.label)
        if left > _LEFT and left + wide > _WIDTH:
            left, row = _LEFT, row + 1
        y = _TOP + _ROW * row - 4.5
        sample = f'<path {_style(number)} stroke-width="2.5" d="M{left:.1f} {y}h20"/>' if each.line else ""
        mark = _shape(left + 10, y, number) if each.points or each.labels else ""
        parts.append(f'<g class="series {_CLASSES[number]}">{sample}{mark}</g>')
        parts.append(text(left + 26, y + 4.5, each.label, "start"))
        left += wide
    return "".join(parts), row + 1 if parts else 0


def _frame(box: Box) -> str:
    # The axes with ticks and labels, and a light grid.
    lines, words = [], []
    for tick in box.x.ticks():
        at = float(box.across(tick))
        lines.append(f"M{at:.1f} {box.bottom}v5")
        words.append(text(at, box.bottom + 18, _number(tick, box.x), "middle"))
    for tick in box.y.ticks():
        at = float(box.up(tick))
        lines.append(f"M{box.left - 5} {at:.1f}H{box.left}")
        words.append(f'<path class="grid" opacity=".18" d="M{box.left} {at:.1f}H{box.right}"/>')
        words.append(text(box.left - 8, at + 4.5, _number(tick, box.y), "end"))
    words.append(text((box.left + box.right) / 2, box.bottom + 38, box.x.label, "middle"))
    turned = f'transform="translate(11 {(box.top + box.bottom) / 2:.1f}) rotate(-90)"'
    lines.append(f"M{box.left} {box.top}V{box.bottom}H{box.right}")
    return (
        f'<path class="axes" d="{"".join(lines)}"/>{"".join(words)}<g {turned}>{text(0, 0, box.y.label, "middle")}</g>'
    )


def _number(value: float, axis: Axis) -> str:
    if axis.log and value < 0.001 and f"{value:e}".startswith("1.000000e"):
        return f"10{str(round(math.log10(value))).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{value:.6g}"


def _style(number: int) -> str:
    dash = f' stroke-dasharray="{_DASHES[number]}"' if _DASHES[number] else ""
    return f'class="series {_CLASSES[number]}"{dash}'


def _corners(box: Box, series: Series) -> Floats:
    # The corners of a line in the drawing (M×2), to a tenth: of a million points few differ.
    x, y = np.asarray(series.x, dtype=np.float64), np.asarray(series.y, dtype=np.float64)
    there = np.isfinite(x) & np.isfinite(y)
    at = np.round(np.stack([box.across(x[there]), box.up(y[there])], axis=1), 1)
    if not series.line or not len(at):
        return np.empty((0, 2))
    at = at[np.concatenate([[True], (at[1:] != at[:-1]).any(axis=1)])]
    if series.line == "steps":
        across = np.append(at[:, 0], box.right)
        at = np.stack([across.repeat(2)[1:-1], at[:, 1].repeat(2)], axis=1)
    if series.fill is not None:
        base = round(float(box.up(series.fill)), 1)
        at = np.concatenate([[[at[0, 0], base]], at, [[at[-1, 0], base]]])
    return np.asarray(at, dtype=np.float64)


def _line(number: int, series: Series, corners: Floats) -> str:
    if not len(corners):
        return ""
    shade = "" if series.fill is None else f' fill="currentColor" fill-opacity="{0.05 if number else 0.16}"'
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners.tolist())
    return f'<path {_style(number)} stroke-width="2.5" stroke-linejoin="round"{shade} d="M{path}"/>'


def _marks(box: Box, number: int, series: Series) -> list[_Mark]:
    x, y, sizes = (np.asarray(each, dtype=np.float64) for each in (series.x, series.y, series.sizes))
    radii = 2 + 5 * np.sqrt(sizes / sizes.max()) if len(sizes) else np.full(len(x), _RADIUS)
    ends = np.asarray(series.bars, dtype=np.float64) if np.size(series.bars) else np.full((len(x), 2), np.nan)
    chosen = range(len(x)) if series.points else sorted(series.labels)
    return [
        _Mark(
            float(box.across(x[point])),
            float(box.up(y[point])),
            number,
            float(radii[point]),
            tuple(box.up(ends[point]).tolist()) if np.isfinite(ends[point]).all() else (),
            series.titles[point] if len(series.titles) else "",
            series.labels.get(point, ""),
        )
        for point in chosen
        if np.isfinite(x[point] + y[point])
    ]


def _drawn(mark: _Mark) -> str:
    title = f"<title>{_safe(mark.title)}</title>" if mark.title else ""
    bar = ""
    if mark.bar:
        low, high = mark.bar
        across = f"M{mark.x - 4:.1f} {low:.1f}h8M{mark.x - 4:.1f} {high:.1f}h8"
        bar = f'<path class="bar" d="M{mark.x:.1f} {low:.1f}V{high:.1f}{across}"/>'
    shape = _shape(mark.x, mark.y, mark.number, mark.radius)
    return f'<g class="series {_CLASSES[mark.number]}">{title}{bar}{shape}</g>'


def _shape(x: float, y: float, number: int, radius: float = _RADIUS) -> str:
    path = _SHAPES[number].format(r=f"{radius:.2g}", d=f"{2 * radius:.2g}")
    paint = 'class="mark hollow" stroke-width="2"' if number else 'class="mark" fill="currentColor" stroke="none"'
    return f'<path {paint} transform="translate({x:.1f} {y:.1f})" d="{path}"/>'


def _labels(box: Box, marks: Sequence[_Mark], lines: Sequence[Floats]) -> list[str]:
    # The words beside marks, from left to right, each where it covers least of what is there already.
    taken = [(mark.x - 6, mark.y - 6, mark.x + 6, mark.y + 6) for mark in marks]
    taken += [(mark.x - 4, mark.bar[1], mark.x + 4, mark.bar[0]) for mark in marks if mark.bar]
    taken += [(x - 2, y - 2, x + 2, y + 2) for line in lines for x, y in _along(line).tolist()]
    parts = []
    for mark in sorted(marks, key=lambda mark: (mark.x, mark.y)):
        if not mark.label:
            continue
        left, top, right, bottom = place_label((mark.x, mark.y), _LETTER * len(mark.label) + 4, taken, box)
        taken.append((left, top, right, bottom))
        x, y = min(max(mark.x, left), right), min(max(mark.y, top), bottom)
        far = math.dist((mark.x, mark.y), (x, y)) > _NEAR
        leader = f'<path class="leader" opacity=".6" d="M{mark.x:.1f} {mark.y:.1f}L{x:.1f} {y:.1f}"/>' if far else ""
        words = text((left + right) / 2, bottom - 3, mark.label, "middle")
        parts.append(f'<g class="label series {_CLASSES[mark.number]}">{leader}{words}</g>')
    return parts


def _along(corners: Floats) -> Floats:
    # Points on a line, eight pixels apart.
    if not len(corners):
        return corners
    gone = np.concatenate([[0], np.abs(np.diff(corners, axis=0)).sum(axis=1).cumsum()])
    at = np.arange(0, gone[-1], 8.0)
    return np.asarray(np.stack([np.interp(at, gone, corners[:, 0]), np.interp(at, gone, corners[:, 1])], axis=1))


def place_label(at: tuple[float, float], wide: float, taken: ArrayLike, box: Box) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a label of a point: as near to it as there is room, or covering least.

    It stays within the chart. `taken` (R×4) are rectangles of the same form that it should not cover.
    """
    # Right, left, above and below first, then the corners, ring by ring.
    ring, (across, up) = np.repeat(_RINGS, len(_SIDES)), np.tile(np.transpose(_SIDES), len(_RINGS))
    left = np.clip(at[0] + across * ring - wide * (1 - across) / 2, box.left + 3, box.right - wide)
    top = np.clip(at[1] + up * ring - _ROW * (1 - up) / 2, box.top, box.bottom - _ROW)
    places = np.stack([left, top, left + wide, top + _ROW], axis=1)
    others = np.reshape(np.asarray(taken, dtype=np.float64), (-1, 4))
    shared = np.minimum(places[:, None, 2:], others[:, 2:]) - np.maximum(places[:, None, :2], others[:, :2])
    best = places[int(shared.clip(0).prod(axis=2).sum(axis=1).argmin())].tolist()
    return best[0], best[1], best[2], best[3]
