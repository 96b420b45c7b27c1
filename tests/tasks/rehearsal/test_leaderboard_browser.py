"""The leaderboard in a real browser: Chromium, driven by Playwright. Skipped where there is none."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image as PillowImage

from chromium import CONTRAST, launched

NASTY = "<script>document.title='no'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    for side, count in (("query", 3), ("gallery", 12)):
        (tmp_path / side).mkdir()
        for number in range(count):
            colour = np.full((40, 40, 3), 20 * number, np.uint8)
            PillowImage.fromarray(colour).save(tmp_path / side / f"{side[0]}{number}.png")
    truth = {f"q{number}.png": [f"g{number}.png"] for number in range(3)}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    command = [sys.executable, "-m", "facematch", "serve", "--ground-truth", "truth.json", "--port", "0"]
    command += ["--group", "we", "--query", "query", "--gallery", "gallery"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert process.stderr is not None
    line = next(line for line in process.stderr if "http://" in line)
    yield "http://" + line.split("http://")[1].split()[0]
    process.terminate()
    process.communicate(timeout=20)


def post(url: str, group: str, right: int) -> None:
    """Send a submission whose first `right` queries are answered rightly."""
    wrong = [f"g{number}.png" for number in range(3, 12)]
    images = {
        f"q{number}.png": [f"g{number}.png", *wrong] if number < right else [*wrong, f"g{(number + 1) % 3}.png"]
        for number in range(3)
    }
    payload = json.dumps({"groupname": group, "images": images})
    requests.post(f"{url}/results/", data=payload, timeout=10).raise_for_status()


def test_a_new_submission_appears_by_itself(browser: Any, server: str) -> None:
    page = browser.new_page()
    page.goto(server)
    assert "None yet." in page.inner_text("main")
    post(server, "we", 1)
    page.wait_for_selector("text=we", timeout=10_000)
    page.focus("a[href='/groups/we']")
    post(server, "others", 3)
    page.wait_for_selector("text=others", timeout=10_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/groups/we"  # the focus stays
    post(server, "we", 2)  # a better one of the group that has the focus
    page.wait_for_selector("text=3 submissions", timeout=10_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/groups/we"
    rows = page.locator("tbody tr").all_inner_texts()
    assert [("others" in rows[0]), ("we" in rows[1])] == [True, True]
    assert "Updated at" in page.inner_text("#news")


def test_names_are_text_and_nothing_comes_from_elsewhere(browser: Any, server: str) -> None:
    page = browser.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    post(server, NASTY, 1)
    page.goto(server)
    assert NASTY in page.inner_text("tbody")
    page.click("tbody a")
    page.wait_for_selector("h1")
    assert page.inner_text("h1") == NASTY
    assert page.title() != "no"
    page.wait_for_timeout(2000)
    assert all(url.startswith(server) or url.startswith("data:") for url in asked)
    assert [line for line in wrong if "favicon" not in line and "404" not in line] == []


def test_missed_queries_are_shown_to_the_own_group_only(browser: Any, server: str) -> None:
    post(server, "we", 1)
    post(server, "others", 1)
    page = browser.new_page()
    page.goto(f"{server}/groups/we")
    assert page.locator("section.group h3").all_inner_texts() == ["q1.png", "q2.png"]
    for image in page.locator("section.group img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.locator("section.group .marked img").count() == 2
    page.goto(f"{server}/groups/others")
    assert page.locator("section.group").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_it_can_be_read_on_any_screen(browser: Any, server: str, scheme: str, width: int) -> None:
    for group, right in (("we", 1), ("a" * 80, 2), ("others", 3)):
        post(server, group, right)
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    for path in ("/", "/groups/we"):
        page.goto(server + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) >= 4.5
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")


def test_it_can_be_used_without_eyes_or_mouse(browser: Any, server: str) -> None:
    post(server, "we", 1)
    page = browser.new_page()
    for path in ("/", "/groups/we"):
        page.goto(server + path)
        levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(each => Number(each.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert page.locator("html[lang]").count() == 1
        assert page.locator("img:not([alt])").count() == 0
        labelled = "all => all.map(each => each.getAttribute('aria-labelledby').split(' '))"
        for title, desc in page.eval_on_selector_all("svg.history", labelled):
            assert page.locator(f"svg title#{title}").count() == page.locator(f"svg desc#{desc}").count() == 1
        assert page.locator("th:not([scope])").count() == 0
    page.goto(server)
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')"))
    assert {"groups", "group-1", "refresh"} <= set(reached)
    page.focus("#group-1")
    assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2  # the focus is seen
    page.focus("#group-1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/groups/we")


def test_it_works_without_scripts(browser: Any, server: str) -> None:
    post(server, "we", 2)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server)
    post(server, "others", 1)
    page.click("#refresh")
    assert "others" in page.inner_text("tbody")
    context.close()
