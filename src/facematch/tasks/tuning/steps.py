"""Choosing refine steps on validation people, and saying what each one gains on people it was not chosen on."""

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.bootstrap import MIN_PEOPLE, ROUNDS, Floats, codes_of, draw_weights, expanded_percentiles
from facematch.evaluation.comparison import Comparison
from facematch.evaluation.task import halves
from facematch.settings.ranking import Metric
from facematch.settings.refine import NAMES, SECTIONS, PluginStep, Step

Goal = Literal["score", "map"]
_REAL = 0.05  # p-value below which a gain is called real


@dataclass(frozen=True, eq=False)
class Trial:
    """What a list of steps scores: for each of Q queries its part of the score and its average precision."""

    steps: tuple[Step, ...]
    scores: Floats
    precisions: Floats


@dataclass(frozen=True)
class Gain:
    """What steps gain over others on the same queries.

    `steps` are those that are best on all people; `score` and `precision` compare them, with parameters
    chosen on one half of the people and measured on the other, both ways round.
    """

    name: str
    steps: tuple[Step, ...]
    score: Comparison
    precision: Comparison

    def real(self, goal: Goal = "score") -> bool:
        """Return whether the goal rises by more than luck explains."""
        found = self.by(goal)
        return found.difference > 0 and found.p_value < _REAL

    def by(self, goal: Goal) -> Comparison:
        """Return the comparison by the goal."""
        return self.score if goal == "score" else self.precision


Measure = Callable[[tuple[Step, ...]], Trial]


def grid(dimensions: int, metric: Metric, *, training_people: bool) -> dict[str, tuple[Step, ...]]:
    """Return the parameters that are tried for each step, by its name, in the order steps are done.

    `dimensions` is the embedding's; without `training_people` steps that need them are left out.
    """
    tried: dict[str, tuple[Step, ...]] = {
        name: each.tried(dimensions) for name, each in SECTIONS.items() if metric in each.metrics
    }
    for step in PluginStep.installed():
        tried[step.step] = (*tried.get(step.step, ()), step)
    return {name: steps for name, steps in tried.items() if steps and (training_people or not steps[0].training_people)}


def gain_of(
    name: str,
    trials: Sequence[Trial],
    base: Trial,
    people: Sequence[Hashable],
    first: NDArray[np.bool_],
    goal: Goal = "score",
) -> Gain:
    """Compare the best of `trials` with `base`: chosen on one half of the people, measured on the other.

    `first` says for each query whether its person belongs to the first half. Ties go to the earlier trial.
    """
    codes = codes_of(people)
    counts = np.bincount(codes).astype(np.float64)
    in_first = np.bincount(codes, weights=first) > 0
    scores, precisions = (
        np.stack([np.bincount(codes, weights=each) for each in differences], axis=1).astype(np.float64)
        for differences in (
            [trial.scores - base.scores for trial in trials],
            [trial.precisions - base.precisions for trial in trials],
        )
    )
    wanted = scores + 1e-6 * precisions if goal == "score" else precisions + 1e-9 * scores
    best = trials[int(wanted.sum(axis=0).argmax())]
    found = [cross_fitted(wanted, values, counts, in_first) for values in (scores, precisions)]
    return Gain(name, best.steps, found[0], found[1])


def cross_fitted(wanted: Floats, values: Floats, counts: Floats, first: NDArray[np.bool_]) -> Comparison:
    """Return what the best of T trials gains when one half of P people chooses it and the other measures it.

    `wanted` (P×T) are each person's summed differences in what is chosen by, `values` (P×T) in what is
    measured, `counts` (P) its queries. The two halves choose and measure in turn; the estimate is not
    biased by the choice, but the two parts depend on each other where both chose alike, so interval and
    test repeat the choosing: the interval in each draw of people, the test under each random flip of all
    of a person's differences (two-sided; Westfall & Young 1993).
    """

    def gain(weights: Floats) -> Floats:  # R×P → R
        total = np.zeros(len(weights))
        for side in (first, ~first):
            chosen = (weights[:, ~side] @ wanted[~side]).argmax(axis=1)
            measured = weights[:, side] @ values[side]
            total += np.take_along_axis(measured, chosen[:, None], 1)[:, 0]
        return total

    people, queries = len(counts), int(counts.sum())
    rng = np.random.default_rng(0)
    observed = float(gain(np.ones((1, people)))[0])
    interval = None
    if people >= MIN_PEOPLE:
        drawn = draw_weights(people, ROUNDS, rng)
        interval = expanded_percentiles(gain(drawn) / (drawn @ counts), people)
    if not np.abs(values).any():
        return Comparison(0.0, interval, 1.0, people, queries)
    flipped = gain(rng.choice([-1.0, 1.0], size=(ROUNDS, people)))
    above, below = (1 + int((flipped >= observed - 1e-9).sum())), (1 + int((flipped <= observed + 1e-9).sum()))
    return Comparison(observed / queries, interval, min(1.0, 2 * min(above, below) / (ROUNDS + 1)), people, queries)


def ablation(
    measure: Measure,
    steps: Mapping[str, Sequence[Step]],
    people: Sequence[Hashable],
    before: tuple[Step, ...] = (),
    goal: Goal = "score",
) -> list[Gain]:
    """Return what each step gains when it is added alone to the steps `before`; those it has already are left out.

    So are, where one of them gives distances, the others that do.
    """
    base, first = measure(before), halves(people)
    names: set[str] = {step.step for step in before}
    if any(step.gives_distances for step in before):
        names |= {name for name, choices in steps.items() if choices[0].gives_distances}
    return [
        gain_of(name, [measure(in_order((*before, step))) for step in choices], base, people, first, goal)
        for name, choices in steps.items()
        if name not in names
    ]


def choose(
    measure: Measure,
    steps: Mapping[str, Sequence[Step]],
    people: Sequence[Hashable],
    goal: Goal = "score",
    never: Container[str] = (),
) -> tuple[tuple[Step, ...], list[list[Gain]]]:
    """Return the steps to use, and the gains of each round: in the first those of each step alone.

    Greedily the step that gains most for the goal is added, as long as its gain is real. Steps named in `never` are
    measured and not chosen.
    """
    chosen: tuple[Step, ...] = ()
    rounds: list[list[Gain]] = []
    while True:
        rounds.append(ablation(measure, steps, people, chosen, goal))
        real = [gain for gain in rounds[-1] if gain.real(goal) and gain.name not in never]
        if not real:
            return chosen, rounds
        chosen = max(real, key=lambda gain: gain.by(goal).difference).steps


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return steps in the order in which they are done; those of plug-ins by name, before the one that ranks."""

    def place(step: Step) -> tuple[bool, int, str]:
        known = step.step in NAMES
        return step.gives_distances, NAMES.index(step.step) if known else len(NAMES), "" if known else step.step

    return tuple(sorted(steps, key=place))
