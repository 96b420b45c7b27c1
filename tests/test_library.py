"""The examples of docs/library.md run as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facematch.photos.photo import find_photos
from facematch.tasks.sample.plan import GALLERY, QUERY, make_plan
from facematch.tasks.sample.write import render_photo

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
SETTINGS = "embedder: {kind: pixels}\nfaces: {detector: none, size: 32}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve photos, three of which ask, and a settings file that needs no network."""
    photos = [photo for photo in make_plan(2026).photos if photo.path.startswith((QUERY, GALLERY))]
    for side, chosen in (("query", photos[:3]), ("gallery", photos[-12:])):
        for photo in chosen:
            path = tmp_path / "data" / "test_data" / side / Path(photo.path).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(render_photo(photo, 2026))
    (tmp_path / "config").mkdir()
    (tmp_path / "config/triplet.yaml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_runs(folder: Path) -> None:
    names: dict[str, Any] = {}
    examples = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 3
    torch.manual_seed(2026)  # an example draws random vectors, and few draws hold no semi-hard triplet
    for example in examples:
        exec(compile(example, "docs/library.md", "exec"), names)
    gallery = {file.name for file in find_photos(Path("data/test_data/gallery")).files}
    assert len(names["best"]) == 3
    assert all(len(set(found)) == 10 and set(found) <= gallery for found in names["best"].values())
    assert names["colours"].vectors.shape == (12, 3)
    assert np.isfinite(names["vectors"].grad.numpy()).all()
    assert int(names["found"].triplets) > 0
