"""Charts, read back from their SVG: every line stands where its numbers are, and no colour is needed to read it."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.charts.axes import Axis
from facematch.charts.charts import Mark, Series, histogram_pair, interval_strip, line_chart

SVG = "{http://www.w3.org/2000/svg}"
UNIT = Axis("share", 0, 1)
NASTY = '</title><script>alert("1")</script>&'


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def drawn(svg: str, kind: str) -> list[ElementTree.Element]:
    return [each for each in parsed(svg).iter(f"{SVG}path") if kind in each.get("class", "").split()]


def frame(svg: str) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of the plotted area, from the axes."""
    (axes,) = drawn(svg, "axes")
    found = re.search(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)$", axes.get("d", ""))
    assert found is not None
    left, top, bottom, right = (float(each) for each in found.groups())
    return left, right, top, bottom


def points(path: ElementTree.Element) -> list[tuple[float, float]]:
    """The corners of a path of M, L, H and V."""
    at, found = (0.0, 0.0), []
    for letter, numbers in re.findall(r"([MLHV])([\d. -]+)", path.get("d", "")):
        values = [float(each) for each in numbers.split()]
        at = {"H": (values[0], at[1]), "V": (at[0], values[0])}.get(letter, (values[0], values[-1]))
        found.append(at)
    return found


def chart(series: Sequence[Series], x: Axis = UNIT, y: Axis = UNIT, **options: object) -> str:
    return line_chart("key", "A title", "What it shows", x, y, series, **options)  # type: ignore[arg-type]


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


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30), st.booleans())
def test_a_line_goes_through_its_points(values: list[tuple[float, float]], steps: bool) -> None:
    x, y = [list(each) for each in zip(*values, strict=True)]
    svg = chart([Series("", x, y)], steps=steps)
    left, right, top, bottom = frame(svg)
    (line,) = drawn(svg, "series")
    corners = points(line)
    wanted = [
        (round(left + a * (right - left), 1), round(bottom - b * (bottom - top), 1)) for a, b in zip(x, y, strict=True)
    ]
    for point in wanted:
        assert min(abs(point[0] - cx) + abs(point[1] - cy) for cx, cy in corners) < 0.25
    if steps:
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))


def test_a_step_goes_on_level_until_the_next_point() -> None:
    svg = chart([Series("", [0, 0.5, 1], [0, 0.5, 1])], steps=True)
    left, right, top, bottom = frame(svg)
    (line,) = drawn(svg, "series")
    shares = [((x - left) / (right - left), (bottom - y) / (bottom - top)) for x, y in points(line)]
    assert np.allclose(shares, [(0, 0), (0.5, 0), (0.5, 0.5), (1, 0.5), (1, 1)], atol=0.001)


def test_what_is_not_a_number_is_left_out() -> None:
    svg = chart([Series("", [0, 0.5, 1], [0, math.nan, 1]), Series("nothing", [0.5], [math.nan])])
    assert [len(points(each)) for each in drawn(svg, "series")] == [2, 1, 1]  # one line, and two samples by the labels
    assert "nan" not in svg


def test_several_lines_are_told_apart_by_dashes_and_named() -> None:
    names = ["one", "two", "three", "four"]
    svg = chart([Series(name, [0, 1], [0, 1]) for name in names])  # all end at one point
    lines = drawn(svg, "series")
    assert len({each.get("stroke-dasharray") for each in lines}) == 4
    for number in range(4):  # each has its sample beside its name
        assert lines[number].get("stroke-dasharray") == lines[4 + number].get("stroke-dasharray")
    places = [float(each.get("y", "")) for each in parsed(svg).iter(f"{SVG}text") if each.text in names]
    assert len(places) == 4
    assert np.diff(sorted(places)).min() >= 16  # no two names touch
    with pytest.raises(ValueError, match="4 lines"):
        chart([Series(str(number), [0], [0]) for number in range(5)])


def test_it_can_be_read_without_eyes_and_without_colour() -> None:
    svgs = [
        chart([Series("a", [0, 1], [0, 1]), Series("b", [0, 1], [1, 0])], marks=[Mark(0.5, 0.5, "half")]),
        histogram_pair("key", "A title", "What it shows", "d", [0, 1, 2], (("s", [1, 2]), ("t", [2, 1])), threshold=1),
    ]
    for svg in svgs:
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
    svgs = [
        line_chart(
            "key", NASTY, NASTY, axis, axis, [Series(NASTY, [0], [0]), Series("", [1], [1])], marks=[Mark(0, 0, NASTY)]
        ),
        histogram_pair("key", NASTY, NASTY, NASTY, [0, 1], ((NASTY, [1]), (NASTY, [1])), threshold=0.5),
    ]
    for svg in svgs:
        assert "<script" not in svg
        assert parsed(svg).findtext(f"{SVG}title") == NASTY
        assert NASTY in [each.text for each in parsed(svg).iter(f"{SVG}text")]
    with pytest.raises(ValueError, match="key"):
        line_chart('" onload="', "", "", UNIT, UNIT, [])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20),
    st.one_of(st.none(), st.floats(-2, 3)),
)
def test_histograms_show_the_shares_of_their_own_pairs(counts: list[tuple[int, int]], threshold: float | None) -> None:
    edges = np.linspace(0, 1, len(counts) + 1)
    sides = [list(each) for each in zip(*counts, strict=True)]
    svg = histogram_pair("key", "t", "d", "x", edges, (("s", sides[0]), ("u", sides[1])), threshold=threshold)
    left, right, top, bottom = frame(svg)
    low, high = min(0.0, threshold or 0.0), max(1.0, threshold or 0.0)
    outlines = [each for each in drawn(svg, "series") if each.get("fill") == "currentColor"]
    tallest = max(max(side) / sum(side) if sum(side) else 0 for side in sides)
    assert len(outlines) == sum(any(side) for side in sides)
    for side, outline in zip([side for side in sides if any(side)], outlines, strict=True):
        corners = points(outline)[1:-1:2]  # the upper left corner of each bin
        assert len(corners) == len(side)
        for number, (x, y) in enumerate(corners):
            share = side[number] / sum(side)
            assert y == pytest.approx(bottom - (bottom - top) * share / tallest, abs=0.06)
            assert x == pytest.approx(left + (right - left) * (edges[number] - low) / (high - low), abs=0.06)
    lines = drawn(svg, "threshold")
    assert len(lines) == (threshold is not None)
    if threshold is not None:
        at = left + (right - left) * (threshold - low) / (high - low)
        assert points(lines[0])[0][0] == pytest.approx(at, abs=0.06)
    for side, name in zip(sides, "su", strict=True):
        assert (f"{name}: none" in svg) == (not any(side))


def test_histograms_of_another_form_are_refused() -> None:
    for counts in ((("a", [1]),), (("a", [1, 2]), ("b", [1]))):
        with pytest.raises(ValueError, match="pair of histograms"):
            histogram_pair("key", "", "", "", [0, 1], counts)
    with pytest.raises(ValueError, match="equally many"):
        Series("a", [1, 2], [1])


@pytest.mark.parametrize(
    ("value", "interval", "bar"),
    [(0.5, (0.25, 1.0), (32, 116)), (0.0, None, (4, 4)), (None, None, None), (0.1, (-0.1, 0.3), None), (3, None, None)],
)
def test_an_interval_strip_shows_value_and_interval(
    value: float | None, interval: tuple[float, float] | None, bar: tuple[float, float] | None
) -> None:
    svg = interval_strip(value, interval)
    assert (svg == "") == (bar is None)
    if bar is not None and value is not None:
        (line,) = [each for each in parsed(svg).iter(f"{SVG}path") if each.get("stroke-width")]
        assert [x for x, _ in points(line)] == list(bar)
        (dot,) = parsed(svg).iter(f"{SVG}circle")
        assert float(dot.get("cx", "")) == pytest.approx(4 + 112 * value)


def test_names_of_lines_that_end_together_stay_on_the_chart() -> None:
    lines = [Series(f"line {number}", [0, 1], [1, end]) for number, end in enumerate((0.0, 0.0, 0.01, 0.9))]
    svg = line_chart("key", "Lines", "All end low", UNIT, UNIT, lines)
    _, _, top, bottom = frame(svg)
    places = {each.text: float(each.get("y", "")) for each in parsed(svg).iter(f"{SVG}text")}
    ends = [places[f"line {number}"] for number in range(4)]
    assert max(ends) <= bottom + 5
    assert min(ends) >= top
    assert ends[3] < ends[2]
    assert min(abs(a - b) for i, a in enumerate(ends) for b in ends[:i]) >= 16
