"""The kit of every page: what is named is shown and not obeyed, and every macro shows all it is given."""

import html
import re
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.page import _environment, render_page
from facematch.evaluation.bootstrap import Estimate
from report_samples import NASTY


def made(template: str, **values: object) -> str:
    kit = '{% import "macros.html" as kit %}'
    return _environment("facematch.charts").from_string(kit + template).render(**values)


def test_every_value_is_printable_and_escaped_but_for_markup() -> None:
    text = made("{{ name }} {{ number }} {{ markup }}", name="\x1b<b>", number=3, markup=Markup("<i>\n</i>"))
    assert text == "\ufffd&lt;b&gt; 3 <i>\n</i>"
    with pytest.raises(UndefinedError):
        made("{{ forgotten }}")


def test_a_page_of_a_server_may_ask_it_and_no_other_page_may() -> None:
    values = {"command": "x", "title": NASTY, "words": [], "groups": [], "layout": "files", "thumbnails": []}
    for served in (False, True):
        page = render_page("facematch.charts", "pictures.html", values, served=served).decode()
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
        assert html.unescape(policy).startswith("default-src 'none'; img-src ")
        assert ("'self'" in html.unescape(policy)) == served
        assert "<script" not in page


@pytest.mark.parametrize(
    ("value", "interval", "bar"),
    [(0.5, (0.25, 1.0), (32, 116)), (0.0, None, (4, 4)), (None, None, None), (0.1, (-0.1, 0.3), None), (3, None, None)],
)
def test_a_strip_shows_value_and_interval(
    value: float | None, interval: tuple[float, float] | None, bar: tuple[float, float] | None
) -> None:
    svg = made("{{ kit.strip(figure) }}", figure=Estimate("top-1", value, interval, 1, 1)).strip()
    assert (svg == "") == (bar is None)
    if bar is not None and value is not None:
        root = ElementTree.fromstring(svg)
        (line,) = [each for each in root.iter("path") if each.get("stroke-width")]
        assert [float(x) for x in re.findall(r"[MH]([\d.]+)", line.get("d", ""))] == list(bar)
        (dot,) = root.iter("circle")
        assert float(dot.get("cx", "")) == pytest.approx(4 + 112 * value)


def test_a_figure_stands_above_its_interval() -> None:
    figures = [
        Estimate("top-1", 0.5, (0.25, 0.75), 1200, 40),
        Estimate(NASTY, None, None, 0, 0, f"insufficient {NASTY}"),
    ]
    cells = made("{{ kit.number(figure) }}{{ kit.number(figure, '.0%') }}", figure=figures[0])
    assert re.sub(r"<[^>]+>|\s+", " ", cells).split() == ["0.500", "[0.250–0.750]", "50%", "[25%–75%]"]
    rows = [(figure.name, figure) for figure in figures]
    table = made("{{ kit.estimates('label', 'caption', 'figure', 'queries', rows) }}", rows=rows)
    assert "<script" not in table
    shown = html.unescape(re.sub(r"<[^>]+>", "|", table))
    for words in ("caption", "queries", "top-1", "0.500", "[0.250–0.750]", "1,200", "40", "insufficient data", "none"):
        assert f"|{words}|" in shown


def test_charts_have_their_words_below() -> None:
    chart = Chart("key", NASTY, "what it shows", Axis("x", 0, 1), Axis("y", 0, 1), [Series("a", [0, 1], [0, 1])])
    page = made("{{ kit.charts([chart], 4) }}", chart=chart)
    assert "<script" not in page
    assert page.count("<h4>") == page.count("<svg") == 1
    assert "<figcaption>what it shows</figcaption>" in page
