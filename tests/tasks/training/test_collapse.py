"""The collapse guard: collapsed runs are stopped with the remedy, healthy and slow ones never."""

import json
import random
from collections.abc import Iterable
from typing import Any, Literal

import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.losses import triplet_loss
from facematch.tasks.training.collapse import CollapseGuard, Observation, collapsed

Margin = float | Literal["soft"]

STANDING = Observation(loss=0.2, active_share=1.0, mean_positive=0.9, mean_negative=0.905, spread=0.6)
POINT = Observation(loss=0.2003, active_share=1.0, mean_positive=0.010, mean_negative=0.0104, spread=0.007)


def stopped_at(run: Iterable[Observation], guard: CollapseGuard) -> tuple[int, str] | None:
    for step, seen in enumerate(run):
        try:
            guard.observe(seen)
        except FacematchError as error:
            return step, str(error)
    return None


def moving(start: Observation, steps: int, **ends: float) -> list[Observation]:
    """A run in which the named numbers go in a line from their start to their end."""
    return [
        start._replace(
            **{
                name: getattr(start, name) + (end - getattr(start, name)) * step / (steps - 1)
                for name, end in ends.items()
            }
        )
        for step in range(steps)
    ]


def shaken(run: list[Observation], seed: int = 1, size: float = 0.003) -> list[Observation]:
    generator = random.Random(seed)
    return [Observation(*(value * (1 + size * generator.uniform(-1, 1)) for value in seen)) for seen in run]


# ---- what must be stopped ---------------------------------------------------------------------------


def test_one_point_is_stopped_when_the_window_is_full() -> None:
    found = stopped_at([POINT] * 100, CollapseGuard(50, 0.2))
    assert found is not None
    assert found[0] == 49


def test_loss_standing_at_the_margin_is_stopped() -> None:
    found = stopped_at(shaken([STANDING] * 100), CollapseGuard(50, 0.2))
    assert found is not None
    assert found[0] < 60


def test_loss_standing_at_ln_2_is_stopped_with_the_soft_margin_only() -> None:
    run = [STANDING._replace(loss=0.70)] * 60
    assert stopped_at(run, CollapseGuard(50, "soft")) is not None
    assert stopped_at(run, CollapseGuard(50, 0.2)) is None
    assert stopped_at([STANDING] * 60, CollapseGuard(50, "soft")) is None


def test_batch_hard_that_creeps_towards_the_margin_from_above_is_stopped() -> None:
    # As measured on faces, a ResNet18 from nothing: spread .1 → .003, loss .229 → .2006 in 400 steps.
    run = [
        Observation(0.2 + 0.3 / (step + 10), 1.0, 3 / (step + 20), 3.15 / (step + 20), 2.2 / (step + 22))
        for step in range(600)
    ]
    found = stopped_at(run, CollapseGuard(200, 0.2))
    assert found is not None
    assert found[0] < 400


def test_the_message_says_what_was_seen_and_the_remedy() -> None:
    found = stopped_at([POINT] * 30, CollapseGuard(30, 0.2))
    assert found is not None
    for part in (
        "Training has collapsed: over the last 30 steps",
        "spread of the embeddings was 0.007",
        "0.01 within identities and 0.0104 between them",
        "loss 0.2003 at margin 0.2, with 100.0% of the triplets active",
        "loss.mining: {1: semi-hard, 20: batch-hard}",
        "loss.classifier_epochs",
        "training.warmup_epochs",
        "training.learning_rate",
        "training.collapse_guard: false",
    ):
        assert part in found[1]
    soft = stopped_at([POINT] * 30, CollapseGuard(30, "soft"))
    assert soft is not None
    assert "at ln 2 = 0.693 (soft margin)" in soft[1]


# ---- what must not be stopped -----------------------------------------------------------------------

HEALTHY = {
    "loss falls slowly from the margin": moving(STANDING, 400, loss=0.19),
    "the gap grows while the loss stands": moving(STANDING, 400, mean_negative=0.917),
    "negatives lie farther": [STANDING._replace(mean_negative=0.92)] * 400,
    "triplets become inactive": [STANDING._replace(active_share=0.94)] * 400,
    "loss well below the margin": [STANDING._replace(loss=0.19)] * 400,
    "loss well above the margin": [STANDING._replace(loss=0.21)] * 400,
    "spread small but growing": moving(POINT, 400, spread=0.03, loss=0.1),
    "spread just large enough": [POINT._replace(spread=0.021)] * 400,
    "no semi-hard triplet in any batch": [Observation(0.0, 0.0, 0.3, 1.3, 0.9)] * 400,
    "every hundredth step shows a gap": ([STANDING] * 99 + [STANDING._replace(mean_negative=0.93)]) * 4,
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_run_that_is_only_slow_goes_on(name: str) -> None:
    assert stopped_at(HEALTHY[name], CollapseGuard(200, 0.2)) is None


def test_a_plateau_shorter_than_the_window_goes_on() -> None:
    learns = moving(STANDING, 400, loss=0.05, mean_negative=1.4, active_share=0.2)
    run = [STANDING] * 150 + learns
    assert stopped_at(run, CollapseGuard(200, 0.2)) is None
    assert stopped_at([STANDING] * 50 + run, CollapseGuard(200, 0.2)) is not None


def test_a_window_of_one_step() -> None:
    assert collapsed([POINT], 0.2)
    assert not collapsed([STANDING._replace(mean_negative=1.2)], 0.2)


# ---- real training of a small network ---------------------------------------------------------------


def train(mining: Any, margin: Margin, rate: float, noise: float) -> list[Observation]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    centres = torch.randn(40, 16, generator=generator)
    network = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16))
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    run = []
    for _ in range(320):
        labels = torch.randperm(40, generator=generator)[:8].repeat_interleave(4)
        photos = centres[labels] + noise * torch.randn(32, 16, generator=generator)
        found = triplet_loss(torch.nn.functional.normalize(network(photos)), labels, mining=mining, margin=margin)
        optimiser.zero_grad()
        found.loss.backward()
        optimiser.step()
        numbers = (found.loss, found.active_share, found.mean_positive, found.mean_negative, found.spread)
        run.append(Observation(*(float(number.detach()) for number in numbers)))
    return run


@pytest.mark.parametrize("margin", [0.2, "soft"])
def test_batch_hard_in_noise_at_a_high_rate_is_stopped(margin: Margin) -> None:
    run = train("batch-hard", margin, rate=0.01, noise=4.0)
    found = stopped_at(run, CollapseGuard(100, margin))
    assert run[0].spread > 0.5
    assert found is not None
    assert found[0] > 100


@pytest.mark.parametrize(("mining", "margin", "noise"), [("semi-hard", 0.2, 4.0), ("batch-hard", "soft", 0.5)])
def test_a_learning_network_goes_on(mining: str, margin: Margin, noise: float) -> None:
    run = train(mining, margin, rate=0.001, noise=noise)
    assert stopped_at(run, CollapseGuard(50, margin)) is None
    assert run[-1].mean_negative - run[-1].mean_positive > run[0].mean_negative - run[0].mean_positive


# ---- state ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken_at", [1, 20, 43, 59, 60])
def test_a_resumed_run_is_stopped_at_the_same_step_with_the_same_words(broken_at: int) -> None:
    run = shaken(moving(STANDING, 40, loss=0.25) + [STANDING] * 60 + [POINT] * 60)
    wanted = stopped_at(run, CollapseGuard(30, 0.2))
    assert wanted is not None
    assert wanted[0] > 60
    first = CollapseGuard(30, 0.2)
    assert stopped_at(run[:broken_at], first) is None
    state = json.loads(json.dumps(first.state()))
    second = CollapseGuard(30, 0.2)
    second.load(state)
    assert second.state() == first.state()
    found = stopped_at(run[broken_at:], second)
    assert found is not None
    assert (found[0] + broken_at, found[1]) == wanted


def test_state_is_the_window_oldest_first_and_a_copy() -> None:
    guard = CollapseGuard(2, 0.2)
    assert guard.state() == []
    for loss in (0.5, 0.4, 0.3):
        guard.observe(Observation(loss, 0.5, 0.6, 1.2, 0.9))
    state = guard.state()
    assert state == [[0.4, 0.5, 0.6, 1.2, 0.9], [0.3, 0.5, 0.6, 1.2, 0.9]]
    state[0][0] = 9.0
    assert guard.state()[0][0] == 0.4
    guard.load([[9.0, 1, 1, 1, 1], *guard.state()])
    assert [row[0] for row in guard.state()] == [0.4, 0.3]


def test_a_state_of_other_numbers_is_not_taken_over() -> None:
    guard = CollapseGuard(3, 0.2)
    guard.observe(STANDING)
    with pytest.raises(TypeError):
        guard.load([[0.2, 1.0, 0.9]])
    assert guard.state() == [list(STANDING)]
