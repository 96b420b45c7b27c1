"""The weights of an ensemble: chosen on one half of the people, measured on the other, both ways round."""

from collections.abc import Callable, Hashable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

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
    measure: Callable[[Weights], Values], grid: Sequence[Weights], people: Sequence[Hashable], by: str
) -> tuple[Weights, Values]:
    """Return the weights of `grid` with the largest mean of figure `by`, and what cross-chosen ones reach (Q values).

    `measure` returns a figure's values on each of Q queries, which show `people`. Each half of the people is
    measured with the weights that are best for the other half.
    """
    trials = [values[by] + _MEAN_AP * values["mAP"] for values in map(measure, grid)]
    first = halves([str(person) for person in people])

    def best(rows: NDArray[np.bool_]) -> Weights:
        means = [float(np.nanmean(trial[rows])) if np.isfinite(trial[rows]).any() else 0.0 for trial in trials]
        return grid[int(np.argmax(means))]

    chosen = measure(best(~first)), measure(best(first))
    values = {name: np.where(first, chosen[0][name], chosen[1][name]) for name in chosen[0]}
    return best(np.ones(len(first), dtype=np.bool_)), values
