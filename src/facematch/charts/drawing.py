"""What every small chart is made of: the drawing itself, its frame, words and the style of a line.

Everything is drawn in `currentColor`, so a chart follows the light or dark page it stands on, and the classes
`chart`, `series` and `first` … let a page colour it. Lines are told apart by their dashes, so that a print
without colour can be read. Each chart has a title and a description for screen readers.
"""

import math
from html import escape

from facematch.charts.axes import Axis, Box

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 44
ROW = 17  # height of a row of labels above a chart
LETTER = 6.6  # width of a letter, roughly
DASHES = ("", "7 4", "2 3", "10 3 2 3")
_CLASSES = ("first", "second", "third", "fourth")


def drawing(key: str, title: str, description: str, inside: str) -> str:
    """Return a whole chart as SVG; `key` makes its ids, so it is unique on a page and holds letters only."""
    # Nothing of a title or label can end a tag: both are escaped.
    if not key.isalpha():
        raise ValueError(f"a chart's key is made of letters, not {key!r}")
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{key}-title {key}-desc" '
        'fill="none" stroke="currentColor" stroke-width="1" font-family="system-ui, sans-serif" font-size="13">'
        f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(description)}</desc>'
        f"{inside}</svg>"
    )


def as_file(chart: str) -> str:
    """Return a chart as an SVG file of its own, on white."""
    return chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" style="background:#fff" ', 1) + "\n"


def frame(box: Box) -> str:
    """Return the axes with ticks and labels, and a light grid."""
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
    middle, up = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    words.append(text(middle, box.bottom + 38, box.x.label, "middle"))
    words.append(f'<g transform="translate(11 {up:.1f}) rotate(-90)">{text(0, 0, box.y.label, "middle")}</g>')
    lines.append(f"M{box.left} {box.top}V{box.bottom}H{box.right}")
    return f'<path class="axes" d="{"".join(lines)}"/>{"".join(words)}'


def text(x: float, y: float, words: str, anchor: str) -> str:
    """Return words that begin, end or have their middle at x."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" stroke="none">{escape(words)}</text>'
    )


def style(number: int) -> str:
    """Return the class and dashes of line `number`, counted from 0."""
    dash = f' stroke-dasharray="{DASHES[number]}"' if DASHES[number] else ""
    return f'class="series {_CLASSES[number]}"{dash}'


def _number(value: float, axis: Axis) -> str:
    if axis.log and value < 0.001 and f"{value:e}".startswith("1.000000e"):
        return f"10{str(round(math.log10(value))).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{value:.6g}"
