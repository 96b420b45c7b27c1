"""The page of a comparison: every number of every system, charts whose labels can be read, no name obeyed."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromium import CONTRAST
from facematch.charts.draw import draw
from facematch.pipeline.rendered import STAND_IN
from facematch.tasks.compare.data import (
    ComparedSystem,
    CompareReport,
    Rendered,
    compare_pairs,
    pair_words,
    training_words,
    verdict,
)
from facematch.tasks.compare.page import compare_page
from facematch.tasks.compare.results import FIGURES, Cost, Result, system_figures
from facematch.tasks.compare.side_by_side import SystemPoint, pareto_front, trade_off

WEIGHTS = (600.0, 300.0, 100.0)

NASTY = "</td><script>alert(1)</script>&\u202e"
PEOPLE = tuple(f"p{number // 2}" for number in range(40))


def made(name: str, level: float, ms: float = 10.0, size: int = 512, seed: int = 0, **other: Any) -> ComparedSystem:
    rng = np.random.default_rng(seed)
    hit = {k: (rng.random(40) < min(1, level + k / 50)).astype(np.float64) for k in (1, 5, 10)}
    values = {f"top-{k}": each for k, each in hit.items()}
    values |= {"score": 600 * hit[1] + 300 * hit[5] + 100 * hit[10], "mAP": level * rng.random(40), "F1": hit[1]}
    result = Result(values, 1, 2, 3, Cost(ms - 1, 1.0, 0.5, 128, size, "cosine", name), "a machine", 600.0)
    figures = system_figures(values, PEOPLE, 1000)
    return ComparedSystem(name, f"haar crops, {name}", result, figures, **other)


def report(*systems: ComparedSystem, **other: Any) -> CompareReport:
    values = {each.name: each.result.values["score"] for each in systems if each.result and each.counts}
    pairs = tuple(compare_pairs(values, PEOPLE))
    facts = (("command", "facematch compare"),)
    given = {"title": "ours", "asked": "40 queries of 20 people", "people": 20, "by": "score", "most": 1000.0}
    return CompareReport(**{**given, **other}, systems=systems, pairs=pairs, facts=facts)


@pytest.fixture(scope="module")
def whole() -> CompareReport:
    known = {"leak": "was trained on 6 of the 20 people compared: its figures mean nothing", "seen": True}
    found = report(
        made("grey pixels", 0.1, 40, 16384, seed=1),
        made("hash", 0.15, 42, 8, seed=2),
        made("good", 0.9, 60, 512, seed=3),
        made("fast and good", 0.88, 20, 1024, seed=4),
        made("knows them", 1.0, 5, 512, seed=5, **known),
        ComparedSystem("gone", "onnx", failed="gone.onnx does not exist."),
    )
    reached = {each.name: each.figures for each in found.systems if each.figures is not None}
    return replace(found, rendered=Rendered("40 photographs ask", {"as they are": reached, "oil": reached}))


@pytest.fixture(scope="module")
def page(whole: CompareReport) -> str:
    return compare_page(whole).decode()


def test_the_page_shows_all_of_it(whole: CompareReport, page: str) -> None:
    text = html.unescape(page)
    for system in whole.systems:
        assert system.name in text
        if system.figures is None or system.result is None:
            continue
        assert system.words in text
        for name in FIGURES:
            value = system.figures[name].value
            assert (f"{value:.0f}" if name == "score" else f"{value:.3f}") in text
        assert f"{system.result.cost.bytes:,}" in text
    assert "failed: gone.onnx does not exist." in text
    assert "<b>Beware:</b>" in text
    assert "It takes part in no comparison." in text
    assert all(words in text for words in verdict(whole))
    assert all(pair_words(pair, "score") in text for pair in whole.pairs)
    assert "10 min" in text
    assert page.count("<svg") == page.count("</svg>") == 2
    rendered = text[text.index('id="renderings"') :]
    assert f"40 photographs ask. It is {STAND_IN}." in rendered
    assert re.findall(r'<th scope="row"><span class="name">([^<]+)', rendered)[:2] == ["as they are", "oil"]
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_verdict_is_of_those_that_count(whole: CompareReport) -> None:
    assert whole.best is not None
    assert whole.best.name in ("good", "fast and good")
    assert {name for pair in whole.pairs for name in (pair.better, pair.worse)}.isdisjoint({"knows them", "gone"})
    lines = verdict(whole)
    assert lines[0].startswith(f"Best: {whole.best.name}, score ")
    assert lines[2].startswith("Of these 2, fast and good is the fastest, 20.0 ms a photo, and good the smallest, 512")
    assert [each.name for each in whole.equals] == ["fast and good", "good"]
    alone = report(made("only", 0.5))
    assert verdict(alone) == [f"Best: only, score {alone.value(alone.systems[0]):.0f}."]
    clear = report(made("low", 0.05, seed=1), made("high", 0.95, seed=2))
    assert verdict(clear)[1] == "Every other system is worse by more than luck explains, on 20 people."
    one = report(made("cheap", 0.5, 1, 1, seed=3), made("dear", 0.5, 2, 2, seed=3))
    assert verdict(one)[2] == "Of these 2, cheap is the fastest, 1.0 ms a photo, and the smallest, 1 bytes a photo."
    assert verdict(report(ComparedSystem("gone", "x", failed="y"))) == ["No system has figures that can be compared."]


def test_too_few_people_to_tell_anything_apart_are_said() -> None:
    few = report(made("a", 0.5, seed=1), made("b", 0.6, seed=2), people=5)
    assert verdict(few)[3].startswith("5 people or classes are too few to tell any of 1 pairs apart")
    assert len(verdict(replace(few, people=6))) == 3  # 2 of 64 ways are below 0.05


def test_pairs_in_words() -> None:
    clear = report(made("low", 0.05, seed=1), made("high", 0.95, seed=2)).pairs[0]
    assert re.fullmatch(
        r"high is better than low: score \+\d+ \[\+\d+ to \+\d+\], p < 0.001", pair_words(clear, "score")
    )
    equal = report(made("a", 0.5, seed=1), made("b", 0.5, seed=1)).pairs[0]
    assert pair_words(equal, "top-1").startswith("a and b cannot be told apart on 20 people: top-1 +0.000 [+0.000 to ")
    few = replace(equal, comparison=replace(equal.comparison, interval=None))
    assert pair_words(few, "mAP") == "a and b cannot be told apart on 20 people: mAP +0.000, p = 1.000"


def test_p_values_are_told_alone_and_adjusted() -> None:
    pair = report(made("a", 0.5, seed=1), made("b", 0.6, seed=2)).pairs[0]
    adjusted = replace(pair, comparison=replace(pair.comparison, p_value=0.02), adjusted=0.06)
    assert pair_words(adjusted, "score").endswith("p = 0.020, adjusted p = 0.060")
    assert "cannot be told apart" in pair_words(adjusted, "score")


def test_json_holds_every_number(whole: CompareReport) -> None:
    told = json.loads(json.dumps(whole.as_dict(), allow_nan=False))
    assert [each["name"] for each in told["systems"]] == [each.name for each in whole.systems]
    first = told["systems"][0]
    assert set(first["figures"]) == set(FIGURES)
    assert first["cost"]["photo_ms"] == 40
    assert (first["queries not embedded"], first["gallery photos not embedded"]) == (1, 2)
    assert told["systems"][-1] == {"name": "gone", "system": "onnx", "failed": "gone.onnx does not exist."}
    assert len(told["pairs"]) == 6
    assert told["renderings"]["galleries"]["oil"]["good"] == told["systems"][2]["figures"]


def test_no_name_is_obeyed() -> None:
    nasty = replace(made(NASTY, 0.5), words=NASTY, leak=NASTY)
    failed = ComparedSystem(f"{NASTY}2", NASTY, failed=NASTY)
    told = replace(report(nasty, made("other", 0.4, seed=1), failed, title=NASTY, asked=NASTY), facts=((NASTY, NASTY),))
    page = compare_page(told).decode()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "http" not in page.replace("http-equiv", "")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search(r"style-src 'sha256-([^']+)'", html.unescape(page))
    assert style is not None
    assert policy is not None
    assert policy[1] == base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert " style=" not in page


def test_a_page_without_any_figure_is_a_page_too() -> None:
    page = compare_page(report(ComparedSystem("gone", "x", failed="y"))).decode()
    assert "<svg" not in page
    assert "There are no two systems to compare." in page


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6), st.booleans()), max_size=12))
@settings(deadline=None)
def test_the_pareto_front_holds_what_nothing_beats(values: list[tuple[int, int, bool]]) -> None:
    points = [SystemPoint("", "", x, y, counts=counts) for x, y, counts in values]
    chosen = [points[number] for number in pareto_front(points)]
    there = [point for point in points if point.counts]
    best = {
        (one.x, one.y) for one in there
        if not any(o.x <= one.x and o.y >= one.y and (o.x, o.y) != (one.x, one.y) for o in there)
    }  # fmt: skip
    assert {(point.x, point.y) for point in chosen} == best
    assert len(chosen) == len(best)
    assert [point.x for point in chosen] == sorted(point.x for point in chosen)


def test_a_chart_of_one_point_and_of_equal_ones() -> None:
    point = SystemPoint("1", "one <system>", 3, 0.5, (0.4, 0.6))
    for points in ([point], [point, replace(point, label="2", counts=False)]):
        chart = trade_off("time", "mAP", "ms", points)
        best, *others = chart.series
        assert (best.line, list(best.titles)) == ("steps", ["one <system>: mAP 0.500, 3 ms"])
        assert [dict(each.labels) for each in others] == [{0: "2"}] * (len(points) - 1)
        assert ("Off the line" in chart.words) is (len(points) == 2)
        assert "one &lt;system&gt;: mAP 0.500, 3 ms" in draw(chart)


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (12.4, "12 s"), (119.0, "119 s"), (600.0, "10 min"), (7200.0, "2.0 h")]
)
def test_training_times_in_words(seconds: float | None, words: str) -> None:
    assert training_words(seconds) == words


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_it_can_be_read_on_any_screen(browser: Any, page: str, tmp_path: Path, scheme: str, width: int) -> None:
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    opened, wrong = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme), list[str]()
    opened.on("console", lambda message: wrong.append(message.text))
    opened.goto((tmp_path / "page.html").as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate(CONTRAST) >= 4.5
    levels = opened.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(each => Number(each.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert opened.locator("svg:not([role])").count() == 0
    assert opened.locator("th:not([scope])").count() == 0
    assert wrong == []
    opened.close()
