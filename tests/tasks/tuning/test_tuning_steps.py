"""Choosing steps: real gains are found, luck is not, and nobody is measured on who chose for it."""

import numpy as np
import pytest

from facematch.evaluation.task import halves
from facematch.settings.refine import (
    CohortStep,
    ExpansionStep,
    FlipStep,
    ReciprocalStep,
    Step,
    TemplatesStep,
    WhitenStep,
)
from facematch.tasks.tuning.steps import NAMES, Trial, ablation, choose, gain_of, grid, in_order

PEOPLE = [f"id{i // 3}" for i in range(180)]  # 60 people, three queries each
BASE = np.random.default_rng(0).uniform(400, 600, 180)


def worth(gains: dict[str, float], seed: int = 0) -> dict[tuple[Step, ...], Trial]:
    """Trials in which each step adds its gain and noise of its own, the same whenever it is asked."""
    known: dict[tuple[Step, ...], Trial] = {}

    def measure(steps: tuple[Step, ...]) -> Trial:
        if steps not in known:
            total = BASE.copy()
            for step in steps:
                noise = np.random.default_rng([seed, NAMES.index(step.step)]).normal(0, 30, 180)
                total += gains.get(step.step, 0) + noise - noise.mean() * (step.step not in gains)
            known[steps] = Trial(steps, total, total / 1000)
        return known[steps]

    measure(())
    known["measure"] = measure  # type: ignore[index,assignment]
    return known


def test_the_step_that_gains_is_chosen_and_no_other() -> None:
    measure = worth({"flip": 40, "query-expansion": 25})["measure"]  # type: ignore[index]
    steps = grid(64, "cosine", training_people=False)
    chosen, rounds = choose(measure, steps, PEOPLE, never=("templates",))  # type: ignore[arg-type]
    assert {step.step for step in chosen} == {"flip", "query-expansion"}
    assert [gain.name for gain in rounds[0]] == list(steps)
    assert "flip" not in [gain.name for gain in rounds[1]]
    assert rounds[0][0].score.difference == pytest.approx(40, abs=6)
    low, high = rounds[0][0].score.interval or (0, 0)
    assert low < 40 < high


def test_a_step_that_may_not_be_chosen_is_still_measured() -> None:
    measure = worth({"templates": 90})["measure"]  # type: ignore[index]
    chosen, rounds = choose(measure, grid(64, "manhattan", training_people=True), PEOPLE, never=("templates",))  # type: ignore[arg-type]
    assert all(step.step != "templates" for step in chosen)
    assert next(gain for gain in rounds[0] if gain.name == "templates").real()


def test_noise_is_rarely_chosen() -> None:
    taken = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        base = Trial((), BASE, BASE / 1000)
        tries = [Trial((ExpansionStep(n=n),), BASE + rng.normal(0, 60, 180), BASE / 1000) for n in range(1, 9)]
        taken += gain_of("query-expansion", tries, base, PEOPLE, halves(PEOPLE)).real()
    assert taken <= 4


def test_the_test_of_a_gain_says_real_as_often_as_it_promises() -> None:
    first, base = halves(PEOPLE), Trial((), BASE, BASE)
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tries = [Trial((ExpansionStep(n=n),), BASE + rng.normal(0, 60, 180), BASE) for n in range(1, 9)]
        called += gain_of("query-expansion", tries, base, PEOPLE, first).score.p_value < 0.05
    assert 2 <= called <= 20  # one in twenty; repeating only the measuring, not the choosing, gives one in ten


def test_each_half_is_measured_with_what_the_other_chose() -> None:
    first = halves(PEOPLE)
    good_on_first = Trial((ExpansionStep(n=1),), BASE + 10 * first, BASE)
    good_on_second = Trial((ExpansionStep(n=2),), BASE + 20 * ~first, BASE)
    gain = gain_of("query-expansion", [good_on_first, good_on_second], Trial((), BASE, BASE), PEOPLE, first)
    assert gain.score.difference == 0  # each half chose what does nothing on the other
    assert gain.steps == (ExpansionStep(n=2),)


def test_the_goal_decides() -> None:
    more_score = Trial((ExpansionStep(n=1),), BASE + 10, BASE)
    more_precision = Trial((ExpansionStep(n=2),), BASE, BASE + 1)
    trials, base, first = [more_score, more_precision], Trial((), BASE, BASE), halves(PEOPLE)
    assert gain_of("query-expansion", trials, base, PEOPLE, first).steps == more_score.steps
    by_map = gain_of("query-expansion", trials, base, PEOPLE, first, "map")
    assert by_map.steps == more_precision.steps
    assert (by_map.real(), by_map.real("map")) == (False, True)


def test_halves_divide_people_not_photos() -> None:
    first = halves(PEOPLE)
    for person in set(PEOPLE):
        assert len({first[i] for i, each in enumerate(PEOPLE) if each == person}) == 1
    assert 80 <= first.sum() <= 100
    turned = halves(PEOPLE[::-1])[::-1]
    assert (turned == first).all()


def test_steps_stand_in_the_order_they_are_done() -> None:
    steps = (ReciprocalStep(), ExpansionStep(), FlipStep(), WhitenStep(), TemplatesStep())
    assert [step.step for step in in_order(steps)] == [
        "flip", "whiten", "templates", "query-expansion", "k-reciprocal"
    ]  # fmt: skip


def test_the_grid_fits_the_embedding() -> None:
    kept = {step.components for step in grid(4096, "euclidean", training_people=True)["whiten"]}  # type: ignore[union-attr]
    assert kept == {512}
    assert "whiten" not in grid(8, "cosine", training_people=False)
    assert "k-reciprocal" not in grid(8, "manhattan", training_people=False)
    assert list(grid(8, "hamming", training_people=True)) == ["flip"]  # nothing else changes bits
    assert ablation(lambda steps: Trial(steps, BASE, BASE), {"flip": (FlipStep(),)}, PEOPLE, (FlipStep(),)) == []


def test_of_steps_that_give_distances_one_is_taken() -> None:
    steps = grid(8, "cosine", training_people=True)
    assert {"bridge", "cohort"} <= set(steps)
    assert not {"bridge", "cohort", "whiten"} & set(grid(8, "cosine", training_people=False))
    tried = [gain.name for gain in ablation(lambda steps: Trial(steps, BASE, BASE), steps, PEOPLE, (CohortStep(),))]
    assert tried == [name for name in steps if name not in ("bridge", "cohort", "k-reciprocal")]
