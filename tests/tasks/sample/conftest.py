"""Tests of the sample write three people instead of a hundred."""

import pytest

from facematch.tasks.sample import write
from facematch.tasks.sample.write import render_photo
from sample_helpers import small_plan


@pytest.fixture(autouse=True)
def _few_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "make_plan", small_plan)


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[int, int, int], bytes]:
    """Return a place to keep photographs that were drawn once."""
    return {}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, drawn: dict[tuple[int, int, int], bytes]) -> None:
    """Draw each photograph once for the whole file: these tests are about folders."""

    def render(photo: write.PlannedPhoto, seed: int) -> bytes:
        key = (photo.person, photo.number, seed)
        if key not in drawn:
            drawn[key] = render_photo(photo, seed)
        return drawn[key]

    monkeypatch.setattr(write, "render_photo", render)
