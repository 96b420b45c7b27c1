"""The page of copies: whole in itself, the largest marked, no more than fits, readable light and dark."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from chromium import CONTRAST
from facematch.near_duplicates.contents import Content
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.images import duplicates_command as module
from facematch.tasks.images.copies import Copies, CopyFile
from facematch.tasks.images.duplicates_command import duplicates_page


def copy_of(folder: Path, name: str, change: str | None, width: int = 300, height: int = 50) -> CopyFile:
    path = folder / name
    if width:
        PillowImage.fromarray(np.full((height, width, 3), 200, np.uint8)).save(path, "PNG")
    vectors = np.zeros((1, 3, 64), np.float32)
    content = Content(PhotoFile(str(path), path), "", "", 1_500_000, width, height, False, None, vectors)
    return CopyFile(content, change)


def page_of(*groups: tuple[CopyFile, ...]) -> str:
    return duplicates_page(Copies(groups, 100, (), 0), PhotoLimits()).decode()


def test_the_largest_is_marked_and_no_name_is_obeyed(tmp_path: Path) -> None:
    first = (copy_of(tmp_path, "a.png", None), copy_of(tmp_path, "<script>alert(1)<|script>.png", "reduced to 50%"))
    second = (copy_of(tmp_path, "b.png", None, 640, 480), copy_of(tmp_path, "gone.png", "mirrored", 0, 0))
    page = page_of(first, second)
    assert "<script>" not in page
    assert page.count("data:image/jpeg;base64,") == 3
    assert page.count("cannot be read any more") == 1
    assert page.count('class="marked"') == page.count("<b>the largest copy</b>") == 2
    text = re.sub(r"<[^>]+>", "|", page)
    for told in (
        "2 groups of copies, 4 of 100 photos; all but the largest of each take 3.0 MB. Nothing was deleted.",
        "1: 2 files, 1.5 MB could be freed", "2: 2 files", "reduced to 50%", "mirrored", "300×50", "640×480",
        "&lt;script&gt;alert(1)",
    ):  # fmt: skip
        assert told in text, told
    assert "are shown" not in text


def test_of_many_the_first_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN", 9)
    monkeypatch.setattr(module, "OF_EACH", 4)
    one = copy_of(tmp_path, "a.png", None)
    other = copy_of(tmp_path, "b.png", "mirrored")
    page = page_of((one, *[other] * 6), (one, other), (one, other), (one, other))
    assert page.count("<figure") == 8
    assert "1: 7 files, 9.0 MB could be freed; 3 more are not shown" in page
    assert "The first 3 groups are shown." in page


def test_a_page_without_copies_says_so() -> None:
    page = page_of()
    assert ">No copies among 100 photos. Nothing was deleted.</p>" in page
    assert "<section" not in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_it_can_be_read_on_a_phone_and_in_the_dark(tmp_path: Path, browser: Any, scheme: str, width: int) -> None:
    long = copy_of(tmp_path, "a" * 120 + ".png", "width resized to 47%, height to 62%")
    (tmp_path / "page.html").write_text(page_of((copy_of(tmp_path, "a.png", None), long, long)), encoding="utf-8")
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) >= 4.5
