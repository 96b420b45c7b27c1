"""The weights of an ensemble: chosen on one half of the people, measured on the other, both ways round."""

from collections.abc import Callable, Hashable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.task import halves
from facematch.tasks.compare.results import Values

Weights = tuple[float, ...]
_MEAN_AP = 1e-6  # its part beside the figure that decides: where that is equal, mAP decides


def weight_grid(members: int) -> list[Weights]:
    """Return the weights that are tried, summing to 1: tenths for up to three members, else fifths.

    Those nearest to equal weights come first, so that of equally good ones they are chosen.
    """
    parts = 10 if members <= 3 else 5
    found = [each for each in product(range(parts + 1), repeat=members) if sum(each) == parts]
    found.sort(key=lambda each: (sum(part * part for part in each), tuple(-part for part in each)))
    return [tuple(part / parts for part in each) for each in found]


def tune_weights(
    measure: Callable[[Weights], tuple[Values, Values]], grid: Sequence[Weights], people: Sequence[Hashable], by: str
) -> tuple[Weights, Values]:
    """Return the weights of `grid` with the largest mean of figure `by`, and what cross-chosen ones reach (Q values).

    `measure` returns the figures' values on each of Q queries, which show `people`, twice: with all that is fitted on
    the second half of them, which judges the first, and the other way round. Each half of the people is measured with
    the weights that are best for the other half, by what is fitted there.
    """
    trials = [[values[by] + _MEAN_AP * values["mAP"] for values in measure(weights)] for weights in grid]
    first = _first_half(people)

    def best(values: Sequence[Floats], rows: NDArray[np.bool_]) -> Weights:
        means = [float(np.nanmean(trial[rows])) if np.isfinite(trial[rows]).any() else 0.0 for trial in values]
        return grid[int(np.argmax(means))]

    chosen = [best([trial[0] for trial in trials], ~first), best([trial[1] for trial in trials], first)]
    values = across_halves((measure(chosen[0])[0], measure(chosen[1])[1]), people)
    return best([np.where(first, *trial) for trial in trials], np.ones(len(first), dtype=np.bool_)), values


def across_halves(values: tuple[Values, Values], people: Sequence[Hashable]) -> Values:
    """Return the first values for the queries (Q) of the first half of `people`, and the second for the others."""
    first = _first_half(people)
    return {name: np.where(first, values[0][name], values[1][name]) for name in values[0]}


def _first_half(people: Sequence[Hashable]) -> NDArray[np.bool_]:
    return halves([str(person) for person in people])
