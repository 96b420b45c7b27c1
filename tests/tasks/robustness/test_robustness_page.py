"""The page of robustness: whole in itself, readable on any screen, each cell coloured by its share."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from chromium import CONTRAST
from facematch.evaluation.bootstrap import Estimate
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.robustness.changes import CHANGES, NONE, change_named
from facematch.tasks.robustness.page import example_pictures, heat_rows, robustness_page
from facematch.tasks.robustness.robustness import OVERALL, Cell, Column, Robustness

NASTY = "<script>alert(1)</script>"


def figure(value: float | None, interval: tuple[float, float] | None = None) -> Estimate:
    return Estimate("recall at 1", value, interval, 20, 20)


def result(count: int = 3) -> Robustness:
    chosen = (NONE, *CHANGES[1:count])
    shares = {change.name: at / max(1, count - 1) for at, change in enumerate(chosen)}
    ranks = {name: Cell(figure(share)) for name, share in shares.items()}
    calls = {name: Cell(figure(1 - share, (0.1, 0.9)), figure(share, (0, 1)), 1200) for name, share in shares.items()}
    columns = (
        Column("pixels", "", ranks, Cell(figure(0.5)), 123.4),
        Column("dhash", missing=f"it needs {NASTY}"),
        Column("phash", "at most 10 of 64 bits differ", calls, Cell(figure(0.5), figure(0.25), 7), 2000.0),
    )
    return Robustness(f"photos {NASTY}", 40, 20, 2, 1, chosen, columns, (f"{NASTY} (no photo)",))


def test_it_is_whole_in_itself_and_obeys_no_name() -> None:
    page = robustness_page(result(), {"none": "data:image/jpeg;base64,AAAA"}).decode()
    assert NASTY not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page
    assert page.count('src="data:image/jpeg;base64,AAAA"') == 2
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for told in (
        "20 photos of 40", "changed in 3 ways", "dhash is left out:", "1,200 false", "7 false",
        "pixels 123, phash 2,000", "2 of the 20 photos", "drawn with seed 1", "JPEG of quality 75",
    ):  # fmt: skip
        assert told in text, told


def test_cells_are_coloured_by_their_share_and_the_best_is_marked() -> None:
    told = result()
    rows = heat_rows(told, told.columns, "first")
    assert [row.name for row in rows] == ["none", "jpeg-75", "jpeg-50", OVERALL]
    assert [[cell and (cell.text, cell.heat, cell.best) for cell in row.cells] for row in rows] == [
        [("0", "h0", False), None, ("100", "h10", True)],
        [("50", "h5", False), None, ("50", "h5", False)],
        [("100", "h10", True), None, ("0", "h0", False)],
        [("50", "h5", False), None, ("50", "h5", False)],
    ]
    assert rows[0].cells[2] is not None
    assert str(rows[0].cells[2]) == "100 [10–90]*"
    (found,) = (row.cells[0] for row in heat_rows(told, told.columns[2:], "found")[:1])
    assert found is not None
    assert str(found) == "0 [0–100] +1,200"


def test_a_share_that_nothing_defines_is_left_empty() -> None:
    column = Column("pixels", "", {"none": Cell(figure(None))}, None, 1.0)
    told = Robustness("photos", 2, 1, 0, 1, (NONE,), (column,))
    assert heat_rows(told, told.columns, "first")[0].cells == (None,)
    assert "is called a copy</h2>" not in robustness_page(told, {}).decode()


def test_examples_show_each_change_of_one_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)).save(path)
    changes = (NONE, change_named("grey"), change_named("turned-90"))
    pictures = example_pictures(PhotoFile("a.png", path), changes, PhotoLimits(), 0)
    assert list(pictures) == ["none", "grey", "turned-90"]
    assert len(set(pictures.values())) == 3
    assert all(each.startswith("data:image/jpeg;base64,") for each in pictures.values())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_it_can_be_read_on_any_screen(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(robustness_page(result(12), {}))  # every colour there is
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) >= 4.5
    colours = "all => new Set(all.map(each => getComputedStyle(each).backgroundColor)).size"
    assert page.eval_on_selector_all("td[class*=' h']", colours) == 11
    assert page.locator("th:not([scope])").count() == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    page.close()
