"""`facematch identities` and `facematch augment-preview`: look before training."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from command_helpers import Run, names
from facematch.charts.contact_sheet import titled
from facematch.core import console
from shared import shared

PEOPLE = Path("data/faces")


def test_what_a_run_would_use_is_printed(project: Path, run: Run) -> None:
    shutil.copytree("data/test_data/gallery", "others/somebody")
    done = run("identities", "--config", "small.yaml", "--set", "identities.distractors=others")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "training: 6 people, 24 photos",
        "validation: 2 other people, 8 photos",
        "distractors: 1 people, 12 photos",
    ]


def test_the_result_as_json(project: Path, run: Run) -> None:
    shutil.copytree("data/test_data/gallery", "others/somebody")
    done = run("identities", "--config", "small.yaml", "--set", "identities.distractors=others", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {
        "split_by": "person",
        "training": {"people": 6, "photos": 24},
        "validation": {"people": 2, "photos": 8},
        "test": {"people": 0, "photos": 0},
        "distractors": {"people": 1, "photos": 12},
    }


def test_checking_photos_tells_how_far_it_is(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_SECONDS_BETWEEN_LINES", 0.0)
    done = run("identities", "--config", "small.yaml")
    assert done.code == 0, done.err
    assert "training photos checked: 50%" in done.err


@pytest.mark.parametrize(("person", "where"), [(0, "in the training"), (1, "asked for in validation")])
def test_a_distractor_is_on_no_other_side(project: Path, run: Run, person: int, where: str) -> None:
    sides = json.loads(Path("checkpoints/small/identities.json").read_text())
    name = (sides["training"][0], sides["validation"][0])[person]
    shutil.copytree("data/test_data/gallery", Path("others") / name)
    for command in ("identities", "train", "validate"):
        done = run(
            command,
            "--config",
            "small.yaml",
            "--set",
            "identities.distractors=others",
            *["--fresh"] * (command == "train"),
        )
        assert done.code == 1, command
        assert f"1 people of identities.distractors (others) are also {where}, first {name}" in done.err


def test_problems_are_told_with_what_to_do(project: Path, run: Run) -> None:
    (PEOPLE / "nobody").mkdir()
    person = names(PEOPLE)[1]
    shutil.copy(sorted((PEOPLE / person).iterdir())[0], PEOPLE / person / "again.jpg")
    done = run("identities", "--config", "small.yaml")
    assert done.code == 0, done.err
    assert "nobody – add photos or remove the folder" in done.err
    assert "again.jpg" in done.err


def test_the_preview_shows_each_crop_and_its_variants(project: Path, run: Run) -> None:
    done = run("augment-preview", "p.png", "--config", "small.yaml", "--count", "3")
    assert done.code == 0, done.err
    assert "3 crops and their variants: p.png" in done.out
    with PillowImage.open("p.png") as picture:
        width, height = picture.size
    assert height >= 3 * 32
    assert width > height


def test_the_preview_says_what_it_shows(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []

    def noted(picture: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
        titles.append(title)
        return titled(picture, title)

    monkeypatch.setattr("facematch.tasks.training.start.titled", noted)
    assert run("augment-preview", "p.png", "--config", "small.yaml", "--count", "3").code == 0
    assert titles == ["Crops of training photos, and what training sees of each"]


def test_the_preview_shows_blends_where_a_teacher_is_asked_about_them(project: Path, run: Run) -> None:
    faces = f"{{detector: yunet, yunet_file: {shared('weights/yunet_n_640_640.onnx')}}}"
    teacher = f"loss.teacher={{embedder: {{kind: pixels}}, faces: {faces}, blends: 0.5}}"
    done = run("augment-preview", "p.png", "--config", "small.yaml", "--count", "3", "--set", teacher)
    assert done.code == 0, done.err
    assert "3 crops, 3 blends and their variants: p.png" in done.out
    plain = run("augment-preview", "plain.png", "--config", "small.yaml", "--count", "3")
    assert plain.code == 0, plain.err
    with PillowImage.open("p.png") as picture, PillowImage.open("plain.png") as other:
        assert picture.height > 1.8 * other.height


def test_an_unknown_augmentation_is_named(project: Path, run: Run) -> None:
    done = run("augment-preview", "p.png", "--config", "small.yaml", "--set", "augment=[{name: GausianBlur}]")
    assert done.code == 1
    assert "did you mean 'GaussianBlur'?" in done.err
    assert not Path("p.png").exists()
