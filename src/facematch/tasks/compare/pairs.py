"""Which differences between systems are more than luck: every pair, with p-values adjusted for their number."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from facematch.evaluation.bootstrap import Floats
from facematch.evaluation.comparison import Comparison, paired_values

REAL = 0.05  # adjusted p-value below which a difference is called real


@dataclass(frozen=True)
class Pair:
    """Two systems on the same queries: what `better` reaches above `worse`, and the p-value over all pairs.

    `adjusted` is that of Holm: where it is below 0.05, at most one comparison in twenty calls any equal pair different.
    """

    better: str
    worse: str
    comparison: Comparison
    adjusted: float

    @property
    def real(self) -> bool:
        """Return whether the difference is more than luck explains."""
        return self.adjusted < REAL

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "better": self.better, "worse": self.worse, **self.comparison.as_dict(),
            "adjusted_p_value": self.adjusted, "real": self.real,
        }  # fmt: skip


def compare_pairs(systems: Mapping[str, Floats], groups: Sequence[Hashable]) -> list[Pair]:
    """Return every pair of systems compared on the queries that define the figure, p-values adjusted over all pairs.

    `systems` holds the values of one figure by the system's name, in the same order of queries. The larger mean is
    the better one, the earlier of two equal ones.
    """
    every = list(combinations(systems, 2))
    found, rounds = [], draws_for(len(every))
    for first, second in every:
        difference = systems[first] - systems[second]
        defined = difference[~np.isnan(difference)]
        if len(defined):
            better, worse = (first, second) if defined.mean() >= 0 else (second, first)
            found.append((better, worse, paired_values(systems[better], systems[worse], groups, rounds=rounds)))
    adjusted = holm([comparison.p_value for _, _, comparison in found])
    return [Pair(*each, p_value) for each, p_value in zip(found, adjusted, strict=True)]


def draws_for(pairs: int) -> int:
    """Return how many random draws of people a test needs so that its smallest p-value, times `pairs`, can be real."""
    return max(5000, 40 * pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in the order given (Holm, Scandinavian J. of Statistics 6, 1979).

    The i-th smallest of m is multiplied by m − i + 1; none is below that of a smaller one, none above 1.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = least
    return adjusted
