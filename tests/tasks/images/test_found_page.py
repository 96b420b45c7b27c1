"""Pages and pictures of what was found: every photo has its place, also one that is gone."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.images.found_page import Captioned, Results, found_page, write_found
from image_folders import made_folder


@pytest.fixture
def row(tmp_path: Path) -> Results:
    folder = made_folder(tmp_path / "in", count=3, width=400, height=200)
    image, *found = [Captioned(PhotoFile(path.name, path), path.name, "0.5") for path in sorted(folder.iterdir())]
    return Results(image, tuple(found))


def test_a_page_is_whole_in_itself(row: Results) -> None:
    page = found_page("found", [row], PhotoLimits()).decode()
    pictures = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 3
    for data in pictures:
        with PillowImage.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.size == (160, 80)
    assert page.count("<span>400×200</span>") == 3
    assert re.findall(r"(?:src|href)=\"(?!data:|#p\d+\")", page) == []


def test_a_photo_that_is_gone_leaves_its_place_empty(row: Results, tmp_path: Path) -> None:
    row.found[1].file.path.unlink()
    page = found_page("found", [row], PhotoLimits()).decode()
    assert page.count("<use ") == 2
    assert page.count("cannot be read any more") == 1
    sheets = [tmp_path / "whole.png", tmp_path / "gone.png"]
    for sheet in sheets:
        write_found(sheet, "found", [row], PhotoLimits())
    with PillowImage.open(sheets[0]) as whole, PillowImage.open(sheets[1]) as gone:
        assert whole.size == gone.size


def test_names_are_shown_as_they_are(row: Results) -> None:
    named = Results(Captioned(row.image.file, "<script>", "a & b"), ())
    page = found_page("<i>", [named], PhotoLimits()).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert "<title>&lt;i&gt; – facematch search</title>" in page


def test_another_suffix_is_refused(row: Results, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a page nor a picture"):
        write_found(tmp_path / "found.gif", "found", [row], PhotoLimits())
    assert not (tmp_path / "found.gif").exists()
