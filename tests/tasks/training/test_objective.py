"""Objectives give the loss they say, with diagnostics; nothing but the loss carries a gradient."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from facematch.core.errors import FacematchError
from facematch.losses import triplet_loss
from facematch.losses.mining import Margin
from facematch.losses.triplet import quantisation_penalty
from facematch.settings.embedding import EmbedderSettings
from facematch.settings.training import LossSettings, TeacherSettings, TrainingSettings
from facematch.tasks.training.objective import Objective, TaughtObjective, build_objective

PEOPLE, SIZE = 4, 6
TEACHER = TeacherSettings(embedder=EmbedderSettings(kind="pixels"))
LABELS = torch.arange(12) % PEOPLE


def built(loss: LossSettings, margin: Margin = 0.2, training: TrainingSettings | None = None) -> Objective:
    training = TrainingSettings() if training is None else training
    return build_objective(loss, training, margin, dimensions=SIZE, people=PEOPLE, seed=3)


@pytest.fixture
def embeddings() -> Tensor:
    torch.manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(12, SIZE), dim=1).requires_grad_()


def entropy(logits: Tensor, smoothing: float = 0.0) -> float:
    """Cross-entropy with smoothed targets, by loops."""
    total = 0.0
    for row, label in zip(logits.detach().double().tolist(), LABELS.tolist(), strict=True):
        log_sum = math.log(sum(math.exp(x) for x in row))
        for place, score in enumerate(row):
            target = smoothing / len(row) + (1 - smoothing if place == label else 0)
            total += target * (log_sum - score)
    return total / len(logits)


def test_triplets_alone_are_the_triplet_loss(embeddings: Tensor) -> None:
    value = built(LossSettings(mining="batch-all"))(embeddings, LABELS, None, 1)
    expected = triplet_loss(embeddings, LABELS, mining="batch-all", margin=0.2)
    assert value.loss.item() == expected.loss.item() == value.diagnostics["triplet_loss"].item()
    assert set(value.diagnostics) == {"triplet_loss", "active_share", "mean_positive", "mean_negative", "spread"}
    assert not any(number.requires_grad for number in value.diagnostics.values())


@pytest.mark.parametrize(("epoch", "weight"), [(1, 0.0), (2, 0.0), (3, 0.0), (1, 0.5), (3, 0.5)])
def test_people_are_classes_first_and_then_beside_the_triplets(embeddings: Tensor, epoch: int, weight: float) -> None:
    loss = LossSettings(
        mining={1: "batch-all", 2: "batch-hard"}, classifier_epochs=2, classifier_weight=weight, classifier_scale=8
    )
    objective = built(loss)
    value = objective(embeddings, LABELS, None, epoch)
    mining = "batch-all" if epoch == 1 else "batch-hard"
    triplet = triplet_loss(embeddings, LABELS, mining=mining, margin=0.2).loss.item()
    weights = torch.nn.functional.normalize(objective.get_parameter("classifier.weight"), dim=1)
    cross = entropy(8 * embeddings @ weights.T)
    expected = cross if epoch <= 2 else triplet + weight * cross
    assert value.loss.item() == pytest.approx(expected, rel=1e-5)
    assert ("cross_entropy" in value.diagnostics) == (epoch <= 2 or weight > 0)
    assert value.diagnostics["triplet_loss"].item() == triplet


def test_the_quantisation_penalty_is_added(embeddings: Tensor) -> None:
    value = built(LossSettings(quantisation=0.3))(embeddings, LABELS, None, 1)
    penalty = 0.3 * quantisation_penalty(embeddings).item()
    assert value.loss.item() == pytest.approx(value.diagnostics["triplet_loss"].item() + penalty)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_classifier_is_linear_and_its_targets_are_smoothed(embeddings: Tensor, smoothing: float) -> None:
    objective = built(LossSettings(name="cross-entropy", label_smoothing=smoothing))
    weight, bias = objective.get_parameter("classifier.weight"), objective.get_parameter("classifier.bias")
    logits = embeddings @ weight.T + bias
    value = objective(embeddings, LABELS, None, 1)
    assert value.loss.item() == pytest.approx(entropy(logits, smoothing), rel=1e-5)
    assert objective.scorer is not None
    torch.testing.assert_close(objective.scorer(embeddings), logits)
    right = np.mean([row.argmax() == label for row, label in zip(logits.detach(), LABELS, strict=True)])
    assert value.diagnostics["batch_accuracy"].item() == pytest.approx(right)


@pytest.mark.parametrize(("name", "classifies"), [("arcface", True), ("multisimilarity", False)])
def test_a_named_loss_is_the_librarys(embeddings: Tensor, name: str, classifies: bool) -> None:
    from pytorch_metric_learning import losses

    objective = built(LossSettings(name=name))
    torch.manual_seed(3)
    reference = losses.ArcFaceLoss(PEOPLE, SIZE) if classifies else losses.MultiSimilarityLoss()
    value = objective(embeddings, LABELS, None, 1)
    assert value.loss.item() == reference(embeddings, LABELS).item()
    assert (objective.scorer is not None) is classifies
    if classifies:
        torch.testing.assert_close(objective.scorer(embeddings), reference.get_logits(embeddings))


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before() -> None:
    for name in ("cross-entropy", "arcface", "proxyanchor"):
        one = built(LossSettings(name=name)).state_dict()
        torch.rand(7)
        two = built(LossSettings(name=name)).state_dict()
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_the_guard_watches_triplets_only_and_travels_with_the_state() -> None:
    training = TrainingSettings(collapse_steps=3)
    loss = LossSettings(mining="batch-hard", classifier_epochs=1)
    one, two = (built(loss, training=training) for _ in range(2))
    collapsed = {
        "triplet_loss": 0.2, "active_share": 1.0, "mean_positive": 0.0, "mean_negative": 0.0, "spread": 0.0
    }  # fmt: skip
    for _ in range(9):
        one.watch(collapsed, 1)  # people are learned as classes in this epoch
    one.watch(collapsed, 2)
    one.watch(collapsed, 2)
    two.load_state_dict(one.state_dict())
    for objective in (one, two):
        with pytest.raises(FacematchError, match="collapse"):
            objective.watch(collapsed, 2)
    off = built(loss, training=training.model_copy(update={"collapse_guard": False}))
    for _ in range(9):
        off.watch(collapsed, 2)
    off.load_state_dict(one.state_dict())


@pytest.mark.parametrize("kind", ["cosine", "relational", "both"])
@pytest.mark.parametrize("wide", [SIZE, 9])
def test_a_teacher_adds_what_the_batchs_photos_lose(embeddings: Tensor, kind: str, wide: int) -> None:
    torch.manual_seed(4)
    targets = torch.randn(12, wide)
    targets[[2, 4]] = float("nan")  # photos without a face for the teacher
    labels = built(LossSettings(name="cross-entropy"))
    objective = TaughtObjective(labels, wide, kind, 0.5, SIZE)  # type: ignore[arg-type]
    value = objective(embeddings, LABELS, targets, 1)
    there = [row for row in range(12) if row not in (2, 4)]
    student, teacher = embeddings.detach()[there], targets[there]
    projected = student if isinstance(objective.projection, torch.nn.Identity) else objective.projection(student)
    expected = {}
    if kind != "relational":
        similar = torch.nn.functional.cosine_similarity(projected, teacher)
        expected["teacher_cosine"] = float(np.mean([1 - s for s in similar.tolist()]))
        assert isinstance(objective.projection, torch.nn.Linear) == (wide != SIZE)
    if kind != "cosine":
        unit, other = (torch.nn.functional.normalize(side, dim=1) for side in (student, teacher))
        pairs = [(i, j) for i in range(len(there)) for j in range(len(there)) if i != j]
        expected["teacher_relation"] = float(
            np.mean([float(unit[i] @ unit[j] - other[i] @ other[j]) ** 2 for i, j in pairs])
        )
    for name, number in expected.items():
        assert value.diagnostics[name].item() == pytest.approx(number, rel=1e-4)
    alone = labels(embeddings, LABELS, None, 1).loss.item()
    assert value.loss.item() == pytest.approx(alone + 0.5 * sum(expected.values()), rel=1e-4)
    assert objective.scorer is not None


def test_blends_are_nobody_and_learned_from_the_teacher_alone(embeddings: Tensor) -> None:
    labels, targets = LABELS.clone(), torch.randn(12, SIZE)
    labels[[0, 5, 11]] = -1
    known = [row for row in range(12) if row not in (0, 5, 11)]
    triplets = built(LossSettings(mining="batch-all"))
    value = TaughtObjective(triplets, SIZE, "cosine", 2.0, SIZE)(embeddings, labels, targets, 1)
    alone = triplets(embeddings[known], LABELS[known], None, 1).loss.item()
    similar = torch.nn.functional.cosine_similarity(embeddings.detach(), targets)
    assert value.loss.item() == pytest.approx(alone + 2 * (1 - similar).mean().item(), rel=1e-5)


def test_labels_have_no_part_in_the_epochs_of_the_teacher_alone(embeddings: Tensor) -> None:
    labels = built(LossSettings(mining="batch-all", classifier_weight=1.0))
    objective, targets = TaughtObjective(labels, SIZE, "cosine", 2.0, SIZE, alone=3), torch.randn(12, SIZE)
    early, late = (objective(embeddings, LABELS, targets, epoch) for epoch in (3, 4))
    assert early.loss.item() == pytest.approx(2 * early.diagnostics["teacher_cosine"].item())
    assert set(early.diagnostics) == {"spread", "teacher_cosine"}
    assert late.loss.item() == pytest.approx(early.loss.item() + labels(embeddings, LABELS, None, 4).loss.item())
    keys = set(objective.state_dict())
    objective(embeddings, LABELS, targets, 2)
    assert set(objective.state_dict()) == keys
    objective.watch({"spread": 0.0}, 2)  # a collapse is looked for among triplets only, and there are none
    line = {"spread": 0.5, "teacher_cosine": 0.25}
    assert ["active" in objective.summary(line, epoch) for epoch in (3, 4)] == [False, True]  # also before any batch


def test_a_teacher_alone_needs_no_labels(embeddings: Tensor) -> None:
    targets = embeddings.detach().clone()
    objective = TaughtObjective(built(LossSettings(name="none", teacher=TEACHER)), SIZE, "cosine", 2.0, SIZE)
    value = objective(embeddings, torch.zeros(12, dtype=torch.int64), targets, 1)
    assert value.loss.item() == pytest.approx(0, abs=1e-5)
    assert not list(objective.parameters())
    assert objective.scorer is None
    other = objective(embeddings, torch.zeros(12, dtype=torch.int64), targets.flip(0), 1)
    torch.autograd.backward(other.loss)
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum() > 0


def test_positives_across_are_mined_across_domains(embeddings: Tensor) -> None:
    domains = torch.arange(12) // 6
    across = built(LossSettings(mining="batch-all", positives="across"))
    expected = triplet_loss(embeddings, LABELS, mining="batch-all", margin=0.2, domains=domains).loss.item()
    plain = triplet_loss(embeddings, LABELS, mining="batch-all", margin=0.2).loss.item()
    assert across(embeddings, LABELS, None, 1, domains).loss.item() == expected != plain
    assert built(LossSettings(mining="batch-all"))(embeddings, LABELS, None, 1, domains).loss.item() == plain
