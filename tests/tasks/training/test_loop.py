"""The loop learns, stops when asked, and goes on bit for bit."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.topk import Figures
from facematch.faces.templates import FIVE_POINTS
from facematch.networks.embedding import EmbeddingNetwork, weights_digest
from facematch.networks.spec import NetworkSpec
from facematch.pipeline.run_folder import RunFolder, read_log
from facematch.pipeline.run_state import StopRequest, stop_on_signals
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.settings.training import LossSettings, TrainingSettings
from facematch.tasks.training.blending import Blends, blended_face, face_frame
from facematch.tasks.training.data import COPIES, TrainingSet, augmented_batches, picture_seed
from facematch.tasks.training.loop import Trainer, TrainingResult
from facematch.tasks.training.objective import TaughtObjective
from training_helpers import (
    SIDE,
    TEACHER,
    TRAIN,
    TRAINING,
    Surroundings,
    made_of,
    noise,
    people,
    run,
    trainer,
    validate,
)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, TrainingResult, Surroundings]:
    made = trainer(tmp_path_factory.mktemp("unbroken") / "run")
    return made, *run(made)


def test_a_run_ends_with_its_best_and_last_weights(unbroken: tuple[Trainer, TrainingResult, Surroundings]) -> None:
    made, result, around = unbroken
    assert result.stopped == 0
    assert result.epochs == 3
    assert result.best is not None
    assert around.saved[-1] == ("last", 3)
    assert ("best", result.best_epoch) in around.saved
    assert made.folder.finished.is_file()
    assert made.folder.state.is_file()  # a run can be made longer


def test_the_log_has_every_step_once_with_the_diagnostics(
    unbroken: tuple[Trainer, TrainingResult, Surroundings],
) -> None:
    log = read_log(unbroken[0].folder)
    steps = [line["step"] for line in log if line["kind"] == "step"]
    assert steps == list(range(len(steps)))
    assert len(steps) == 3 * 4
    wanted = {"loss", "active_share", "mean_positive", "mean_negative", "spread", "learning_rate"}
    assert all(wanted <= line.keys() for line in log)
    assert [line["epoch"] for line in log if line["kind"] == "epoch"] == [1, 2, 3]
    assert all("cross_entropy" in line for line in log if line["epoch"] == 1)
    assert not any("cross_entropy" in line for line in log if line["epoch"] > 1)


def test_training_learns_people_it_has_never_seen(tmp_path: Path) -> None:
    longer = TRAINING.model_copy(update={"epochs": 6, "identities_per_batch": 8})
    torch.manual_seed(7)
    network = EmbeddingNetwork(NetworkSpec("mobilenet_v3_small", 32, True, IMAGENET_MEAN, IMAGENET_STD))
    data = TrainingSet(*people(64, 4, seed=2), people=64)
    loss = LossSettings(mining="semi-hard", classifier_epochs=4, classifier_weight=0.5)
    made = made_of(network, data, tmp_path / "run", loss, longer)
    before = validate(network)
    result, _ = run(made)
    assert result.best is not None
    assert result.best.top1 > before.top1 + 0.15
    assert result.best.top5 > before.top5 + 0.2  # of 30 queries


def test_early_stopping_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    patient = TRAINING.model_copy(update={"epochs": 30, "patience": 2})
    made = trainer(tmp_path / "run", training=patient)
    fixed = Figures(0.5, 0.5, 0.5, (0.4, 0.6), 10, 10, 500)
    result = made.run(Surroundings().callbacks(lambda *_: fixed), StopRequest())
    assert result.epochs == 3  # the first is the best, two more without a better one
    assert "no better top-1 in 2 validations" in result.reason


def test_the_best_is_chosen_by_the_figure_asked_for(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run", training=TRAINING.model_copy(update={"choose_by": "mAP"}))
    seen = iter(
        [
            Figures(0.9, 1, 1, None, 9, 9, 0, 0.2),
            Figures(0.1, 1, 1, None, 9, 9, 0, 0.6),
            Figures(1, 1, 1, None, 9, 9, 0),
        ]
    )
    around = Surroundings()
    result = made.run(around.callbacks(lambda *_: next(seen)), StopRequest())
    assert result.best_epoch == 2
    assert "mAP 0.600  top-1 0.100" in around.lines[1]


def test_crops_grow_as_scheduled_and_the_best_is_of_the_last_size(tmp_path: Path) -> None:
    training = TRAINING.model_copy(update={"sizes": {1: 16, 3: 24}, "epochs": 4})
    made = trainer(tmp_path / "run", training=training)
    trained_at, validated_at = [], []
    made.network.register_forward_pre_hook(lambda _, images: trained_at.append(images[0].shape[1]))
    figures = iter([Figures(share, 1, 1, None, 9, 9, 0) for share in (0.9, 0.8, 0.3, 0.2)])

    def measured(_: EmbeddingNetwork, size: int | None) -> Figures:
        validated_at.append(size)
        return next(figures)

    result = made.run(Surroundings().callbacks(measured), StopRequest())
    assert trained_at == [16] * 8 + [24] * 8
    assert validated_at == [16, 16, 24, 24]
    assert (result.best_epoch, result.best and result.best.top1) == (3, 0.3)


def test_the_inverse_square_root_counts_updates_through_a_resumption(tmp_path: Path) -> None:
    changed = {"schedule": "inverse-sqrt", "warmup_updates": 5, "warmup_from": 1e-7, "optimiser": "adam"}
    training = TRAINING.model_copy(update=changed)
    made = trainer(tmp_path / "run", training=training)
    run(made, stop_after=4)
    again = trainer(tmp_path / "run", training=training)
    assert again.resume()
    run(again)
    rates = [line["learning_rate"] for line in read_log(again.folder) if line["kind"] == "step"]
    wanted = [1e-7 + t * (1e-3 - 1e-7) / 5 if t < 5 else 1e-3 * (5 / t) ** 0.5 for t in range(12)]
    assert rates == pytest.approx(wanted, rel=1e-12)


def test_the_quantisation_penalty_is_part_of_the_loss(tmp_path: Path) -> None:
    losses = []
    for weight in (0.0, 0.5):
        torch.manual_seed(7)
        spec = NetworkSpec("shufflenet_v2_x0_5", 16, False, IMAGENET_MEAN, IMAGENET_STD, tanh=True)
        loss = LossSettings(mining="batch-all", distance="squared", reduction="valid", quantisation=weight)
        made = made_of(EmbeddingNetwork(spec), TRAIN, tmp_path / str(weight), loss, TRAINING, margin=4.0)
        run(made, stop_after=1)
        losses.append(next(line for line in read_log(made.folder) if line["kind"] == "step"))
    plain, penalised = losses
    assert plain["loss"] == plain["triplet_loss"] == penalised["triplet_loss"]
    assert 0 < penalised["loss"] - plain["loss"] < 0.5


def test_frozen_stages_stay_as_they_were(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run", freeze=("conv1", "stage2"))
    before = made.network.backbone.get_submodule("stage2").state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    run(made, stop_after=4)
    after = made.network.backbone.get_submodule("stage2").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_loss_that_is_not_finite_ends_the_run_with_its_remedy(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run")
    with torch.no_grad():
        made.network.head.weight.fill_(float("nan"))
    with pytest.raises(FacematchError, match="the loss is nan at epoch 1, step 0") as caught:
        run(made)
    assert "learning_rate" in caught.value.hint


def test_a_hopeless_run_is_stopped_by_the_guard_unless_it_is_off(tmp_path: Path) -> None:
    loss = LossSettings(mining="batch-hard", margin=0.2)
    short = TRAINING.model_copy(update={"collapse_steps": 6, "epochs": 4})

    def collapsed(folder: Path, training: TrainingSettings) -> Trainer:
        made = trainer(folder, loss, training)
        with torch.no_grad():  # every embedding the same, for good
            made.network.head.weight.zero_()
        for parameter in made.network.parameters():
            parameter.requires_grad_(False)
        made.network.head.weight.requires_grad_(True)
        made.optimiser = torch.optim.SGD([made.network.head.weight], lr=0.0)
        made.optimiser.param_groups[0]["base_lr"] = 0.0
        return made

    with pytest.raises(FacematchError, match="collapse") as caught:
        run(collapsed(tmp_path / "guarded", short))
    assert "semi-hard" in caught.value.hint
    off = short.model_copy(update={"collapse_guard": False})
    assert run(collapsed(tmp_path / "free", off))[0].epochs == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_workers_or_where_they_begin(workers: int) -> None:
    batches = [np.array([0, 1, 2]), np.array([5, 6, 7]), np.array([3, 9, 11])]
    whole = list(augmented_batches(TRAIN.images, noise, batches, seed=1, epoch=2, first=0, workers=0))
    rest = list(augmented_batches(TRAIN.images, noise, batches, seed=1, epoch=2, first=1, workers=workers))
    assert len(rest) == 2
    assert all(torch.equal(a.images, b.images) for a, b in zip(whole[1:], rest, strict=True))
    expected = noise(TRAIN.images[6], picture_seed(1, 2, 1, 1))
    np.testing.assert_array_equal(rest[0][0][1].numpy(), expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_once_and_a_second_one_ends(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal == number
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_the_log_is_json_lines(unbroken: tuple[Trainer, TrainingResult, Surroundings]) -> None:
    text = unbroken[0].folder.log.read_text(encoding="utf-8")
    assert all(json.loads(line) for line in text.splitlines())
    assert list((unbroken[0].folder.path / "tensorboard").iterdir())


LOSSES = {
    "arcface": LossSettings(name="arcface", options={"margin": 20, "scale": 16}),
    "multi-similarity": LossSettings(name="multisimilarity"),
    "cross-entropy": LossSettings(name="cross-entropy", label_smoothing=0.1),
    "teacher": LossSettings(name="none", teacher=TEACHER),
    "blends": LossSettings(name="cross-entropy", teacher=TEACHER),
}


def squares(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A teacher: the mean colours of eight stripes, N×24."""
    return np.stack([image.reshape(8, -1, 3).mean(1).ravel() for image in images]).astype(np.float32)


def taught(kind: str) -> TrainingSet:
    """The training people with a teacher, who sees no face in one photo; with blends half of each batch are blends."""
    targets = squares(TRAIN.images)
    targets[5] = float("nan")
    if kind == "teacher":
        return replace(TRAIN, targets=targets)
    points = [(float(x), float(y)) for x, y in FIVE_POINTS * SIDE / 112]
    frames = [face_frame(image, points, (0, 0, SIDE, SIDE), 0.0) for image in TRAIN.images]
    return replace(TRAIN, targets=targets, blends=Blends(frames, 0.5, squares))


def learner(folder: Path, kind: str) -> Trainer:
    torch.manual_seed(7)
    features: int | Literal["features"] = "features" if kind == "cross-entropy" else 16
    network = EmbeddingNetwork(NetworkSpec("shufflenet_v2_x0_5", features, False, IMAGENET_MEAN, IMAGENET_STD))
    sampling = "identities" if kind == "multi-similarity" else "balanced" if kind == "arcface" else "photos"
    training = TRAINING.model_copy(update={"sampling": sampling})
    made = made_of(network, TRAIN, folder, LOSSES[kind], training)
    if kind not in ("teacher", "blends"):
        return made
    objective = TaughtObjective(made.objective, 24, "both", 1.0, network.dimensions)
    return Trainer(network, objective, taught(kind), noise, RunFolder(folder), training=training, freeze=(), seed=5)


@pytest.mark.parametrize("kind", LOSSES)
def test_every_objective_changes_its_weights_and_goes_on_bit_for_bit(tmp_path: Path, kind: str) -> None:
    whole = learner(tmp_path / "whole", kind)
    before = {name: tensor.clone() for name, tensor in whole.objective.state_dict().items()}
    run(whole)
    after = whole.objective.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    first = learner(tmp_path / "run", kind)
    assert run(first, stop_after=2)[0].stopped == signal.SIGTERM
    again = learner(tmp_path / "run", kind)
    assert again.resume()
    run(again)
    assert weights_digest(again.network) == weights_digest(whole.network)
    assert weights_digest(again.objective) == weights_digest(whole.objective)


def test_half_of_each_batch_is_blends_that_the_teacher_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, seen = learner(tmp_path / "run", "blends"), []
    forward = TaughtObjective.forward

    def watched(self: TaughtObjective, *given: Any) -> Any:
        seen.append((given[1].numpy(), given[2].numpy()))
        return forward(self, *given)

    monkeypatch.setattr(TaughtObjective, "forward", watched)
    run(made)
    blends = made.data.blends
    assert blends is not None
    for number, (labels, targets) in enumerate(seen[: made.batches_per_epoch]):
        new = np.flatnonzero(labels < 0)
        assert len(new) == len(labels) / 2
        first = [picture_seed(5, 1, number, int(place)) for place in new[::COPIES]]
        asked = [blended_face(blends.frames, SIDE, seed)[1] for seed in first]
        for copy in range(COPIES):
            there = new[copy::COPIES]
            np.testing.assert_array_equal(targets[there], squares(np.stack(asked))[: len(there)])
    assert sum((labels >= 0).sum() for labels, _ in seen[: made.batches_per_epoch]) == len(TRAIN.images)


def test_the_accuracy_is_told_each_epoch_and_kept_of_the_best(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run")
    retrieval = iter([Figures(share, 1, 1, None, 9, 9, 0) for share in (0.1, 0.9, 0.2)])
    accuracies = iter([Estimate("accuracy", share, (share / 2, 1.0), 20, 10) for share in (0.25, 0.5, 0.75)])
    around = Surroundings()
    callbacks = replace(around.callbacks(lambda *_: next(retrieval)), seen=lambda *_: next(accuracies))
    result = made.run(callbacks, StopRequest())
    assert result.seen == Estimate("accuracy", 0.5, (0.25, 1.0), 20, 10)
    assert "seen people: accuracy 0.750" in around.lines[2]
    epochs = [line for line in read_log(made.folder) if line["kind"] == "epoch"]
    assert [line["seen"]["value"] for line in epochs] == [0.25, 0.5, 0.75]
