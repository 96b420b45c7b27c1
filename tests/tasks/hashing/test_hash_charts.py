"""The charts of codes, read back from their SVG: points, bars and cells stand where their numbers are."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.charts.axes import Axis
from facematch.charts.charts import Series, line_chart
from facematch.tasks.hashing.charts import NamedAxis, Point, PointSeries, balance_chart, correlation_map, point_chart

SVG = "{http://www.w3.org/2000/svg}"
UNIT = Axis("share", 0, 1)
NASTY = '</title><script>alert("1")</script>&'


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def drawn(svg: str, kind: str) -> list[ElementTree.Element]:
    return [each for each in parsed(svg).iter() if kind in each.get("class", "").split()]


def frame(svg: str) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of the plotted area, from the axes."""
    (axes,) = drawn(svg, "axes")
    found = re.search(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)$", axes.get("d", ""))
    assert found is not None
    left, top, bottom, right = (float(each) for each in found.groups())
    return left, right, top, bottom


def points(*series: PointSeries, x: Axis = UNIT, y: Axis = UNIT) -> str:
    return point_chart("key", "A title", "What it shows", x, y, series)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9))
def test_points_and_their_bars_stand_at_their_numbers(values: list[tuple[float, float]]) -> None:
    made = tuple(Point(x, y, bar=(y / 2, (1 + y) / 2)) for x, y in sorted(values))
    svg = points(PointSeries("codes", made))
    left, right, top, bottom = frame(svg)
    circles = [(float(e.get("cx", "")), float(e.get("cy", ""))) for e in parsed(svg).iter(f"{SVG}circle")][1:]
    bars = [re.findall(r"[\d.]+", each.get("d", ""))[:3] for each in drawn(svg, "bar")]
    assert len(circles) == len(bars) == len(made)
    for point, (x, y), (at, low, high) in zip(made, circles, bars, strict=True):
        assert x == pytest.approx(left + point.x * (right - left), abs=0.06)
        assert y == pytest.approx(bottom - point.y * (bottom - top), abs=0.06)
        assert float(at) == x
        assert float(low) == pytest.approx(bottom - point.y / 2 * (bottom - top), abs=0.06)
        assert float(high) == pytest.approx(bottom - (1 + point.y) / 2 * (bottom - top), abs=0.06)


def test_joined_points_have_a_line_and_a_band_and_others_have_none() -> None:
    barred = tuple(Point(x, 0.5, bar=(0.4, 0.6)) for x in (0.1, 0.5, 0.9))
    svg = points(PointSeries("codes", barred), PointSeries("floats", (Point(0.1, 0.6), Point(0.9, 0.7))))
    (band,) = drawn(svg, "band")
    assert len(re.findall(r"[\d.]+ [\d.]+", band.get("d", ""))) == 6
    lines = [each for each in drawn(svg, "series") if each.tag == f"{SVG}path"]
    assert [each.get("d", "").count("L") for each in lines] == [2, 1]
    assert (lines[0].get("stroke-dasharray"), bool(lines[1].get("stroke-dasharray"))) == (None, True)
    apart = points(PointSeries("codes", barred, joined=False))
    assert drawn(apart, "band") == []
    assert [each.tag for each in drawn(apart, "series")] == [f"{SVG}g"]
    assert drawn(points(PointSeries("codes", (*barred, Point(0.95, 0.5)))), "band") == []  # one has no bar
    assert drawn(points(PointSeries("codes", barred[:1])), "band") == []


def test_kinds_are_told_apart_by_shape_and_named() -> None:
    made = [PointSeries(label, (Point(0.2, 0.3),)) for label in ("codes", "floats", "reference")]
    svg = points(*made)
    texts = [each.text for each in parsed(svg).iter(f"{SVG}text")]
    assert {"codes", "floats", "reference"} <= set(texts)
    shapes = [each[0].tag.removeprefix(SVG) for each in parsed(svg).iter(f"{SVG}g") if len(each)]
    assert shapes.count("circle") == shapes.count("rect") == 2  # in the legend, and at the point
    with pytest.raises(ValueError, match="tells 3 kinds of points apart, not 4"):
        points(*made, PointSeries("more", ()))


def test_labels_stay_on_the_chart_and_no_name_ends_a_tag() -> None:
    svg = points(PointSeries("codes", (Point(0, 0.5, "at the left end"), Point(1, 1, NASTY, NASTY))))
    left, right, top, bottom = frame(svg)
    texts = {each.text: each for each in parsed(svg).iter(f"{SVG}text")}
    assert float(texts["at the left end"].get("x", "")) - 6.6 * 15 / 2 >= left - 0.1
    assert float(texts[NASTY].get("x", "")) + 6.6 * len(NASTY) / 2 <= right + 0.1
    assert top < float(texts[NASTY].get("y", "")) < bottom
    assert "<script" not in svg
    assert NASTY in [each.text for each in parsed(svg).iter(f"{SVG}title")]


def test_ticks_are_the_values_that_occur_and_can_be_read() -> None:
    sizes = NamedAxis("bits", 12, 90, log=True, at=(64.0, 16.0, 32.0, 48.0, 16.0))
    assert sizes.ticks() == [16, 32, 48, 64]
    crowded = NamedAxis("bits", 5, 700, log=True, at=(8, 16, 504, 512)).ticks()
    assert crowded == [8, 16, 504]
    assert NamedAxis("bits", 0, 1).ticks() == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=70))
def test_balance_bars_reach_from_one_half_to_each_share_in_order(shares: list[float]) -> None:
    svg = balance_chart("key", "Balance", "Bits", shares)
    left, right, top, bottom = frame(svg)
    (bars,) = drawn(svg, "bars")
    found = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H", bars.get("d", ""))
    assert len(found) == len(shares)
    for number, (share, (start, middle, end, height)) in enumerate(zip(sorted(shares), found, strict=True)):
        assert float(middle) == pytest.approx((top + bottom) / 2, abs=0.06)
        assert float(height) == pytest.approx(bottom - share * (bottom - top), abs=0.06)
        centre = left + (number + 0.5) / len(shares) * (right - left)
        assert (float(start) + float(end)) / 2 == pytest.approx(centre, abs=0.11)
    with pytest.raises(ValueError, match="no bit"):
        balance_chart("key", "Balance", "Bits", [])


def cells(svg: str, size: int) -> np.ndarray:
    """The shade of every cell, 0 where there is none, row 0 the lowest."""
    left, right, _, bottom = frame(svg)
    side, shades = (right - left) / size, np.zeros((size, size))
    for path in drawn(svg, "shade"):
        for x, y, width, height in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", path.get("d", "")):
            assert float(height) == pytest.approx(side, abs=0.06)
            row = round((bottom - float(y)) / side) - 1
            start = round((float(x) - left) / side)
            place = shades[row, start : start + round(float(width) / side)]
            assert not place.any()  # no cell is drawn twice
            place[:] = float(path.get("fill-opacity", ""))
    return shades


def random_correlation(bits: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(-1, 1, (bits, bits))
    both = np.triu(values, 1)
    return both + both.T + np.eye(bits)


@pytest.mark.parametrize("bits", [1, 8, 16, 64])
def test_cells_show_the_strength_of_each_correlation(bits: int) -> None:
    correlation = random_correlation(bits)
    shades = cells(correlation_map("key", "Map", "Bits", correlation), bits)
    strength = np.abs(correlation) * (1 - np.eye(bits))
    assert np.array_equal(shades > 0, strength > 0)
    assert (shades >= strength - 1e-3).all()  # shades are rounded up: a weak one is seen
    assert (shades < strength + 1 / 8 + 1e-3).all()


def test_uncorrelated_and_constant_bits_are_left_empty() -> None:
    correlation = np.diag([1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    correlation[0, 2] = correlation[2, 0] = -1.0
    shades = cells(correlation_map("key", "Map", "Bits", correlation), 8)
    assert np.argwhere(shades).tolist() == [[0, 2], [2, 0]]
    assert shades[0, 2] == 1.0


def test_a_cell_of_many_bits_shows_the_strongest_of_them() -> None:
    correlation = random_correlation(136) * 0.3
    correlation[130, 5] = correlation[5, 130] = 1.0
    shades = cells(correlation_map("key", "Map", "Bits", correlation), 46)  # three bits each, the last has one
    strength = np.pad(np.abs(correlation) * (1 - np.eye(136)), (0, 2)).reshape(46, 3, 46, 3).max(axis=(1, 3))
    assert (shades >= strength - 1e-3).all()
    assert (shades < strength + 1 / 8 + 1e-3).all()
    assert shades[43, 1] == shades[1, 43] == 1.0


def test_a_map_is_square() -> None:
    for shape in ((2, 3), (4,), (0, 0)):
        with pytest.raises(ValueError, match="square"):
            correlation_map("key", "Map", "Bits", np.zeros(shape))


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
