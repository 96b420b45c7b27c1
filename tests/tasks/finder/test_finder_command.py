"""`train` with a `finder:` section: from folders of photos to a file that detects, and every mistake named."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from facematch.core.errors import FacematchError, MissingError
from facematch.faces.detectors import Detector
from facematch.faces.finder import FinderDetector, read_finder
from facematch.faces.values import Face, Image
from facematch.settings.finder import FinderSettings
from facematch.settings.root import Settings
from facematch.tasks.finder import command
from facematch.tasks.training.start import train_command
from smileys import noise, smiley


class Yellow:
    """A detector of what is yellow: the smileys' faces."""

    name = "yellow"

    def detect(self, image: Image) -> list[Face]:
        mask = (image[..., 0] > 200) & (image[..., 1] > 170) & (image[..., 2] < 100)
        if mask.sum() < 200:
            return []
        rows, columns = np.nonzero(mask)
        x, y, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        across, down = right - x, bottom - y
        places = ((0.3, 0.37), (0.7, 0.37), (0.5, 0.56), (0.34, 0.75), (0.66, 0.75))
        points = tuple((float(x + a * across), float(y + b * down)) for a, b in places)
        return [Face(float(x), float(y), float(across), float(down), 0.9, self.name, points)]

    def settings(self) -> dict[str, object]:
        return {}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file beside folders of smileys and of noise, labelled by what is yellow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "cache"))

    def yellow(finder: FinderSettings) -> tuple[Detector, Detector]:
        return Yellow(), Yellow()

    monkeypatch.setattr(command, "teachers", yellow)
    for folder, made in (
        ("photos", [smiley(each).data for each in range(10)]),
        ("walls", [noise(each).data for each in range(6)]),
    ):
        (tmp_path / folder).mkdir()
        for number, data in enumerate(made):
            (tmp_path / folder / f"{number}.png").write_bytes(data)
    (tmp_path / "apart.txt").write_text("3.png\n4.png\n")
    settings = {
        "name": "own",
        "finder": {
            "teachers": {"yunet": "a.onnx", "centerface": "b.onnx"},
            "photos": ["photos"],
            "backgrounds": ["walls"],
            "held_out": str(tmp_path / "apart.txt"),
            "background_share": 0.34,
            "side": 64,
            "scenes": 16,
            "batch": 8,
            "width": 8,
        },
        "training": {"epochs": 2, "device": "cpu", "precision": "fp32"},
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_folders_become_a_detector(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_command(config, [], resume=False, fresh=False)
    said = "".join(capsys.readouterr())
    assert "training: 8 faces in 8 photos, 4 pictures without a face" in said
    assert "validation: 2 photos and a drawing of each, 2 pictures without a face" in said
    run = config.parent / "checkpoints" / "own"
    assert {"best.onnx", "state.pt", "settings.yaml", "log.jsonl", "finished.json"} <= {
        each.name for each in run.iterdir()
    }
    assert (run / "best.onnx").stat().st_size < 1_000_000
    FinderDetector(run / "best.onnx").detect(np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(FacematchError, match="already holds a run"):
        train_command(config, [], resume=False, fresh=False)
    train_command(config, [], resume=True, fresh=False)
    assert "is finished: all 2 epochs done" in "".join(capsys.readouterr())
    train_command(config, ["training.epochs=3"], resume=True, fresh=False)
    assert "resumed at epoch 3, batch 0" in "".join(capsys.readouterr())


def test_photos_that_are_left_out_teach_nothing_and_may_validate(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_command(config, ["finder.left_out=[0.png, '[1-4].png']", "training.epochs=1"], resume=False, fresh=False)
    said = "".join(capsys.readouterr())
    assert "training: 5 faces in 5 photos" in said
    assert "validation: 2 photos and a drawing of each" in said


def said_by(finder: Path) -> list[NDArray[np.float32]]:
    model = read_finder(finder)
    model.setInput(cv2.dnn.blobFromImage(np.full((64, 64, 3), 90, np.uint8)))
    return [np.asarray(each) for each in model.forward(["cells_8", "cells_16", "cells_32"])]


def test_a_run_goes_on_from_the_file_of_another(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_command(config, ["training.epochs=1"], resume=False, fresh=False)
    first = config.parent / "checkpoints" / "own" / "best.onnx"
    again = ["name=again", f"finder.init_from={first}", "training.epochs=1", "training.learning_rate.head=0.0"]
    train_command(config, again, resume=False, fresh=False)
    said = [said_by(config.parent / "checkpoints" / name / "best.onnx") for name in ("own", "again")]
    assert all(np.allclose(before, after, atol=0.1) for before, after in zip(*said, strict=True))
    capsys.readouterr()
    first.unlink()
    with pytest.raises(MissingError, match=r"finder\.init_from: .*best\.onnx does not exist"):
        train_command(config, [*again, "name=third"], resume=False, fresh=False)
    assert "labelling" not in "".join(capsys.readouterr())
    train_command(config, [*again, "training.epochs=2"], resume=True, fresh=False)
    assert "resumed at epoch 2" in "".join(capsys.readouterr())


def test_photos_without_a_face_are_named(config: Path) -> None:
    with pytest.raises(FacematchError, match=r"finder\.photos: no face on which both teachers agree"):
        train_command(config, ["finder.photos=[walls]", "finder.held_out=null"], resume=False, fresh=False)
    with pytest.raises(FacematchError, match=r"finder\.held_out and finder\.validation: no face"):
        train_command(config, ["finder.held_out=null"], resume=False, fresh=False)


def test_a_missing_list_is_named(config: Path) -> None:
    with pytest.raises(FacematchError, match=r"none\.txt does not exist"):
        train_command(config, ["finder.held_out=none.txt"], resume=False, fresh=False)


def test_a_missing_teacher_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(config.parent)
    with pytest.raises(FacematchError, match=r"finder.teachers: .*onnx does not exist(?s:.*)--set finder.teachers"):
        train_command(config, ["paths.cache=cache"], resume=False, fresh=False)


def test_one_teacher_is_not_two() -> None:
    with pytest.raises(ValueError, match="two detectors that must agree"):
        Settings.model_validate({"finder": {"teachers": {"yunet": "a.onnx"}, "photos": ["x"]}})


def test_the_yellow_detector_of_these_tests_finds_smileys() -> None:
    image = cv2.imdecode(np.frombuffer(smiley(1).data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    (face,) = Yellow().detect(image)
    assert (face.x, face.y) == (16, 16)
