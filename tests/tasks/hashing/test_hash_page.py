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
from facematch.tasks.hashing.data import HashReport, HashRun, Speed, against_best, same_photos
from facematch.tasks.hashing.drawings import _letters, names_of
from facematch.tasks.hashing.page import hash_page
from facematch.tasks.hashing.table import figure_groups, variant_rows
from hash_samples import NASTY, made_report, made_run, made_sides


@pytest.fixture(scope="module")
def report() -> HashReport:
    return made_report(warnings=("validation chose the network",))


@pytest.fixture(scope="module")
def page(report: HashReport) -> str:
    return hash_page(report).decode()


def cells(report: HashReport, heading: str) -> dict[str, list[str]]:
    """The values of each row of the one group whose heading begins so."""
    (group,) = [each for each in figure_groups(report) if each.heading.startswith(heading)]
    return {row.label: [cell.text for cell in row.cells] for row in group.rows}


def codes_of(run: HashRun) -> Any:
    assert run.codes is not None
    return run.codes


def test_each_row_tells_the_same_figure_of_every_run(report: HashReport) -> None:
    hashing = report.runs[:4]
    retrieval = cells(report, "Retrieval by codes")
    assert retrieval["mAP"] == [*(f"{codes_of(run).mean_ap.value:.3f}" for run in hashing), "–"]
    assert retrieval["precision within radius 2"] == [*(f"{codes_of(run).within.value:.3f}" for run in hashing), "–"]
    floats = cells(report, "Retrieval by floats")
    assert floats["mAP"] == [f"{run.floats.mean_ap.value:.3f}" for run in report.runs]
    assert floats["mAP, codes less floats"][0] == f"{codes_of(hashing[0]).cost.difference:+.3f}".replace("-", "−")
    cost = cells(report, "Size and speed")
    assert cost["bytes of a code"] == ["2", "4", "6", "8", "–"]
    assert cost["bytes of a photo's floats"] == ["64", "128", "192", "256", "1,024"]
    assert cost["queries a second, codes"] == ["1,200"] * 4 + ["–"]  # 24 queries in the median 0.02 s
    assert cost["queries a second, floats"] == ["120"] * 5
    assert cost["codes are faster by"] == ["10.0 times"] * 4 + ["–"]
    assert cells(report, "How")["bits that count"][1] == f"{codes_of(hashing[1]).quality.effective_bits:.1f}"


def test_the_page_shows_all_of_it(report: HashReport, page: str) -> None:
    page = html.unescape(page)
    for group in figure_groups(report):
        assert group.heading in page
    for rows in ([row for group in figure_groups(report) for row in group.rows], variant_rows(report.runs[:4])):
        for row in rows:
            assert f'<th scope="row">{row.label}</th>' in page
            assert all(cell.text in page and all(words in page for words in cell.under) for cell in row.cells)
    assert "24 queries of 12 people or classes, 48 gallery photos" in page
    assert "float reference, 256 numbers" in page
    assert "one thread of a processor, 2 cores" in page
    assert "<b>Beware:</b> validation chose the network." in page
    # Two comparisons, one precision–recall chart of four runs, and three charts of each run.
    assert page.count("<svg") == page.count("</svg>") == 3 + 3 * 4
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_best_codes_are_those_of_the_largest_map(report: HashReport) -> None:
    hashing = report.runs[:4]
    values = [codes_of(run).mean_ap.value for run in hashing]
    best = int(np.argmax(values))
    assert [run.best for run in hashing] == [number == best for number in range(4)]
    for run, value in zip(hashing, values, strict=True):
        if not run.best:
            assert run.less_than_best is not None
            assert run.less_than_best.difference == pytest.approx(value - values[best])
    assert cells(report, "Retrieval by codes")["mAP less that of the best codes"][best] == "the best"
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
    assert "mAP against code size" not in page
    assert page.count("<svg") == 4 * 2  # each with a precision–recall chart of its own
    assert "one – test: they ask them: 24 queries of 12" in page
    assert "other – test: they ask them: 22 queries of 11" in page


def test_one_run_is_a_report_too() -> None:
    alone = made_report(made_run("only", made_sides(16, alone=True)))
    page = hash_page(alone).decode()
    assert page.count("<svg") == 3 + 3
    assert "mAP less that of the best codes" not in page
    assert "72 queries of 12 people or classes, 72 gallery photos" in page


def test_runs_of_one_size_are_told_by_number() -> None:
    runs = tuple(made_run(name, made_sides(16, seed=seed)) for seed, name in enumerate(("plain", "pulled")))
    assert names_of(runs) == {"plain": "run 1", "pulled": "run 2"}
    page = hash_page(made_report(*runs)).decode()
    assert "16 bits, epoch 7; run 2" in page
    assert 'class="band"' not in page  # two points at one size are no curve
    sized = (*runs[:1], made_run("long", made_sides(24)))
    assert names_of(sized) == {"plain": "16 bits", "long": "24 bits"}


def test_five_runs_have_two_charts_of_precision_and_recall() -> None:
    runs = tuple(made_run(f"r{bits}", made_sides(bits, noise=0.3)) for bits in (8, 16, 24, 32, 40))
    page = hash_page(made_report(*runs)).decode()
    assert page.count("<svg") == 2 + 2 + 3 * 5
    assert [_letters(number) for number in (0, 25, 26, 27)] == ["a", "z", "ba", "bb"]
    assert len({_letters(number) for number in range(2000)}) == 2000


def test_what_cannot_be_told_is_said() -> None:
    few = made_run("few", made_sides(16, classes=3))
    report = made_report(few)
    under = {cell.under for group in figure_groups(report)[:1] for row in group.rows for cell in row.cells}
    assert ("no interval",) in under
    constant = made_sides(16)
    ones = [replace(side, vectors=np.ones_like(side.vectors)) for side in (constant.query, constant.gallery)]
    page = hash_page(made_report(made_run("dead", replace(constant, query=ones[0], gallery=ones[1])))).decode()
    assert "16 of 16 bits never change" in page
    assert "not defined" in page  # the correlation of two bits
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
    assert opened.evaluate("document.querySelector('.runs th[scope=row]').getBoundingClientRect().left") >= 0
    assert wrong == []
    opened.close()
