"""Distillation losses against plain loops; photos without a teacher's embedding count for nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.losses.distillation import cosine_distillation, relational_distillation


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def sides(count: int, student: int, teacher: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, student)), rng.normal(size=(count, teacher)), rng.random(count) < 0.7


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 9), size=st.integers(1, 6), seed=st.integers(0, 1000))
def test_the_cosine_loss_is_a_plain_mean(count: int, size: int, seed: int) -> None:
    student, teacher, present = sides(count, size, size, seed)
    each = [1 - cosine(s, t) for s, t, there in zip(student, teacher, present, strict=True) if there]
    found = cosine_distillation(*(torch.from_numpy(side) for side in (student, teacher, present)))
    assert found.item() == pytest.approx(np.mean(each) if each else 0.0, abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 9), seed=st.integers(0, 1000))
def test_the_relational_loss_is_a_mean_over_ordered_pairs(count: int, seed: int) -> None:
    student, teacher, present = sides(count, 3, 5, seed)
    each = [
        (cosine(student[i], student[j]) - cosine(teacher[i], teacher[j])) ** 2
        for i in range(count)
        for j in range(count)
        if i != j and present[i] and present[j]
    ]
    found = relational_distillation(*(torch.from_numpy(side) for side in (student, teacher, present)))
    assert found.item() == pytest.approx(np.mean(each) if each else 0.0, abs=1e-5)


def test_a_turned_teacher_has_the_same_relations_and_other_directions() -> None:
    student, _, _ = sides(6, 4, 4, 1)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))
    there = torch.ones(6, dtype=torch.bool)
    ours, theirs = torch.from_numpy(student), torch.from_numpy(3 * student @ turn)
    assert relational_distillation(ours, theirs, there).item() == pytest.approx(0, abs=1e-10)
    assert cosine_distillation(ours, theirs, there).item() > 0.1
    assert cosine_distillation(ours, 7 * ours, there).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [cosine_distillation, relational_distillation])
def test_absent_photos_and_zero_vectors_leave_the_gradient_finite(loss: object) -> None:
    student = torch.randn(4, 3, requires_grad=True)
    teacher = torch.zeros(4, 3)
    present = torch.tensor([True, False, True, False])
    torch.autograd.backward(loss(student, teacher, present))  # type: ignore[operator]
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    assert not student.grad[~present].any()
