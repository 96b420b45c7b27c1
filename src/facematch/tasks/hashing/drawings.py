"""Which charts a hash report has, with what they show in words: runs beside each other, then each run alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from facematch.charts.axes import Axis
from facematch.charts.charts import Mark, Series, line_chart
from facematch.charts.drawing import DASHES
from facematch.core.text import printable
from facematch.evaluation.bootstrap import Floats
from facematch.tasks.hashing.charts import (
    NamedAxis,
    Point,
    PointSeries,
    balance_chart,
    correlation_map,
    point_chart,
)
from facematch.tasks.hashing.code_figures import RADIUS, CodeFigures
from facematch.tasks.hashing.data import HashRun

_FOUND = 0.99  # recall from which larger radii are of no interest


@dataclass(frozen=True)
class Drawing:
    """One chart: its heading, the SVG, and what it shows in words."""

    heading: str
    svg: Markup
    caption: str


def names_of(runs: Sequence[HashRun]) -> dict[str, str]:
    """Return a short name for each run's: its code size where no two have the same, else its number."""
    sizes = [run.dimensions for run in runs]
    if len(set(sizes)) == len(sizes):
        return {run.name: f"{run.dimensions} bits" for run in runs}
    return {run.name: f"run {number}" for number, run in enumerate(runs, start=1)}


def comparison_drawings(runs: Sequence[HashRun], names: Mapping[str, str]) -> list[Drawing]:
    """Return the charts in which runs, asked about the same photos, stand beside each other."""
    hashing = sorted((run for run in runs if run.codes is not None), key=lambda run: (run.dimensions, run.name))
    references = [run for run in runs if run.codes is None]
    parts = [hashing[start : start + len(DASHES)] for start in range(0, len(hashing), len(DASHES))]
    return [
        *_by_size(hashing, names),
        *_by_bytes(hashing, references, names),
        *(_recall_precision(part, names, f"pr{_letters(number)}") for number, part in enumerate(parts)),
    ]


def run_drawings(run: HashRun, number: int, *, alone: bool) -> list[Drawing]:
    """Return the charts of one run's codes; `alone` with its own precision–recall curve. `number` is unique."""
    codes, key = run.codes, _letters(number)
    if codes is None:
        return []
    own = [_recall_precision([run], {run.name: ""}, f"pr{key}")] if alone else []
    return [*own, _look_up(codes, key), _balance(codes, key), _correlations(codes, key)]


def _by_size(runs: Sequence[HashRun], names: Mapping[str, str]) -> Iterator[Drawing]:
    sizes = sorted({run.dimensions for run in runs})
    codes = [
        Point(run.dimensions, value, _repeated(run, names), _words(run, value), run.codes.bounds)
        for run in runs
        if run.codes is not None and (value := run.codes.mean_ap.value) is not None
    ]
    floats = [
        Point(run.dimensions, value, "", printable(f"{run.name}: floats, mAP {value:.3f}"))
        for run in runs
        if (value := run.floats.mean_ap.value) is not None
    ]
    y = _mean_ap_axis([*codes, *floats])
    joined = len(sizes) == len(runs)  # runs of one size are no curve
    told = "; ".join(f"{run.name} {run.codes.mean_ap.value or 0:.3f}" for run in runs if run.codes is not None)
    words = f"mAP of the codes: {printable(told)}. Bars reach from the worst to the best order of ties.{_cut(y)}"
    svg = point_chart(
        "size",
        "mAP against code size",
        words,
        NamedAxis("code size in bits", sizes[0] / 1.4, sizes[-1] * 1.4, log=True, at=tuple(map(float, sizes))),
        y,
        [
            PointSeries("codes, ties worst to best", tuple(codes), joined),
            PointSeries("floats", tuple(floats), joined),
        ],
    )
    yield Drawing("mAP against code size", Markup(svg), words)


def _by_bytes(runs: Sequence[HashRun], references: Sequence[HashRun], names: Mapping[str, str]) -> Iterator[Drawing]:
    kinds = {
        "codes": [_byte_point(run, run.code_bytes, names[run.name]) for run in runs],
        "floats": [_byte_point(run, run.float_bytes, names[run.name], floats=True) for run in runs],
        "float reference": [_byte_point(run, run.float_bytes, run.name[:24], floats=True) for run in references],
    }
    series = [PointSeries(label, tuple(points), joined=False) for label, points in kinds.items() if points]
    points = [point for each in series for point in each.points]
    y = _mean_ap_axis(points)
    words = f"What a photo takes in the gallery, and the mAP it buys; numbers are code sizes.{_cut(y)}"
    low, high = min(point.x for point in points), max(point.x for point in points)
    axis = Axis("bytes of a photo, logarithmic", low / 1.5, high * 1.5, log=True)
    svg = point_chart("bytes", "mAP against bytes of a photo", words, axis, y, series)
    yield Drawing("mAP against bytes of a photo", Markup(svg), words)


def _byte_point(run: HashRun, size: int | None, label: str, *, floats: bool = False) -> Point:
    value = run.floats.mean_ap.value if floats or run.codes is None else run.codes.mean_ap.value
    kind = "floats" if floats else "codes"
    title = f"{run.name}, {kind}: {size or 0:,} bytes of a photo, mAP {value or 0:.3f}"
    return Point(size or 1, value or 0.0, printable(label.removesuffix(" bits")), printable(title))


def _recall_precision(runs: Sequence[HashRun], names: Mapping[str, str], key: str) -> Drawing:
    series, marks, told = [], [], []
    for run in runs:
        if run.codes is None:
            continue
        curve = run.codes.curve
        series.append(Series(names[run.name], curve.recall, curve.precision))
        at = int(np.flatnonzero(curve.radii == RADIUS)[0])
        words = f"{curve.answered[at]:.0%} answered"
        if np.isfinite(curve.precision[at]):
            marks.append(Mark(float(curve.recall[at]), float(curve.precision[at]), ""))
            words = f"precision {curve.precision[at]:.3f}, recall {curve.recall[at]:.3f}, {words}"
        told.append(f"{run.name} {words}")
    caption = (
        "One point for each radius. A query is answered when any photo lies within it; precision is that of answered "
        f"queries. At radius {RADIUS}, the dots: {printable('; '.join(told))}."
    )
    svg = line_chart(
        key,
        "Precision and recall by Hamming radius",
        caption,
        Axis("recall", 0, 1),
        Axis("precision", 0, 1),
        series,
        marks=marks,
    )
    return Drawing("Precision and recall by Hamming radius", Markup(svg), caption)


def _look_up(codes: CodeFigures, key: str) -> Drawing:
    curve = codes.curve
    most = int(np.argmax(curve.recall >= _FOUND)) if (curve.recall >= _FOUND).any() else len(curve.radii) - 1
    shown = slice(0, max(most, RADIUS + 2) + 1)
    at = int(np.flatnonzero(curve.recall >= 0.5)[0]) if (curve.recall >= 0.5).any() else 0
    caption = (
        f"Within radius {at} lies half of what is right, with precision {_or_none(curve.precision[at])}. “Answered” is "
        "the share of queries with any photo within the radius; precision is theirs."
    )
    series = [("precision", curve.precision), ("recall", curve.recall), ("answered", curve.answered)]
    svg = line_chart(
        f"radius{key}",
        "What lies within a Hamming radius",
        caption,
        Axis("Hamming radius", 0, float(curve.radii[shown][-1])),
        Axis("share", 0, 1),
        [Series(label, curve.radii[shown], values[shown]) for label, values in series],
    )
    return Drawing("Look-up within a radius", Markup(svg), caption)


def _balance(codes: CodeFigures, key: str) -> Drawing:
    quality = codes.quality
    low, high = min(quality.balance), max(quality.balance)
    caption = (
        f"Each bar is a bit, from one half to its share of gallery photos with a 1: {low:.2f} to {high:.2f}, "
        f"{quality.constant_bits} of {quality.bits} bits never change. Short bars are good."
    )
    svg = balance_chart(f"balance{key}", "Balance of the bits", caption, quality.balance)
    return Drawing("Balance of the bits", Markup(svg), caption)


def _correlations(codes: CodeFigures, key: str) -> Drawing:
    quality, strength = codes.quality, np.abs(codes.correlation - np.diag(codes.correlation.diagonal()))
    mean = "not defined" if quality.mean_correlation is None else f"{quality.mean_correlation:.3f} on average"
    caption = (
        f"Absolute correlation of each two bits, {mean}, {strength.max():.3f} at most; {quality.effective_bits:.1f} "
        f"of {quality.bits} bits count. The strongest colour is of bits that say the same; empty rows never change."
    )
    svg = correlation_map(f"correlation{key}", "Correlations of the bits", caption, codes.correlation)
    return Drawing("Correlations of the bits", Markup(svg), caption)


def _mean_ap_axis(points: Sequence[Point]) -> Axis:
    # Twentieths around what is shown: sizes differ by less than a whole axis shows.
    ends: Floats = np.array([value for point in points for value in (point.y, *(point.bar or ()))])
    low = max(0, int(np.floor((ends.min(initial=1) - 0.01) * 20)))
    high = min(20, int(np.ceil((ends.max(initial=0) + 0.01) * 20)))
    low, high = min(low, 18), max(high, min(20, low + 2))
    return Axis("mAP", low / 20, high / 20)


def _cut(axis: Axis) -> str:
    return f" The axis begins at {axis.low:g}, not at 0." if axis.low else ""


def _repeated(run: HashRun, names: Mapping[str, str]) -> str:
    # The axis tells sizes; only runs of one size need a name at their point.
    return "" if names[run.name].endswith("bits") else names[run.name]


def _words(run: HashRun, value: float) -> str:
    bounds = run.codes.bounds if run.codes is not None else None
    ties = "" if bounds is None else f", ties worst {bounds[0]:.3f}, best {bounds[1]:.3f}"
    return printable(f"{run.name}: codes of {run.dimensions} bits, mAP {value:.3f}{ties}")


def _or_none(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "not defined"


def _letters(number: int) -> str:
    # A key of letters: a, b … z, ba, bb …
    return ("" if number < 26 else _letters(number // 26)) + "abcdefghijklmnopqrstuvwxyz"[number % 26]
