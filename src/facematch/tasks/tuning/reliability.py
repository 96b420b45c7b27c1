"""The reliability diagram as one SVG file: do pairs said to be same with probability p turn out same p of the time?"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from facematch.charts.axes import Axis, Box
from facematch.core.files import write_bytes
from facematch.thresholds.calibration import Bin, expected_calibration_error

_WIDTH, _SIDE, _LEFT, _TOP, _ROW = 560, 400, 90, 76, 20
_COLUMNS = (("probability from", 150), ("to", 220), ("mean", 300), ("share same", 400), ("pairs", 490))


def write_reliability_plot(path: Path, bins: Sequence[Bin], title: str = "Reliability of P(same)") -> None:
    """Write the diagram of `reliability_svg` to `path`, whole or not at all."""
    write_bytes(path, reliability_svg(bins, title).encode())


def reliability_svg(bins: Sequence[Bin], title: str = "Reliability of P(same)") -> str:
    """Return a self-contained SVG: share of same pairs against mean probability of each bin, and the numbers below.

    Perfect probabilities lie on the dashed diagonal, over-confident ones below it where they are high and above
    it where they are low. A point is larger for more pairs; nothing is told by colour.
    Raises ValueError without a bin.
    """
    if not bins:
        raise ValueError("a reliability diagram needs pairs")
    box = Box(
        Axis("mean probability of the bin", 0, 1),
        Axis("share of same pairs", 0, 1),
        _LEFT,
        _LEFT + _SIDE,
        _TOP,
        _TOP + _SIDE,
    )
    pairs = sum(each.count for each in bins)
    error = expected_calibration_error(bins)
    under = f"{pairs:,} pairs in {len(bins)} bins; expected calibration error {error:.4f}; dashed: perfect"
    height = _TOP + _SIDE + 84 + _ROW * len(bins) + 16
    words = [_text(_WIDTH / 2, 30, title, "middle", 'font-size="18" font-weight="bold"')]
    words.append(_text(_WIDTH / 2, 54, under, "middle"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13" fill="black" '
        f'stroke="none"><title id="title">{escape(title)}</title><desc id="desc">{escape(under)}</desc>'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>{"".join(words)}{_frame(box)}{_points(box, bins)}'
        f"{_table(bins, _TOP + _SIDE + 76)}</svg>\n"
    )


def _frame(box: Box) -> str:
    # Axes with ticks and labels, a light grid, and the dashed diagonal.
    parts, bottom = [], int(box.bottom)
    for tick in box.x.ticks():
        x, y = float(box.across(tick)), float(box.up(tick))
        parts.append(_line(f"M{x:.1f} {box.top}V{bottom}M{box.left} {y:.1f}H{box.right}", 'stroke-opacity=".15"'))
        parts.append(_line(f"M{x:.1f} {bottom}v5M{box.left - 5} {y:.1f}h5"))
        parts.append(
            _text(x, bottom + 20, f"{tick:.1f}", "middle") + _text(box.left - 9, y + 4.5, f"{tick:.1f}", "end")
        )
    parts.append(_line(f"M{box.left} {box.top}V{bottom}H{box.right}", 'stroke-width="1.5"'))
    parts.append(_line(f"M{box.left} {bottom}L{box.right} {box.top}", 'class="diagonal" stroke-dasharray="6 5"'))
    parts.append(_text((box.left + box.right) / 2, bottom + 42, box.x.label, "middle"))
    middle = (box.top + box.bottom) / 2
    turned = f'transform="translate({box.left - 50} {middle}) rotate(-90)"'
    return "".join(parts) + f"<g {turned}>{_text(0, 0, box.y.label, 'middle')}</g>"


def _points(box: Box, bins: Sequence[Bin]) -> str:
    across, up = box.across([each.probability for each in bins]), box.up([each.share for each in bins])
    counts = np.array([each.count for each in bins])
    radii = 2.5 + 4.5 * np.sqrt(counts / counts.max())
    places = list(zip(across.tolist(), up.tolist(), radii.tolist(), strict=True))
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="white" stroke="black"/>' for x, y, r in places]
    return _line(path, 'stroke-width="2"') + "".join(dots)


def _table(bins: Sequence[Bin], top: float) -> str:
    parts = [_text(x, top, name, "end", 'font-weight="bold"') for name, x in _COLUMNS]
    for row, each in enumerate(bins, start=1):
        cells = (*(f"{p:.4f}" for p in (each.low, each.high, each.probability, each.share)), f"{each.count:,}")
        parts += [_text(x, top + _ROW * row, cell, "end") for cell, (_, x) in zip(cells, _COLUMNS, strict=True)]
    return "".join(parts)


def _line(path: str, style: str = "") -> str:
    return f'<path d="{path}" fill="none" stroke="black" {style}/>'


def _text(x: float, y: float, words: str, anchor: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(words)}</text>'
