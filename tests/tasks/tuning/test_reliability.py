"""The reliability diagram: well-formed, self-contained, everything in its place and in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from facematch.tasks.tuning.thresholds import reliability_svg
from facematch.thresholds.calibration import Bin, reliability

SVG = "{http://www.w3.org/2000/svg}"
BINS = (Bin(0.0, 0.2, 0.1, 0.05, 40), Bin(0.21, 0.8, 0.5, 0.75, 10), Bin(0.81, 1.0, 0.9, 1.0, 1250))


def drawing(bins: tuple[Bin, ...] = BINS, title: str = "Reliability") -> ElementTree.Element:
    return ElementTree.fromstring(reliability_svg(bins, title))


def words(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def marks(root: ElementTree.Element) -> list[ElementTree.Element]:
    """The points, without the sample of the legend."""
    return [path for path in root.iter(f"{SVG}path") if path.get("class") == "mark"][1:]


def test_points_lie_at_probability_and_share() -> None:
    root = drawing()
    diagonal = next(
        path for path in root.iter(f"{SVG}path") if path.get("stroke-linejoin") and path.get("stroke-dasharray")
    )
    left, bottom, right, top = (float(n) for n in re.findall(r"[\d.]+", diagonal.get("d", "")))
    assert right - left == bottom - top  # a square, so that the diagonal is one
    for mark, each in zip(marks(root), BINS, strict=True):
        x, y = (float(n) for n in re.findall(r"[\d.]+", mark.get("transform", "")))
        assert x == pytest.approx(left + each.probability * (right - left), abs=0.06)
        assert y == pytest.approx(bottom - each.share * (bottom - top), abs=0.06)


def test_more_pairs_make_a_larger_point() -> None:
    radii = [float(re.findall(r"[\d.]+", mark.get("d", ""))[0]) for mark in marks(drawing())]
    assert radii[1] < radii[0] < radii[2]


def test_title_axes_ticks_and_every_number_are_in_words() -> None:
    there = words(drawing(title="Calibrated on LFW"))
    assert there[0] == "Calibrated on LFW"
    assert "1,300 pairs in 3 bins; expected calibration error 0.0996" in there
    assert {"mean probability of the bin", "share of same pairs", "perfect", "these pairs"} <= set(there)
    assert [there.count(f"{tick:g}") for tick in (0, 0.2, 0.4, 0.6, 0.8, 1)] == [2] * 6
    for each in BINS:
        assert {f"{each.low:.4f}", f"{each.high:.4f}", f"{each.probability:.4f}", f"{each.share:.4f}"} <= set(there)
        assert f"{each.count:,}" in there


def test_many_bins_have_a_point_and_a_row_each() -> None:
    bins = reliability(np.linspace(0, 1, 5000), np.linspace(0, 1, 5000) > 0.5, 20)
    root = drawing(bins)
    assert len(marks(root)) == 20
    height = float(root.get("viewBox", "").split()[3])
    assert max(float(each.get("y", "")) for each in root.findall(f"{SVG}text")) <= height - 8


def test_without_pairs_there_is_no_diagram() -> None:
    with pytest.raises(ValueError, match="needs pairs"):
        reliability_svg([])
