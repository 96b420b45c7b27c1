"""The examples of docs/library.md, of the README and of a guide run as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facematch
from facematch.photos.photo import find_photos
from facematch.tasks.competition.submission import defects
from few_photos import write_few_photos
from page_commands import ROOT, blocks

TEXT = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fifteen photos of the competition, three of which ask, and three of each of four people to train on."""
    write_few_photos(tmp_path, people=4, of_each=3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*show no face:UserWarning")
def test_every_example_runs(folder: Path) -> None:
    names = run_page("docs/library.md")
    gallery = {file.name for file in find_photos(Path("data/test_data/gallery")).files}
    best = names["submission"].images
    assert len(best) == 3
    assert all(len(set(found)) == 10 and set(found) <= gallery for found in best.values())
    assert defects(names["submission"], list(best), sorted(gallery)) == []
    assert names["figures"]["top-1"].value == 1
    assert np.isfinite(names["value"].item())
    assert all(len(each.image) == 112 for each in names["found"])
    assert names["colours"].vectors.shape == (12, 3)


@pytest.mark.filterwarnings("ignore:.*show no face:UserWarning")
def test_the_examples_of_the_readme_and_of_a_guide_run(folder: Path) -> None:
    readme = run_page("README.md")
    assert len(readme["faces"]) == 12
    assert len(readme["submission"].images) == 3
    assert readme["figures"]["top-1"].value > 0.5
    assert run_page("docs/guides/embedder.md")["gallery"].vectors.shape == (12, 3)


def run_page(page: str) -> dict[str, Any]:
    """Run the examples of a page one after the other; return what they made, by name."""
    names: dict[str, Any] = {}
    for example in blocks((ROOT / page).read_text(encoding="utf-8"), "python"):
        exec(compile(example, page, "exec"), names)
    return names


def test_every_promised_name_is_told() -> None:
    table = TEXT[: TEXT.index("**Two folders")]
    assert [name for name in facematch.__all__ if not re.search(rf"`{name}[`.]", table)] == []
