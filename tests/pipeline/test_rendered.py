"""A rendered gallery: the same photos, people and right answers, drawn."""

import json
from pathlib import Path

import numpy as np
import pytest

from command_helpers import TRUTH, Run
from facematch.evaluation.task import in_folds, leave_one_out, two_sides
from facematch.photos.photo import PhotoFile, PhotoLimits, read_photo
from facematch.pipeline.evaluated import TaskPhotos
from facematch.pipeline.rendered import rendered_gallery

LIMITS = PhotoLimits(10_000_000, 10_000_000)
PIXELS = ("--set", "embedder.kind=pixels")


@pytest.fixture
def files(project: Path) -> dict[str, PhotoFile]:
    """Photos of two people."""
    folders = sorted((project / "data" / "faces").iterdir())[:2]
    paths = [path for folder in folders for path in sorted(folder.iterdir())]
    return {f"asked/{path.parent.name}/{path.name}": PhotoFile(path.name, path) for path in paths}


def people(files: dict[str, PhotoFile]) -> dict[str, str]:
    return {name: name.split("/")[1] for name in files}


def test_who_stood_on_both_sides_asks_all_but_its_own_rendering(files: dict[str, PhotoFile], tmp_path: Path) -> None:
    shown = people(files)
    photos = TaskPhotos(leave_one_out(shown, list(shown)), {"people": files})
    drawn = rendered_gallery(photos, ["sepia", "pencil-grey"], tmp_path / "drawn", LIMITS)
    (before,), (after,) = photos.task.divisions, drawn.task.divisions
    assert after.queries == before.queries
    assert after.gallery == tuple(f"rendered {name}" for name in before.gallery)
    assert after.ignored is not None
    for name, out, relevant in zip(after.queries, after.ignored, after.relevant, strict=True):
        assert out == {f"rendered {name}"}
        assert relevant == {f"rendered {each}" for each in shown if shown[each] == shown[name]}
    assert set(drawn.files) == {*after.queries, *after.gallery}
    assert not drawn.task.both_sides
    assert all(drawn.files[name].path == files[name].path for name in after.queries)
    assert all(drawn.task.shown[f"rendered {name}"] == who for name, who in shown.items())


def test_pictures_are_rendered_in_turn_and_always_the_same(files: dict[str, PhotoFile], tmp_path: Path) -> None:
    shown = people(files)
    photos = TaskPhotos(leave_one_out(shown, list(shown)), {"people": files})
    first = rendered_gallery(photos, ["sepia", "pencil-grey"], tmp_path / "a", LIMITS).files
    again = rendered_gallery(photos, ["sepia", "pencil-grey"], tmp_path / "b", LIMITS).files
    grey = 0
    for number, name in enumerate(sorted(shown)):
        picture, same, photo = (
            read_photo(file, LIMITS).image  # type: ignore[union-attr]
            for file in (first[f"rendered {name}"], again[f"rendered {name}"], files[name])
        )
        assert picture.shape == photo.shape
        assert np.array_equal(picture, same)
        is_grey = bool((np.ptp(picture.astype(int), axis=-1) == 0).all())
        assert is_grey == bool(number % 2)
        grey += is_grey
    assert grey > 1


def test_folds_and_fixed_sides(files: dict[str, PhotoFile], tmp_path: Path) -> None:
    shown = people(files)
    folds = rendered_gallery(TaskPhotos(in_folds(shown, list(shown)), {"p": files}), ["sepia"], tmp_path / "a", LIMITS)
    assert len(folds.task.divisions) > 1
    for division in folds.task.divisions:
        assert {f"rendered {name}" for name in division.queries}.isdisjoint(division.gallery)
        assert all(relevant <= set(division.gallery) for relevant in division.relevant)
    names = list(shown)
    sides = two_sides(names[:2], names[2:], shown)
    fixed = rendered_gallery(TaskPhotos(sides, {"p": files}), ["sepia"], tmp_path / "b", LIMITS)
    assert fixed.task.divisions[0].gallery == tuple(names[2:])  # names that a list of the gallery knows stay
    assert fixed.files[names[2]].path != files[names[2]].path


def test_what_is_no_photo_stays(files: dict[str, PhotoFile], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    name = next(iter(files))
    shown = people(files)
    photos = TaskPhotos(leave_one_out(shown, list(shown)), {"p": {**files, name: PhotoFile(name, broken)}})
    drawn = rendered_gallery(photos, ["sepia"], tmp_path / "a", LIMITS)
    assert drawn.files[f"rendered {name}"].path == broken


def test_a_row_for_each_rendering(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.pipeline.rendered.RENDERING_NAMES", ("sepia", "line-art"))
    small = ("validate", "--config", "small.yaml", *PIXELS, "--renderings")
    done = run(*small, "--json")
    assert done.code == 0, done.text
    told = json.loads(done.out)
    assert list(told) == ["photographs, as they are", "sepia", "line-art"]
    plain = json.loads(run("validate", "--config", "small.yaml", *PIXELS, "--json").out)["grey pixels"]
    assert told["photographs, as they are"]["grey pixels"].items() <= plain.items()
    assert told["sepia"]["grey pixels"]["queries"] == told["photographs, as they are"]["grey pixels"]["queries"]
    assert told["line-art"]["grey pixels"]["top1"] < told["photographs, as they are"]["grey pixels"]["top1"]
    done = run(*small)
    assert "photographs, as they are" in done.text
    assert "identities.domain" in done.text
    truth = ("--query", "data/test_data/query", "--gallery", "data/test_data/gallery", "--truth", TRUTH)
    done = run(*small, *truth, "--json")
    assert done.code == 0, done.text
    assert json.loads(done.out)["sepia"]["grey pixels"]["queries"] == 3
