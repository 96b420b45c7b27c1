"""The quantisation penalty against a plain loop, and its gradient by differences."""

import pytest
import torch

from facematch.losses.triplet import quantisation_penalty


def test_equals_a_plain_loop() -> None:
    values = torch.rand(5, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    wanted = sum((1 - abs(v)) ** 2 for v in values.flatten().tolist()) / 40
    assert float(quantisation_penalty(values)) == pytest.approx(wanted, rel=1e-6)


def test_codes_cost_nothing_and_zeros_cost_one() -> None:
    assert float(quantisation_penalty(torch.tensor([[1.0, -1.0]]))) == 0
    assert float(quantisation_penalty(torch.zeros(3, 4))) == 1


def test_the_gradient_pulls_each_value_to_its_sign() -> None:
    values = torch.tensor([[0.5, -0.25, 0.0, 1.0]], requires_grad=True)
    quantisation_penalty(values).backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[pytest.approx(-0.25), pytest.approx(0.375), 0.0, 0.0]]
