"""A finder's run: it learns, it can be stopped and goes on to the same weights, and its best network is a file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.faces.finder import FinderDetector
from facematch.networks.finder import FinderNetwork, export_finder
from facematch.photos.encoded import rgb_pixels
from facematch.pipeline.run_folder import RunFolder
from facematch.pipeline.run_state import StopRequest
from facematch.settings.finder import FinderSettings
from facematch.settings.training import TrainingSettings
from facematch.tasks.finder.loop import FinderTrainer
from facematch.tasks.finder.scenes import SceneMaker
from facematch.tasks.finder.validation import validation_of
from smileys import noise, smiley

FILES = {"yunet": Path("a.onnx"), "centerface": Path("b.onnx")}


PHOTOS = [smiley(each) for each in range(8)]
BACKGROUNDS = [noise(each) for each in range(4)]


def trainer(folder: Path, epochs: int = 2, scenes: int = 24, rate: float = 0.004) -> FinderTrainer:
    finder = FinderSettings(teachers=FILES, photos=(Path("x"),), side=96, scenes=scenes, batch=8, width=8, rendered=0.1)
    training = TrainingSettings.model_validate(
        {"epochs": epochs, "learning_rate": {"head": rate}, "warmup_epochs": 0.2, "precision": "fp32", "device": "cpu"}
    )
    maker = SceneMaker(PHOTOS, BACKGROUNDS, finder.side, finder.rendered)
    return FinderTrainer(maker, RunFolder(folder), finder, training, seed=5)


def run(made: FinderTrainer, stop_after: int | None = None) -> list[str]:
    stop, lines = StopRequest(), []

    def progress(epoch: int, share: float, loss: float) -> None:
        if stop_after is not None and made.at.step >= stop_after:
            stop.signal = 2

    def keep(network: FinderNetwork) -> None:
        export_finder(network, made.folder.path / "best.onnx")

    made.run(validation_of(PHOTOS[:3], BACKGROUNDS[:1], 96), keep, lines.append, progress, stop)
    return lines


def weights(made: FinderTrainer) -> dict[str, torch.Tensor]:
    return {**made.network.state_dict(), **{f"mean.{k}": v for k, v in made.average.state_dict().items()}}


@pytest.mark.parametrize("stop_after", [2, 3, 4])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, stop_after: int) -> None:
    whole = trainer(tmp_path / "whole")
    lines = run(whole)
    assert len(lines) == 2
    assert json.loads((tmp_path / "whole" / "finished.json").read_text())["epochs"] == 2
    first = trainer(tmp_path / "parts")
    run(first, stop_after)
    assert not (tmp_path / "parts" / "finished.json").exists()
    second = trainer(tmp_path / "parts")
    assert second.resume()
    run(second)
    for (name, one), other in zip(weights(whole).items(), weights(second).values(), strict=True):
        assert torch.equal(one, other), name
    log = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["kind"] == "step"] == list(range(6))


def test_it_learns_to_find_what_it_is_shown(tmp_path: Path) -> None:
    made = trainer(tmp_path, epochs=6, scenes=320, rate=0.006)
    run(made)
    assert made.at.best is not None
    assert float(str(made.at.best["recall"])) > 0.6
    detector = FinderDetector(tmp_path / "best.onnx", min_score=0.2, detect_sizes=(96,))
    image = rgb_pixels(smiley(99).data)
    face = max(detector.detect(image), key=lambda each: each.score)
    assert abs(face.x + face.width / 2 - 48) < 8
    assert abs(face.y + face.height / 2 - 48) < 8
    assert np.array(face.points) == pytest.approx(smiley(99).points[0], abs=16)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(tmp_path)
    real: Callable[..., tuple[torch.Tensor, dict[str, torch.Tensor]]]
    from facematch.tasks.finder import loop

    real = loop.finder_loss

    def nothing(*given: object) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, parts = real(*given)
        return loss * float("nan"), parts

    monkeypatch.setattr(loop, "finder_loss", nothing)
    with pytest.raises(FacematchError, match="the loss is nan at epoch 1, step 0"):
        run(made)
