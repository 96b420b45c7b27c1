"""The examples of docs/library.md run as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facematch
from facematch.photos.photo import find_photos
from facematch.tasks.competition.submission import defects
from facematch.tasks.sample.plan import FACES, GALLERY, QUERY, make_plan
from facematch.tasks.sample.write import render_photo

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "library.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fifteen photos of the competition, three of which ask, and three of each of four people to train on."""
    photos = make_plan(2026).photos
    sides = {side: [photo for photo in photos if photo.path.startswith(side)] for side in (QUERY, GALLERY, FACES)}
    chosen = [*sides[QUERY][:3], *sides[GALLERY][-12:], *(sides[FACES][at] for at in range(32) if at % 8 < 3)]
    for photo in chosen:
        path = tmp_path / "data" / photo.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render_photo(photo, 2026))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*show no face:UserWarning")
def test_every_example_runs(folder: Path) -> None:
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(example, "docs/library.md", "exec"), names)
    gallery = {file.name for file in find_photos(Path("data/test_data/gallery")).files}
    best = names["submission"].images
    assert len(best) == 3
    assert all(len(set(found)) == 10 and set(found) <= gallery for found in best.values())
    assert defects(names["submission"], list(best), sorted(gallery)) == []
    assert names["figures"]["top-1"].value == 1
    assert np.isfinite(names["value"].item())
    assert all(len(each.image) == 112 for each in names["found"])
    assert names["colours"].vectors.shape == (12, 3)


def test_every_promised_name_is_told() -> None:
    table = TEXT[: TEXT.index("**Two folders")]
    assert [name for name in facematch.__all__ if not re.search(rf"`{name}[`.]", table)] == []
