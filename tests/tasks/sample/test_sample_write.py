"""The sample on disk: same seed, same bytes; what each file holds."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.tasks.sample import write
from facematch.tasks.sample.portraits import BACKGROUNDS
from facematch.tasks.sample.write import render_photo, write_sample
from sample_helpers import files, leftovers, small_plan


def test_the_folders_are_as_promised(tmp_path: Path) -> None:
    out = tmp_path / "new" / "data"
    steps: list[tuple[int, int]] = []
    assert write_sample(out, seed=3, on_progress=lambda done, total: steps.append((done, total)))
    plan = small_plan(3)

    assert steps == [(done, 16) for done in range(1, 17)]
    assert plan.counts == {
        "people": 1, "photos": 8, "queries": 2, "query_people": 1, "gallery": 6, "gallery_people": 2
    }  # fmt: skip
    assert set(files(out)) == {photo.path for photo in plan.photos} | {"rehearsal/ground_truth.json", "sample.json"}
    assert json.loads((out / "rehearsal/ground_truth.json").read_text()) == plan.truth
    assert not leftovers(out)


def test_photographs_are_colour_jpeg_of_modest_size(tmp_path: Path, quick: None) -> None:
    write_sample(tmp_path, seed=3)
    sizes = []
    for photo in small_plan(3).photos:
        data = (tmp_path / photo.path).read_bytes()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image.shape[2] == 3
        assert min(image.shape[:2]) >= 220
        sizes.append(len(data))
    assert np.mean(sizes) * 660 < 12e6


def test_a_photograph_depends_on_seed_person_and_number_only() -> None:
    photo = small_plan(3).photos[0]
    elsewhere = write.PlannedPhoto("test_data/query/x.jpg", photo.person, photo.number)
    assert render_photo(photo, 3) == render_photo(elsewhere, 3)
    assert render_photo(photo, 3) != render_photo(photo, 4)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores in (1, 6):
        monkeypatch.setattr(write.os, "cpu_count", lambda cores=cores: cores)
        write_sample(tmp_path / str(cores), seed=4)
    assert files(tmp_path / "1") == files(tmp_path / "6")


def test_the_manifest_lists_every_file_and_says_what_it_is(tmp_path: Path, quick: None) -> None:
    write_sample(tmp_path, seed=3)
    manifest = json.loads((tmp_path / "sample.json").read_text())
    written = files(tmp_path)
    del written["sample.json"]
    assert manifest["files"] == {path: hashlib.sha256(data).hexdigest() for path, data in written.items()}
    assert (manifest["kind"], manifest["version"], manifest["seed"]) == ("facematch sample", write.VERSION, 3)
    assert manifest["counts"]["gallery"] == 6
    assert "not a benchmark" in manifest["what"]
    assert "commercial" in manifest["faces"]
    for name in BACKGROUNDS:
        assert Path(name).stem in manifest["backgrounds"]


def test_a_whole_sample_is_left_alone(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_sample(tmp_path, seed=3)
    (tmp_path / "faces" / "mine").mkdir()
    (tmp_path / "faces" / "mine" / "me.jpg").write_bytes(b"my photo")
    monkeypatch.setattr(write, "render_photo", lambda *_, **__: pytest.fail("a photograph was drawn again"))
    assert not write_sample(tmp_path, seed=3)
    assert (tmp_path / "faces" / "mine" / "me.jpg").read_bytes() == b"my photo"


@pytest.mark.parametrize("damage", ["missing", "changed", "truth", "manifest version"])
def test_a_damaged_sample_is_written_again(tmp_path: Path, quick: None, damage: str) -> None:
    write_sample(tmp_path, seed=3)
    whole = files(tmp_path)
    photo = tmp_path / small_plan(3).photos[5].path
    if damage == "missing":
        photo.unlink()
    elif damage == "changed":
        photo.write_bytes(photo.read_bytes()[:-1])
    elif damage == "truth":
        (tmp_path / "rehearsal" / "ground_truth.json").write_text("{}")
    else:
        manifest = json.loads((tmp_path / "sample.json").read_text())
        (tmp_path / "sample.json").write_text(json.dumps({**manifest, "version": 0}))
    assert write_sample(tmp_path, seed=3)
    assert files(tmp_path) == whole
    assert not leftovers(tmp_path)


def test_a_negative_seed_touches_nothing(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match="seed"):
        write_sample(tmp_path / "data", seed=-1)
    assert not (tmp_path / "data").exists()


def test_without_the_faces_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FacematchError("no faces")

    monkeypatch.setattr(write, "load_faces", missing)
    with pytest.raises(FacematchError, match="no faces"):
        write_sample(tmp_path / "data", seed=3)
    assert not (tmp_path / "data").exists()
