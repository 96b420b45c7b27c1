"""Charts, read back from their SVG: every line stands where its numbers are, and no colour is needed to read it."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.charts.chart import Axis, Box, Chart, Series
from facematch.charts.draw import chart_file, draw, place_label

SVG = "{http://www.w3.org/2000/svg}"
UNIT = Axis("share", 0, 1)
NASTY = '</title><script>alert("1")</script>&'


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg if "xmlns" in svg else str(svg).replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))


def drawn(svg: str, kind: str) -> list[ElementTree.Element]:
    return [each for each in parsed(svg).iter(f"{SVG}path") if kind in each.get("class", "").split()]


def frame(svg: str) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of the plotted area, from the axes."""
    (axes,) = drawn(svg, "axes")
    found = re.search(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)$", axes.get("d", ""))
    assert found is not None
    left, top, bottom, right = (float(each) for each in found.groups())
    return left, right, top, bottom


def corners(path: ElementTree.Element) -> list[tuple[float, float]]:
    """The corners of a line."""
    numbers = [float(each) for each in re.findall(r"[\d.]+", path.get("d", ""))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def lines(svg: str) -> list[ElementTree.Element]:
    """The lines of the series, without the samples of the legend."""
    return [each for each in drawn(svg, "series") if each.get("stroke-linejoin")]


def marks(svg: str) -> list[tuple[float, float]]:
    """Where the marks are, those of the legend first."""
    found = [re.findall(r"[\d.]+", each.get("transform", "")) for each in drawn(svg, "mark")]
    return [(float(x), float(y)) for x, y in found]


def chart(*series: Series, x: Axis = UNIT, y: Axis = UNIT) -> str:
    return draw(Chart("key", "A title", "What it shows", x, y, series))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_even_and_within_the_axis(low: float, width: float) -> None:
    axis = Axis("x", low, low + width)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 6
    step = ticks[1] - ticks[0]
    assert np.allclose(np.diff(ticks), step)
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(mantissa - each) for each in (1, 2, 5)) < 1e-4
    assert ticks[0] >= low - 1e-6 * step
    assert ticks[-1] <= low + width + 1e-6 * step
    assert np.allclose(np.round(np.array(ticks) / step), np.array(ticks) / step, atol=1e-4)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e-4, 1, [1e-4, 1e-3, 1e-2, 1e-1, 1]),
        (1, 50, [1, 2, 5, 10, 20, 50]),
        (0.03, 4, [0.05, 0.1, 0.2, 0.5, 1, 2]),
    ],
)
def test_ticks_of_a_logarithmic_axis(low: float, high: float, ticks: list[float]) -> None:
    assert Axis("x", low, high, log=True).ticks() == pytest.approx(ticks)


@given(st.floats(1e-6, 1e3), st.floats(1.1, 1e6), st.floats(-1, 1e7), st.booleans())
def test_a_value_lies_where_the_definition_says(low: float, factor: float, value: float, log: bool) -> None:
    high, inside = low * factor, min(max(value, low), low * factor)
    naive = math.log(inside / low) / math.log(high / low) if log else (inside - low) / (high - low)
    assert float(Axis("x", low, high, log).share(value)) == pytest.approx(naive, abs=1e-9)


@pytest.mark.parametrize(("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True), (0, math.inf, False)])
def test_an_axis_without_room_is_refused(low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match="axis"):
        Axis("x", low, high, log)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=30), st.booleans())
def test_own_ticks_are_values_that_occur_and_can_be_read(values: list[float], log: bool) -> None:
    axis = Axis("bits", 0.01, 1, log, tuple(values))
    ticks = axis.ticks()
    assert set(ticks) <= set(values)
    assert ticks[0] == min(values)
    assert not len(ticks) > 1 or np.diff(axis.share(ticks)).min() >= 0.075
    shares = axis.share(ticks)
    assert all((np.abs(shares - share) < 0.075).any() for share in axis.share(values))  # none is left out in vain


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30), st.booleans())
def test_a_line_goes_through_its_points(values: list[tuple[float, float]], steps: bool) -> None:
    x, y = [list(each) for each in zip(*values, strict=True)]
    svg = chart(Series("", x, y, line="steps" if steps else "straight"))
    left, right, top, bottom = frame(svg)
    (drawn_line,) = lines(svg)
    found = corners(drawn_line)
    for a, b in values:
        at = left + a * (right - left), bottom - b * (bottom - top)
        assert min(abs(at[0] - cx) + abs(at[1] - cy) for cx, cy in found) < 0.25
    if steps:
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(found))
        assert found[-1][0] == right


def test_a_step_goes_on_level_until_the_next_point_and_to_the_end() -> None:
    svg = chart(Series("", [0, 0.5, 0.8], [0, 0.5, 1], line="steps"))
    left, right, top, bottom = frame(svg)
    shares = [((x - left) / (right - left), (bottom - y) / (bottom - top)) for x, y in corners(lines(svg)[0])]
    assert np.allclose(shares, [(0, 0), (0.5, 0), (0.5, 0.5), (0.8, 0.5), (0.8, 1), (1, 1)], atol=0.001)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_an_outline_is_shaded_down_to_its_level(shares: list[float], level: float) -> None:
    edges = np.linspace(0, 1, len(shares) + 1)
    svg = chart(Series("", edges, [*shares, level], line="steps", fill=level))
    left, right, top, bottom = frame(svg)
    (outline,) = lines(svg)
    assert outline.get("fill") == "currentColor"
    found = np.array(corners(outline))
    base = bottom - level * (bottom - top)
    assert found[0] == pytest.approx((left, base), abs=0.06)
    assert found[-1] == pytest.approx((right, base), abs=0.06)
    for share, start, end in zip(shares, edges[:-1], edges[1:], strict=True):  # the top of each bin is on it
        y = bottom - share * (bottom - top)
        level_parts = [
            pair for pair in pairwise(found.tolist()) if pair[0][1] == pair[1][1] == pytest.approx(y, abs=0.06)
        ]
        x0, x1 = left + start * (right - left), left + end * (right - left)
        assert any(pair[0][0] <= x0 + 0.06 and pair[1][0] >= x1 - 0.06 for pair in level_parts)


def test_what_is_not_a_number_is_left_out() -> None:
    both = Series("", [0, 0.5, 1], [0, math.nan, 1], points=True, labels={1: "nowhere"})
    svg = chart(both, Series("nothing", [0.5], [math.nan]))
    assert [len(corners(each)) for each in lines(svg)] == [2]
    assert len(marks(svg)) == 2
    assert "nan" not in svg
    assert "nowhere" not in svg


def test_series_differ_by_dashes_and_shapes_and_are_named() -> None:
    names = ["one", "two", "three", "four"]
    svg = chart(*(Series(name, [0, 1], [0, 1], points=True) for name in names))
    assert len({each.get("stroke-dasharray") for each in lines(svg)}) == 4
    assert len({each.get("d") for each in drawn(svg, "mark")}) == 4
    assert len(marks(svg)) == 4 + 8  # in the legend, and at the points
    samples = [each for each in drawn(svg, "series") if not each.get("stroke-linejoin")]
    assert [each.get("stroke-dasharray") for each in samples] == [each.get("stroke-dasharray") for each in lines(svg)]
    assert [each.text for each in parsed(svg).iter(f"{SVG}text") if each.text in names] == names
    with pytest.raises(ValueError, match="differ in 4 ways"):
        chart(*(Series(str(number), [0], [0]) for number in range(5)))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_a_legend_stays_above_the_chart_and_on_it(lengths: list[int]) -> None:
    names = ["n" * length for length in lengths]
    svg = chart(*(Series(name, [0], [0]) for name in names))
    top = frame(svg)[2]
    texts = [each for each in parsed(svg).iter(f"{SVG}text") if set(each.text or "") == {"n"}]
    ends: dict[str, float] = {}
    for each in texts:
        row, left = each.get("y", ""), float(each.get("x", ""))
        assert float(row) < top
        assert left >= ends.get(row, 0)
        ends[row] = left + 7.4 * len(each.text or "")
        assert ends[row] < 420 or left < 90  # one that is too long has a row of its own


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_labels_lie_on_nothing_where_there_is_room(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    box = Box(UNIT, UNIT, 56, 406, 14, 256)
    at = [(float(x), float(y)) for x, y in zip(rng.uniform(60, 400, count), rng.uniform(20, 250, count), strict=True)]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in at]
    for point in at:
        place = place_label(point, 20, taken, box)
        assert box.left <= place[0] < place[2] <= box.right
        assert box.top <= place[1] < place[3] <= box.bottom
        for other in taken:
            wide, high = (
                min(place[2], other[2]) - max(place[0], other[0]),
                min(place[3], other[3]) - max(place[1], other[1]),
            )
            assert wide <= 0 or high <= 0
        taken.append(place)


def test_marks_have_bars_titles_and_sizes() -> None:
    bars = [(0.2, 0.4), (math.nan, math.nan), (0.5, 0.9)]
    x, y = [0.1, 0.5, 0.9], [0.3, 0.5, 0.7]
    svg = chart(Series("", x, y, line="", points=True, bars=bars, titles=[NASTY, "b", "c"], sizes=[1, 4, 16]))
    left, right, top, bottom = frame(svg)
    assert marks(svg) == [
        pytest.approx((left + a * (right - left), bottom - b * (bottom - top)), abs=0.06)
        for a, b in zip(x, y, strict=True)
    ]
    found = [[float(each) for each in re.findall(r"[\d.]+", bar.get("d", ""))[1:3]] for bar in drawn(svg, "bar")]
    assert found == [
        pytest.approx([bottom - end * (bottom - top) for end in bars[number]], abs=0.06) for number in (0, 2)
    ]
    assert [each.findtext(f"{SVG}title") for each in parsed(svg).iter(f"{SVG}g") if each.findtext(f"{SVG}title")] == [
        NASTY, "b", "c",
    ]  # fmt: skip
    radii = [float(re.findall(r"[\d.]+", each.get("d", ""))[0]) for each in drawn(svg, "mark")]
    assert radii == pytest.approx([2 + 5 * share for share in (0.25, 0.5, 1)], abs=0.06)
    assert not lines(svg)


def test_it_can_be_read_without_eyes_and_without_colour() -> None:
    svg = chart(Series("a", [0, 1], [0, 1], labels={1: "end"}), Series("b", [0, 1], [1, 0], points=True, fill=0))
    root = parsed(svg)
    assert root.get("role") == "img"
    labels = root.get("aria-labelledby", "").split()
    assert [each.get("id") for each in root if each.tag in (f"{SVG}title", f"{SVG}desc")] == labels
    assert root.findtext(f"{SVG}title") == "A title"
    assert root.findtext(f"{SVG}desc") == "What it shows"
    paints = {each.get(name) for each in root.iter() for name in ("fill", "stroke") if each.get(name)}
    assert paints <= {"none", "currentColor"}
    assert "style=" not in svg


def test_no_name_ends_a_tag() -> None:
    axis = Axis(NASTY, 0, 1)
    series = [Series(NASTY, [0], [0], labels={0: NASTY}), Series("", [1], [1])]
    svg = draw(Chart("key", NASTY, f"{NASTY}\x1b", axis, axis, series))
    assert "<script" not in svg
    assert parsed(svg).findtext(f"{SVG}title") == NASTY
    assert parsed(svg).findtext(f"{SVG}desc") == f"{NASTY}\ufffd"
    assert [each.text for each in parsed(svg).iter(f"{SVG}text")].count(NASTY) == 4
    with pytest.raises(ValueError, match="key"):
        Chart('" onload="', "", "", UNIT, UNIT, [])


@pytest.mark.parametrize(
    "wrong", [{"y": [1]}, {"bars": [(0, 1)]}, {"titles": ["a"]}, {"x": [[1], [2]], "y": [[1], [2]]}]
)
def test_a_series_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="equally many"):
        Series(**{"label": "a", "x": [1, 2], "y": [1, 2], **wrong})


def test_a_file_is_whole_in_itself() -> None:
    made = Chart("key", "A title", "words " * 30, UNIT, UNIT, [Series("a", [0, 1], [0, 1])], square=True)
    rows = [("1", "0.5", NASTY), ("2", "0.25", "c")]
    file = chart_file(made, ("number", "share", "name"), rows).decode()
    root = ElementTree.fromstring(file)
    width, height = (float(each) for each in root.get("viewBox", "").split()[2:])
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert texts[0] == "A title"
    assert texts[-9:] == ["number", "share", "name", *rows[0], *rows[1]]
    assert not re.search(r"href|url\(|<script|<style|@import", file)
    assert re.findall(r"https?://[^\"]+", file) == ["http://www.w3.org/2000/svg"]
    for each in root.findall(f"{SVG}text"):
        assert 0 < float(each.get("x", "")) <= width
        assert 0 < float(each.get("y", "")) <= height - 8
    left, right, top, bottom = frame(file)
    assert right - left == bottom - top
    (inner,) = root.findall(f"{SVG}svg")
    assert float(inner.get("y", "")) + float(inner.get("height", "")) < height
    assert chart_file(replace(made, title="half \udcff")).decode("utf-8")
