"""Learning-rate factors against PyTorch's schedulers and the papers' formulas, step by step."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from facematch.errors import FacematchError
from facematch.training.schedule import Schedule, learning_rate_factor

Maker = Callable[[torch.optim.Optimizer], Any]


def factor(kind: Schedule, step: int, **changed: Any) -> float:
    arguments = {"total_steps": 60, "warmup_steps": 7, "step_size": 13, "step_factor": 0.3, **changed}
    return learning_rate_factor(kind, step, **arguments)


def torch_factors(make: Maker, steps: int) -> list[float]:
    # The rate that PyTorch uses in each step, for a rate of 1.
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls its parts in a way PyTorch itself deprecates
        scheduler = make(optimiser)
        for _ in range(steps):
            found.append(float(optimiser.param_groups[0]["lr"]))
            optimiser.step()
            scheduler.step()
    return found


def ramp(optimiser: torch.optim.Optimizer, warmup: int) -> Any:
    return lr_scheduler.LinearLR(optimiser, start_factor=1 / warmup, end_factor=1, total_iters=warmup - 1)


def test_step_is_torch_step_lr() -> None:
    wanted = torch_factors(lambda o: lr_scheduler.StepLR(o, step_size=13, gamma=0.3), 60)
    assert [factor("step", step, warmup_steps=0) for step in range(60)] == pytest.approx(wanted, rel=1e-12)


def test_step_counts_from_the_start_of_the_run_not_from_the_end_of_the_warm_up() -> None:
    wanted = torch_factors(lambda o: lr_scheduler.StepLR(o, step_size=13, gamma=0.3), 60)
    assert [factor("step", step) for step in range(7, 60)] == pytest.approx(wanted[7:], rel=1e-12)


@pytest.mark.parametrize("warmup", [2, 7])
def test_cosine_after_a_warm_up_is_torch_linear_then_cosine_annealing(warmup: int) -> None:
    def make(optimiser: torch.optim.Optimizer) -> Any:
        cosine = lr_scheduler.CosineAnnealingLR(optimiser, T_max=60 - warmup)
        return lr_scheduler.SequentialLR(optimiser, [ramp(optimiser, warmup), cosine], [warmup])

    found = [factor("cosine", step, warmup_steps=warmup) for step in range(61)]
    assert found == pytest.approx(torch_factors(make, 61), abs=1e-12)
    assert found[-1] == pytest.approx(0, abs=1e-15)


def test_cosine_without_warm_up_is_torch_cosine_annealing() -> None:
    wanted = torch_factors(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=60), 61)
    assert [factor("cosine", step, warmup_steps=0) for step in range(61)] == pytest.approx(wanted, abs=1e-12)


def test_cosine_stays_at_zero_past_the_end() -> None:
    assert [factor("cosine", step) for step in (61, 90, 119, 200)] == pytest.approx([0, 0, 0, 0], abs=1e-15)


def test_constant_after_a_warm_up_is_torch_linear() -> None:
    wanted = torch_factors(lambda o: ramp(o, 7), 60)
    assert [factor("constant", step) for step in range(60)] == pytest.approx(wanted, rel=1e-12)
    assert wanted[0] == pytest.approx(1 / 7)


@pytest.mark.parametrize("warmup", [1, 7, 4000])
def test_inverse_sqrt_is_the_formula_of_the_paper(warmup: int) -> None:
    # lrate ∝ min(t^−0.5, t · warmup^−1.5), t from 1; divided by its peak, warmup^−0.5.
    for step in [*range(60), 3998, 3999, 4000, 4001, 50_000]:
        t = step + 1
        wanted = min(t**-0.5, t * warmup**-1.5) / warmup**-0.5
        assert factor("inverse-sqrt", step, warmup_steps=warmup) == pytest.approx(wanted, rel=1e-12)


def test_inverse_sqrt_without_warm_up_starts_at_one() -> None:
    found = [factor("inverse-sqrt", step, warmup_steps=0) for step in range(5)]
    assert found == pytest.approx([1 / math.sqrt(t) for t in range(1, 6)])


@pytest.mark.parametrize("kind", ["constant", "step", "cosine", "inverse-sqrt"])
def test_a_warm_up_as_long_as_the_run_or_longer_only_rises(kind: Schedule) -> None:
    for warmup in (60, 90):
        found = [factor(kind, step, warmup_steps=warmup) for step in range(60)]
        assert found == [(step + 1) / warmup for step in range(60)]


@given(
    st.sampled_from(["constant", "step", "cosine", "inverse-sqrt"]),
    st.integers(0, 500),
    st.integers(1, 300),
    st.integers(0, 300),
    st.integers(1, 50),
    st.floats(0.01, 1),
)
def test_it_rises_to_one_and_never_again(
    kind: Schedule, step: int, total: int, warmup: int, size: int, drop: float
) -> None:
    arguments = {"total_steps": total, "warmup_steps": warmup, "step_size": size, "step_factor": drop}
    here, after = (learning_rate_factor(kind, s, **arguments) for s in (step, step + 1))
    assert 0 <= here <= 1
    if step + 1 < warmup:
        assert after > here
    elif step >= warmup:
        assert after <= here


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(FacematchError, match=r"'cosin' is not known \(did you mean 'cosine'\?\)"):
        factor("cosin", 0)  # type: ignore[arg-type]
    with pytest.raises(FacematchError, match="step is -1"):
        factor("step", -1)
    with pytest.raises(FacematchError, match="step_size 0, from 1 on"):
        factor("step", 5, step_size=0)
