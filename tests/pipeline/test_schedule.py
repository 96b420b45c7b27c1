"""Learning-rate factors against PyTorch's schedulers and the papers' formulas, step by step."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.optim import lr_scheduler

from facematch.pipeline.schedule import learning_rate
from facematch.settings.training import TrainingSettings

Maker = Callable[[torch.optim.Optimizer], Any]


def factor(kind: str, step: int, **changed: Any) -> float:
    """The rate of a step for a rate of 1, with one step for each epoch."""
    usual = {"epochs": 60, "warmup_updates": 7, "step_epochs": 13, "step_factor": 0.3}
    settings = TrainingSettings.model_validate({"schedule": kind, **usual, **changed})
    return learning_rate(settings, 1.0, step, float(step), 1)


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
    assert [factor("step", step, warmup_updates=0) for step in range(60)] == pytest.approx(wanted, rel=1e-12)


def test_step_counts_from_the_start_of_the_run_not_from_the_end_of_the_warm_up() -> None:
    wanted = torch_factors(lambda o: lr_scheduler.StepLR(o, step_size=13, gamma=0.3), 60)
    assert [factor("step", step) for step in range(7, 60)] == pytest.approx(wanted[7:], rel=1e-12)


@pytest.mark.parametrize("warmup", [2, 7])
def test_cosine_after_a_warm_up_is_torch_linear_then_cosine_annealing(warmup: int) -> None:
    def make(optimiser: torch.optim.Optimizer) -> Any:
        cosine = lr_scheduler.CosineAnnealingLR(optimiser, T_max=60 - warmup)
        return lr_scheduler.SequentialLR(optimiser, [ramp(optimiser, warmup), cosine], [warmup])

    found = [factor("cosine", step, warmup_updates=warmup) for step in range(61)]
    assert found == pytest.approx(torch_factors(make, 61), abs=1e-12)
    assert found[-1] == pytest.approx(0, abs=1e-15)


def test_cosine_without_warm_up_is_torch_cosine_annealing() -> None:
    wanted = torch_factors(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=60), 61)
    assert [factor("cosine", step, warmup_updates=0) for step in range(61)] == pytest.approx(wanted, abs=1e-12)


def test_cosine_stays_at_zero_past_the_end() -> None:
    assert [factor("cosine", step) for step in (61, 90, 119, 200)] == pytest.approx([0, 0, 0, 0], abs=1e-15)


def test_constant_after_a_warm_up_is_torch_linear() -> None:
    wanted = torch_factors(lambda o: ramp(o, 7), 60)
    assert [factor("constant", step) for step in range(60)] == pytest.approx(wanted, rel=1e-12)
    assert wanted[0] == pytest.approx(1 / 7)


class AdamInverseSqrtWithWarmup(torch.optim.Adam):
    """The published optimiser (fairseq, XLM) from its definition: the rate is a function of the updates done."""

    def __init__(self, params: Any, lr: float, betas: tuple[float, float], warmup: int, warmup_init: float) -> None:
        super().__init__(params, lr=warmup_init, betas=betas)
        self.warmup, self.first = warmup, warmup_init
        self.rise, self.decay, self.updates = (lr - warmup_init) / warmup, lr * warmup**0.5, 0

    def step(self, closure: Any = None) -> Any:
        super().step(closure)
        self.updates += 1
        warm = self.updates < self.warmup
        rate = self.first + self.updates * self.rise if warm else self.decay * self.updates**-0.5
        self.param_groups[0]["lr"] = rate


def test_inverse_sqrt_over_adam_is_adam_inverse_sqrt_with_warmup_value_by_value() -> None:
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(5, generator=generator), torch.randn(9000, 5, generator=generator)
    theirs, ours = (start.clone().requires_grad_() for _ in range(2))
    published = AdamInverseSqrtWithWarmup([theirs], 1e-3, (0.9, 0.98), 4000, 1e-7)
    optimiser = torch.optim.Adam([ours], lr=1e-3, betas=(0.9, 0.98))
    for update, gradient in enumerate(gradients):
        rate = 1e-3 * factor("inverse-sqrt", update, warmup_updates=4000, warmup_from=1e-7 / 1e-3)
        optimiser.param_groups[0]["lr"] = rate
        assert rate == pytest.approx(published.param_groups[0]["lr"], rel=1e-12), update
        theirs.grad, ours.grad = gradient.clone(), gradient.clone()
        published.step()
        optimiser.step()
    assert torch.allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(("update", "rate"), [(0, 1e-7), (2000, 5.0005e-4), (4000, 1e-3), (16_000, 5e-4)])
def test_inverse_sqrt_at_the_defaults_of_the_original(update: int, rate: float) -> None:
    found = 1e-3 * factor("inverse-sqrt", update, warmup_updates=4000, warmup_from=1e-4)
    assert found == pytest.approx(rate, rel=1e-12)


def test_inverse_sqrt_without_warm_up_starts_at_one() -> None:
    found = [factor("inverse-sqrt", step, warmup_updates=0) for step in range(6)]
    assert found == pytest.approx([1, *(1 / math.sqrt(t) for t in range(1, 6))])


@pytest.mark.parametrize("kind", ["constant", "step", "cosine"])
def test_a_warm_up_as_long_as_the_run_or_longer_only_rises(kind: str) -> None:
    for warmup in (60, 90):
        found = [factor(kind, step, warmup_updates=warmup) for step in range(60)]
        assert found == [(step + 1) / warmup for step in range(60)]


@given(
    st.sampled_from(["constant", "step", "cosine", "inverse-sqrt"]),
    st.integers(0, 500),
    st.integers(1, 300),
    st.integers(0, 300),
    st.integers(1, 50),
    st.floats(0.01, 1),
)
def test_it_rises_to_one_and_never_again(kind: str, step: int, total: int, warmup: int, size: int, drop: float) -> None:
    changed = {"epochs": total, "warmup_updates": warmup, "step_epochs": size, "step_factor": drop}
    here, after = (factor(kind, s, **changed) for s in (step, step + 1))
    assert 0 <= here <= 1
    if step + 1 < warmup:
        assert after > here
    elif step >= warmup:
        assert after <= here


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "inverse-sqrt"])
def test_the_rate_is_the_settings_times_the_factor_of_the_steps_that_epochs_done_mean(schedule: str) -> None:
    changed = {"epochs": 6, "warmup_epochs": 0.5, "step_epochs": 2, "warmup_from": 2e-5}
    settings = TrainingSettings.model_validate({"schedule": schedule, **changed})
    in_steps = {"epochs": 60, "warmup_updates": 5, "step_epochs": 20, "warmup_from": 0.01, "step_factor": 0.1}
    for step in range(60):
        assert learning_rate(settings, 2e-3, step, step / 10, 10) == 2e-3 * factor(schedule, step, **in_steps)


@pytest.mark.parametrize("wrong", [{"schedule": "cosin"}, {"step_epochs": 0}, {"warmup_updates": -1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainingSettings.model_validate(wrong)
