"""The report in a real browser, opened from its file: Chromium, driven by Playwright. Skipped where there is none."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chromium import CONTRAST
from facematch.core.text import printable
from facematch.tasks.report.data import ReportData
from facematch.tasks.report.page import report_page
from report_samples import NASTY, renamed, report


@pytest.fixture(scope="module")
def data() -> ReportData:
    """Forty queries with misses at every place, one of them with a hostile name, and a threshold."""
    made = report(people=20, queries=2, answers=3, unknown=2, noise=1.7)
    return replace(renamed(made, made.queries[0].name, NASTY), threshold=made.queries[0].answers[2].distance)


@pytest.fixture(scope="module")
def address(data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(report_page(data))
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The report, opened; nothing may be asked for, complained of or thrown while a test uses it."""
    opened, asked, wrong = browser.new_page(), list[str](), list[str]()
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    yield opened
    opened.wait_for_timeout(100)
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert wrong == []
    opened.close()


def heading_files(page: Any) -> list[str]:
    return page.locator(".query .what > p.name").all_inner_texts()  # type: ignore[no-any-return]


def reach(page: Any, wanted: str) -> None:
    """Press Tab until the element of that id has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == wanted:
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_it_shows_the_queries_worst_first_with_their_answers(page: Any, data: ReportData) -> None:
    known = [row for row in data.queries if row.answerable]
    assert heading_files(page) == [printable(row.name) for row in known[:25]]
    assert page.title() == "triplet – facematch report"  # no name ran
    for row, item in zip(known[:25], page.locator(".query").all()[:6], strict=False):
        right = [("right" in (each.get_attribute("class") or "")) for each in item.locator(".answers li").all()]
        assert right[: len(row.answers)] == [each.right for each in row.answers]
        beyond = row.first is not None and row.first.place > len(row.answers)
        assert len(right) == len(row.answers) + beyond
        if beyond and row.first is not None:
            assert f"at place {row.first.place}:" in item.inner_text()
        ticks = [text.startswith("✓ right") for text in item.locator(".verdict").all_inner_texts()]
        assert ticks == right
        widths = item.locator(".answers .photo").evaluate_all(
            "all => all.map(each => parseFloat(getComputedStyle(each).borderTopWidth))"
        )
        assert [width >= 4 for width in widths] == right  # told by more than a colour
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_answers_beyond_the_threshold_are_marked(page: Any, data: ReportData) -> None:
    assert data.threshold is not None
    first = page.locator(".query").first
    refused = ["not accepted" in text for text in first.locator(".verdict").all_inner_texts()]
    wanted = [each.distance > data.threshold for each in data.queries[0].answers]
    assert refused[: len(wanted)] == wanted
    assert True in wanted
    assert False in wanted
    assert page.locator("svg text", has_text="threshold").count() == 1


@pytest.mark.parametrize("k", [1, 5, 10])
def test_filters_keep_what_was_missed(page: Any, data: ReportData, k: int) -> None:
    page.select_option("#which", str(k))
    missed = [row.name for row in data.queries if row.missed(k)]
    assert missed
    assert page.inner_text("#count").endswith(f"of {len(missed)} queries")
    assert heading_files(page) == [printable(name) for name in missed[:25]]
    assert f"missed at top-{k} ({len(missed)})" in page.inner_text("#which")


def test_unknown_people_stand_apart(page: Any, data: ReportData) -> None:
    page.select_option("#which", "unknown")
    assert heading_files(page) == [row.name for row in data.queries if not row.answerable]
    assert "Nobody in the gallery shows this person." in page.inner_text("#list")


def test_search_finds_files_and_people(page: Any, data: ReportData) -> None:
    row = data.queries[3]
    page.fill("#search", row.name.upper())
    assert heading_files(page) == [row.name]
    person = data.people[row.name]
    page.fill("#search", f"  {person} jpg ")
    assert heading_files(page) == [each.name for each in data.queries if data.people[each.name] == person]
    page.fill("#search", "<script>")
    assert heading_files(page) == [printable(NASTY)]
    page.fill("#search", "nobody of this name")
    assert heading_files(page) == []
    assert page.inner_text("#count") == "No query"


def test_pages_are_turned(page: Any, data: ReportData) -> None:
    known = [row.name for row in data.queries if row.answerable]
    assert page.inner_text("#count") == f"1–25 of {len(known)} queries"
    assert page.is_disabled("#before")
    page.click("#after")
    assert heading_files(page) == known[25:]
    assert page.is_disabled("#after")
    assert page.inner_text(".query h3 >> nth=0").startswith("26. ")
    page.click("#before-too")
    assert page.inner_text("#count").startswith("1–25")


def test_file_names_of_answers_can_be_shown(page: Any, data: ReportData) -> None:
    assert page.locator(".answers .file:visible").count() == 0
    page.check("#names")
    first = page.locator(".query").first.locator(".answers .file:visible").all_inner_texts()
    assert first[:10] == [each.name for each in data.queries[0].answers]


def point_at(page: Any, data: ReportData, name: str) -> None:
    """Move the mouse to where a photo lies on the map."""
    assert data.drawn is not None
    x, y = (data.drawn.points[data.drawn.names.index(name)] * 1000).round()
    page.locator("#plane").scroll_into_view_if_needed()
    box = page.locator("#plane").bounding_box()
    page.mouse.move(*(box[side] + (at + 30) / 1060 * box["width"] for side, at in (("x", x), ("y", y))))


def test_the_map_shows_a_photo_under_the_pointer(page: Any, data: ReportData) -> None:
    name = data.queries[3].name
    assert page.is_hidden("#hover")
    point_at(page, data, name)
    page.wait_for_selector("#hover img")
    assert name in page.inner_text("#hover")
    assert data.people[name] in page.inner_text("#hover")
    assert page.evaluate("document.querySelector('#hover img').naturalWidth") > 0
    lines = page.get_attribute("#plane .mates", "d")
    assert lines.count("M") == list(data.people.values()).count(data.people[name])
    page.mouse.move(0, 0)
    assert page.is_hidden("#hover")


def test_the_map_is_stepped_through_by_keys(page: Any, data: ReportData) -> None:
    page.click("#search")
    reach(page, "highlight")
    reach(page, "plane")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#hover img")
    seen = [page.inner_text("#hover .name >> nth=1")]
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        seen.append(page.inner_text("#hover .name >> nth=1"))
    assert len(set(seen)) == 4
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#hover .name >> nth=1") == seen[2]
    person = page.inner_text("#hover .name >> nth=0")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#hover .name >> nth=0") != person
    page.keyboard.press("Escape")
    assert page.is_hidden("#hover")
    assert data.drawn is not None
    assert page.locator("#plane .point").count() == len(data.drawn.names)


def test_the_map_highlights_one_person(page: Any, data: ReportData) -> None:
    person = data.people[data.queries[3].name]
    count = list(data.people.values()).count(person)
    page.fill("#highlight", person)
    assert page.inner_text("#highlighted") == f"{count} photos"
    assert page.locator("#plane .match").count() == count
    page.focus("#plane")
    for _ in range(count + 1):  # the keys stay among them
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#hover .name >> nth=0") == person
    point_at(page, data, next(row.name for row in data.queries if data.people[row.name] != person))
    assert page.is_hidden("#hover") or page.inner_text("#hover .name >> nth=0") == person
    page.fill("#highlight", "")
    assert page.locator("#plane .match").count() == 0


def test_shapes_on_the_map_tell_found_from_missed(page: Any, data: ReportData) -> None:
    missed = sum(row.missed(1) for row in data.queries)
    known = sum(row.answerable for row in data.queries)
    assert page.locator("#plane path.lost").count() == missed
    assert page.locator("#plane circle.found").count() == known - missed
    assert data.drawn is not None
    assert page.locator("#plane rect.point").count() == len(data.drawn.names) - known


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_it_can_be_read_on_any_screen(browser: Any, address: str, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page.goto(address)
    page.check("#names")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.focus("#plane")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) >= 4.5
    edges = page.eval_on_selector_all("caption > span", "all => all.map(each => each.getBoundingClientRect().right)")
    assert len(edges) == 4  # words over a table that scrolls are whole
    assert max(edges) <= width
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)") == (
        scheme == "dark"
    )
    for _ in range(5):  # what hovers stays within the page, wherever its point is
        page.keyboard.press("ArrowDown")
        left, right = page.evaluate(
            "(b => [b.left, b.right])(document.getElementById('hover').getBoundingClientRect())"
        )
        assert left >= 0
        assert right <= width
    page.close()


def test_it_can_be_used_without_eyes_or_mouse(page: Any) -> None:
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(each => Number(each.tagName[1]))")
    assert levels.count(1) == levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("html[lang]").count() == 1
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("svg:not([role]):not([aria-hidden])").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    labelled = "all => all.every(each => each.labels.length === 1 && each.labels[0].innerText.trim())"
    assert page.eval_on_selector_all("input, select", labelled)
    for wanted in ("which", "search", "names", "after", "plane"):
        page.evaluate("document.activeElement.blur()")
        reach(page, wanted)
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2  # it is seen
    page.focus("#after")
    page.keyboard.press("Enter")
    assert page.inner_text("#count").startswith("26–")
    assert page.evaluate("document.activeElement.id") != ""  # the focus is not lost with the button's use


def test_figures_and_curves_need_no_script(browser: Any, address: str, data: ReportData) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("svg.chart:visible").count() == 4
    assert data.tables[0].figures[0].name in page.inner_text("#figures ~ .scroll >> nth=0")
    assert "need JavaScript" in page.inner_text("noscript >> nth=0")
    assert page.is_hidden("#which")
    assert page.is_visible("text=no face found in 9x9 px")
    context.close()
