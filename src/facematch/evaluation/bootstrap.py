"""One figure with its interval: people are drawn again, not photos.

Photos of one person are not independent, so whole people are drawn with replacement (cluster bootstrap,
Field & Welsh 2007) and the percentiles are expanded for the small number of people (Hesterberg, What
Teachers Should Know About the Bootstrap, The American Statistician 2015).
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.core.frame import frame
from facematch.core.text import with_interval

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]

MIN_PEOPLE = 10  # with fewer, no interval is worth its name
ROUNDS = 2000
_CELLS = 4_000_000  # weights held at once


@dataclass(frozen=True)
class Estimate:
    """One number of an evaluation: its value, 95 % interval over people, and what it rests on.

    `value` is None where nothing defines it, `interval` with fewer than 10 people; `note` then begins
    with "insufficient data" and says what is missing. `count` is the number of queries (or pairs).
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    count: int
    people: int
    note: str = ""

    def __str__(self) -> str:
        return with_interval(self.value, self.interval)

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame of pandas with one row: name, value, low, high, count, people, note."""
        low, high = self.interval or (None, None)
        values = {"value": self.value, "low": low, "high": high, "count": self.count, "people": self.people}
        return frame({"name": [self.name], **{key: [value] for key, value in values.items()}, "note": [self.note]})

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}


def mean_figure(
    name: str, values: ArrayLike, groups: Sequence[Hashable], *, rounds: int = ROUNDS, seed: int = 0
) -> Estimate:
    """Return the mean over queries, with its interval over people.

    `values` holds one share (0–1) for each of Q queries, NaN where it is not defined: such a query leaves
    the mean. `groups` says who each query shows.

    Where all are 1, or all 0, every draw is the same. The interval then reaches as far as a share of people
    who have any other value could go unseen: with n people all right, down to 0.025^(1/n) (the exact
    one-sided bound of Clopper & Pearson 1934, people in place of trials).
    """
    numbers = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(numbers)
    kept = [group for group, keep in zip(groups, there, strict=True) if keep]
    if not kept:
        return Estimate(name, None, None, 0, 0, f"insufficient data: none of {len(numbers)} queries defines it")
    codes = codes_of(kept)
    sums, counts = np.bincount(codes, weights=numbers[there]), np.bincount(codes)

    def mean(weights: Floats) -> Floats:
        found: Floats = (weights @ sums) / (weights @ counts)
        return found

    value = float(numbers[there].mean())
    figure = _figure(name, value, mean, len(kept), len(sums), rounds, seed)
    if figure.interval is not None and set(numbers[there].tolist()) in ({0.0}, {1.0}):
        unseen = 1 - 0.025 ** (1 / len(sums))
        return replace(figure, interval=(1 - unseen, 1.0) if value else (0.0, unseen))
    return figure


def statistic_figure(
    name: str,
    statistic: Statistic,
    count: int,
    people: int,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Estimate:
    """Return any figure that can be computed with people weighted, with its interval over them.

    `statistic` takes R×P weights, how often each of P people was drawn, and returns R values, NaN where
    a draw does not define it; its value at weights of 1 is the figure. Draws without a value are left
    out; with more than one in twenty of them the figure has no interval.
    """
    value = float(statistic(np.ones((1, people)))[0]) if people else math.nan
    if math.isnan(value):
        return Estimate(name, None, None, count, people, "insufficient data: it is not defined on these people")
    return _figure(name, value, statistic, count, people, rounds, seed)


def codes_of(groups: Sequence[Hashable]) -> Ints:
    """Return the number of each of N groups, from 0 in order of first appearance."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups], dtype=np.int64)


def draw_weights(people: int, rounds: int, rng: np.random.Generator) -> Floats:
    """Return how often each of P people is drawn in R rounds of P draws with replacement: R×P."""
    return rng.multinomial(people, np.full(people, 1 / people), size=rounds).astype(np.float64)


def expanded_percentiles(values: Floats, people: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of B bootstrap values, expanded for the number of people.

    The level is Φ(−t·√(n/(n−1))) instead of Φ(−z), so that the interval of a mean is as wide as
    Student's (Hesterberg 2015, section 4.2).
    """
    level = NormalDist().cdf(-student(people - 1) * math.sqrt(people / (people - 1)))
    low = np.quantile(values, level, method="lower")
    high = np.quantile(values, 1 - level, method="higher")
    return float(low), float(high)


def student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t by its expansion at the normal (Abramowitz & Stegun 26.7.5).

    Within 0.001 from 9 degrees of freedom on.
    """
    z = NormalDist().inv_cdf(0.975)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def _figure(name: str, value: float, statistic: Statistic, count: int, people: int, rounds: int, seed: int) -> Estimate:
    if people < MIN_PEOPLE:
        note = f"insufficient data for an interval: {people} people, at least {MIN_PEOPLE} are needed"
        return Estimate(name, value, None, count, people, note)
    rng = np.random.default_rng(seed)
    most = max(1, _CELLS // people)
    parts = [statistic(draw_weights(people, min(most, rounds - at), rng)) for at in range(0, rounds, most)]
    drawn = np.concatenate(parts)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < 0.95 * rounds:
        note = "insufficient data for an interval: more than one draw of people in twenty does not define the figure"
        return Estimate(name, value, None, count, people, note)
    low, high = expanded_percentiles(drawn, people)
    return Estimate(name, value, (min(low, value), max(high, value)), count, people)
