"""The page of photos: whole in itself, each photo once, readable on any screen, and no name is obeyed."""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image as PillowImage

from chromium import CONTRAST
from facematch.charts.picture_page import Group, Picture, Row, Thumbnails, picture_page
from facematch.photos.photo import PhotoFile
from report_samples import NASTY

Layout = Literal["files", "pairs", "rows"]
LAYOUTS: tuple[Layout, ...] = ("files", "pairs", "rows")


def page_of(folder: Path, layout: Layout = "files", link: str = "") -> str:
    rng = np.random.default_rng(0)
    files = []
    for name in ("a.png", "b.png"):
        PillowImage.fromarray(rng.integers(0, 256, (90, 300, 3), dtype=np.uint8)).save(folder / name)
        files.append(PhotoFile(name, folder / name))
    thumbnails, long = Thumbnails(), "n" * 150
    pictures = [
        Picture(thumbnails.source(file), (file.name, NASTY, long), number == 0, link)
        for number, file in enumerate(files)
    ]
    gone = Picture(thumbnails.source(PhotoFile("gone.png", folder / "gone.png")), ("gone.png", ""))
    group = Group(NASTY, (Row((*pictures, gone), long), Row((*pictures * 5,), "1")), long)
    return picture_page("diff", NASTY, [NASTY, long], [group, group], thumbnails, layout).decode()


def test_each_photo_is_held_once_and_no_name_is_obeyed(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count("<use ") == 2 * (2 + 10)
    assert page.count("cannot be read any more") == 2
    assert "<img" not in page
    assert "<script" not in page
    assert page.count('class="marked"') == 2 * (1 + 5)
    assert set(re.findall(r'(?:src|href)="([^"]{0,4})', page)) == {"data", "#p0", "#p1"}
    assert "<b>gone.png</b></figcaption>" in page


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_it_can_be_read_on_any_screen(tmp_path: Path, browser: Any, layout: Layout, scheme: str, width: int) -> None:
    (tmp_path / "page.html").write_text(page_of(tmp_path, layout, "a.png"), encoding="utf-8")
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}) as context:
        page, wrong = context.new_page(), list[str]()
        page.on("console", lambda message: wrong.append(message.text))
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) >= 4.5
        sizes = page.eval_on_selector_all(
            "use", "all => all.map(each => each.getBoundingClientRect()).map(each => [each.width, each.height])"
        )
        assert min(map(min, sizes)) > 10  # they are drawn
        assert wrong == []
        page.click("figure a >> nth=0")
        assert page.url.endswith("/a.png")
