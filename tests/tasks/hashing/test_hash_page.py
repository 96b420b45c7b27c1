"""The page of codes: every number of every run, the right charts, nothing a name could do, readable on any screen."""

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

from chromium import CONTRAST
from facematch.tasks.compare.side_by_side import Cell
from facematch.tasks.hashing.data import HashReport, HashRun, Speed, against_best, same_photos
from facematch.tasks.hashing.page import bit_table, correlation_map, hash_page, hash_tables, radius_table, variant_table
from hash_samples import NASTY, made_report, made_run, made_sides


@pytest.fixture(scope="module")
def report() -> HashReport:
    return made_report(warnings=("validation chose the network",))


@pytest.fixture(scope="module")
def page(report: HashReport) -> str:
    return hash_page(report).decode()


def cells(report: HashReport, heading: str) -> dict[str, list[str]]:
    """The values of each column of the one table whose heading begins so."""
    (table,) = [each for each in hash_tables(report) if each.heading.startswith(heading)]
    columns = zip(*(row.cells for row in table.rows), strict=True)
    return {head.text: [cell.text for cell in column] for head, column in zip(table.columns[1:], columns, strict=True)}


def codes_of(run: HashRun) -> Any:
    assert run.codes is not None
    return run.codes


def test_each_column_holds_the_same_figure_of_every_run(report: HashReport) -> None:
    hashing = report.runs[:4]
    retrieval = cells(report, "Retrieval by codes")
    assert retrieval["mAP"] == [f"{codes_of(run).mean_ap.value:.3f}" for run in hashing]
    look_up = cells(report, "Look-up")
    assert look_up["precision within radius 2"] == [f"{codes_of(run).within.value:.3f}" for run in hashing]
    for run, half in zip(hashing, look_up["half of what is right"], strict=True):
        radius = int(half.removeprefix("within radius "))
        assert codes_of(run).curve.recall[radius - 1] < 0.5 <= codes_of(run).curve.recall[radius]
    floats = cells(report, "Retrieval by floats")
    assert floats["mAP"] == [f"{run.floats.mean_ap.value:.3f}" for run in report.runs]
    assert floats["codes less floats"][0] == f"{codes_of(hashing[0]).cost.difference:+.3f}".replace("-", "−")
    assert floats["codes less floats"][4] == "–"
    cost = cells(report, "Size and speed")
    assert cost["bytes of a photo"] == ["2, 64", "4, 128", "6, 192", "8, 256", "–, 1,024"]
    assert cost["queries a second, codes"] == ["1,200"] * 4 + ["–"]  # 24 queries in the median 0.02 s
    assert cost["queries a second, floats"] == ["120"] * 5
    assert cost["codes are faster by"] == ["10.0 times"] * 4 + ["–"]
    bits = cells(report, "How")
    assert bits["bits that count"][1] == f"{codes_of(hashing[1]).quality.effective_bits:.1f}"
    others = np.abs(codes_of(hashing[1]).quality.correlation)[~np.eye(32, dtype=bool)]
    assert bits["correlation of two bits"][1] == f"{others.mean():.3f}, {others.max():.3f}"


def test_every_radius_and_every_bit_has_a_row(report: HashReport) -> None:
    radii, bits = radius_table(report), bit_table(report)
    assert (len(radii.rows), len(bits.rows)) == (65, 64)
    curve, quality = codes_of(report.runs[0]).curve, codes_of(report.runs[0]).quality
    assert radii.rows[3].cells[0] == Cell(
        f"{curve.precision[3]:.3f}", (f"recall {curve.recall[3]:.3f}", f"{curve.answered[3]:.0%} answered")
    )
    assert (radii.rows[0].cells[0].text, radii.rows[17].cells[0]) == ("–", Cell("–"))  # nothing there; no such radius
    strength = np.abs(codes_of(report.runs[0]).quality.correlation) * (1 - np.eye(16))
    nearest = f"|r| {strength[5].max():.2f} with {strength[5].argmax()}"
    assert bits.rows[5].cells[0] == Cell(f"{quality.balance[5]:.3f}", (f"entropy {quality.entropy[5]:.3f}", nearest))
    assert bits.rows[16].cells[0] == Cell("–")


@pytest.mark.parametrize(("size", "each"), [(8, 1), (64, 1), (136, 3)])
def test_a_map_holds_every_correlation_in_hundredths(size: int, each: int) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (size, size))
    correlation = np.triu(values, 1) + np.triu(values, 1).T + np.eye(size)
    run = made_run("any", made_sides(16))
    codes = replace(run.of_codes, quality=replace(run.bits, correlation=correlation))
    lines = correlation_map(replace(run, codes=codes)).splitlines()
    strength = np.abs(correlation) * (1 - np.eye(size))
    assert len(lines) == -(-size // each)
    for row, line in enumerate(lines):
        first, *shown = line.split()
        assert int(first) == each * row
        for column, text in enumerate(shown):
            most = strength[each * row : each * (row + 1), each * column : each * (column + 1)].max()
            assert text == "·" if each == 1 and row == column else int(text) == round(100 * most)


def test_the_page_shows_all_of_it(report: HashReport, page: str) -> None:
    page = html.unescape(page)
    for table in (*hash_tables(report), radius_table(report), bit_table(report), variant_table(report)):
        assert table.heading in page
        for row in table.rows:
            assert f'<span class="name">{row.head.text}' in page
            assert all(cell.text in page and all(words in page for words in cell.under) for cell in row.cells)
    assert "24 queries of 12 people or classes, 48 gallery photos" in page
    assert "float reference, 256 numbers" in page
    assert "one thread of a processor, 2 cores" in page
    assert '<b>Beware:</b> <span class="name">validation chose the network.' in page
    assert page.count("<pre") == 4
    # What photos take, and one precision–recall chart of four runs.
    assert page.count("<svg") == page.count("</svg>") == 2
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_codes_and_floats_of_every_run_are_points_of_the_chart(report: HashReport, page: str) -> None:
    titles = re.findall(r'<g class="series [a-z]+"><title>([^<]+)</title>', page)
    assert len(titles) == 2 * 4 + 1
    first = report.runs[0]
    assert f"made_16, codes: mAP {codes_of(first).mean_ap.value:.3f}, 2 bytes a photo" in titles
    assert f"made_16, floats: mAP {first.floats.mean_ap.value:.3f}, 64 bytes a photo" in titles
    assert "triplet, floats" in titles[-1]


def test_the_best_codes_are_those_of_the_largest_map(report: HashReport) -> None:
    hashing = report.runs[:4]
    values = [codes_of(run).mean_ap.value for run in hashing]
    best = int(np.argmax(values))
    assert [run.best for run in hashing] == [number == best for number in range(4)]
    for run, value in zip(hashing, values, strict=True):
        if not run.best:
            assert run.less_than_best is not None
            assert run.less_than_best.difference == pytest.approx(value - values[best])
    assert cells(report, "Retrieval by codes")["less the best codes"][best] == "the best"
    assert report.runs[4].less_than_best is None
    plain = replace(hashing[best], best=False)
    twins = against_best((replace(plain, name="longer", dimensions=999), plain))
    assert [run.best for run in twins] == [False, True]  # the shorter of two equals


def test_runs_of_other_photos_are_not_compared() -> None:
    other = made_run("other", made_sides(32, 11), photos="other")
    mixed = made_report(made_run("one", made_sides(16)), other)
    assert not same_photos(mixed.runs)
    assert [run.less_than_best for run in mixed.runs] == [None, None]
    assert not any(run.best for run in mixed.runs)
    assert mixed.as_dict()["comparable"] is False
    page = hash_page(mixed).decode()
    assert "No chart compares the runs" in page
    assert "mAP against bytes" not in page
    assert page.count("<svg") == 2  # each with a precision–recall chart of its own
    assert "one – test: they ask them: 24 queries of 12" in page
    assert "other – test: they ask them: 22 queries of 11" in page


def test_one_run_is_a_report_too() -> None:
    alone = made_report(made_run("only", made_sides(16, alone=True)))
    page = hash_page(alone).decode()
    assert page.count("<svg") == 2
    assert cells(alone, "Retrieval by codes")["less the best codes"] == ["the best"]
    assert "72 queries of 12 people or classes, 72 gallery photos" in page


def test_runs_of_one_size_are_told_by_number() -> None:
    runs = tuple(made_run(name, made_sides(16, seed=seed)) for seed, name in enumerate(("plain", "pulled")))
    page = hash_page(made_report(*runs)).decode()
    assert ">1: 16 bits<" in page
    assert ">2: 16 bits<" in page
    assert '<span class="faint">2</span> <span class="name">pulled<small>16 bits, epoch 7' in page


def test_five_runs_have_two_charts_of_precision_and_recall() -> None:
    runs = tuple(made_run(f"r{bits}", made_sides(bits, noise=0.3)) for bits in (8, 16, 24, 32, 40))
    page = hash_page(made_report(*runs)).decode()
    assert page.count("<svg") == 1 + 2
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_what_cannot_be_told_is_said() -> None:
    few = made_run("few", made_sides(16, classes=3))
    assert {row.cells[0].under for row in hash_tables(made_report(few))[0].rows} == {()}  # no interval
    constant = made_sides(16)
    ones = replace(constant.embeddings, vectors=np.ones_like(constant.embeddings.vectors))
    dead = made_report(made_run("dead", replace(constant, embeddings=ones)))
    assert cells(dead, "How")["never change"] == ["16"]
    assert cells(dead, "How")["correlation of two bits"] == ["–, 0.000"]
    page = hash_page(dead).decode()
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_no_name_is_obeyed() -> None:
    run = replace(made_run(NASTY, made_sides(16)), asked=NASTY)
    report = replace(made_report(run, warnings=(NASTY,)), machine=NASTY, facts=(("command", NASTY),))
    page = hash_page(report).decode()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is loaded from elsewhere
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search(r"style-src 'sha256-([^']+)'", html.unescape(page))
    assert style is not None
    assert policy is not None
    assert policy[1] == base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert " style=" not in page  # which the policy would refuse


def test_json_holds_every_number(report: HashReport) -> None:
    told = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert told["comparable"] is True
    first, reference = told["runs"][0], told["runs"][4]
    assert (first["queries"], first["people"], first["gallery"], first["dimensions"]) == (24, 12, 48, 16)
    assert first["bytes of a photo"] == {"codes": 2, "floats": 64}
    names = [figure["name"] for figure in first["codes"]["figures"]]
    assert names[0] == "mAP"
    assert {"precision@10", "top-1", "precision within radius 2", "nothing within radius 2"} <= set(names)
    assert len(first["codes"]["by radius"]["recall"]) == 17
    assert len(first["codes"]["quality"]["balance"]) == 16
    assert first["speed"]["codes a second"] == 1200
    assert reference["codes"] is None
    assert reference["speed"]["codes a second"] is None
    assert reference["floats"]["figures"][0]["name"] == "mAP"


def test_the_median_round_decides() -> None:
    speed = Speed(100, 50, (1.0, 0.1, 0.2), (0.5, 0.01, 0.02))
    assert speed.float_rate == pytest.approx(500)
    assert speed.code_rate == pytest.approx(5000)
    assert Speed(1, 1, (1.0,)).code_rate is None


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
    # The first column stays where it is while the runs are scrolled through.
    opened.evaluate("document.querySelector('.scroll').scrollLeft = 120")
    assert opened.evaluate("document.querySelector('.wide th[scope=row]').getBoundingClientRect().left") >= 0
    assert wrong == []
    opened.close()
