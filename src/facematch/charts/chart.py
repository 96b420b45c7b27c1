"""Charts as values: up to four series between two axes, which know where a value lies and which numbers to write."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_APART = 0.075  # of an axis, between two of its own ticks that can be read


@dataclass(frozen=True)
class Axis:
    """One direction of a chart: a label with its unit, and the range from `low` to `high`.

    Ticks are round numbers, or the values `at` where they are given. A `log` axis needs 0 < low. Raises ValueError for
    an empty range.
    """

    label: str
    low: float
    high: float
    log: bool = False
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"an axis goes from a lower to a higher number, not from {self.low} to {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic axis begins above 0, not at {self.low}")

    def share(self, values: ArrayLike) -> Floats:
        """Return where N values lie between low (0) and high (1); beyond the ends they are put on the end."""
        numbers = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        if self.log:
            return np.asarray(np.log(numbers / self.low) / math.log(self.high / self.low))
        return np.asarray((numbers - self.low) / (self.high - self.low))

    def ticks(self) -> list[float]:
        """Return round numbers within the range, about five, in steps of 1, 2 or 5 times a power of ten.

        On a logarithmic axis: the powers of ten, with 2 and 5 times them where there are few. Of the values `at` those
        that are far enough from the one before.
        """
        if self.at:
            kept: list[float] = []
            for value in sorted(set(self.at)):
                if not kept or np.diff(self.share([kept[-1], value]))[0] >= _APART:
                    kept.append(value)
            return kept
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            factors = (1, 2, 5) if high - low < 3 else (1,)
            every = [
                factor * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for factor in factors
            ]
            return [tick for tick in every if self.low * (1 - 1e-9) <= tick <= self.high * (1 + 1e-9)]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True)
class Box:
    """The plotted area of a drawing: its two axes, and where it lies in units of the drawing, y downwards."""

    x: Axis
    y: Axis
    left: float
    right: float
    top: float
    bottom: float

    def across(self, values: ArrayLike) -> Floats:
        """Return the x of N values in the drawing."""
        return self.left + self.x.share(values) * (self.right - self.left)

    def up(self, values: ArrayLike) -> Floats:
        """Return the y of N values in the drawing."""
        return self.bottom - self.y.share(values) * (self.bottom - self.top)


MOST = 4  # series that differ without colour


@dataclass(frozen=True, eq=False)
class Series:
    """N points of one kind, by their `x` and `y`; one with NaN is left out.

    `line` joins them; steps go on level until the next point, and from the last to the right end. The area down to the
    level `fill` is shaded. A point has a mark where `points` is set or `labels` has its number; the label is written
    beside it. `bars` are the ends of error bars (N×2, NaN where there is none), `titles` what pointing at a mark shows,
    `sizes` what the areas of the marks are in proportion to. Raises ValueError for lengths that differ.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    line: Literal["straight", "steps", ""] = "straight"
    points: bool = False
    labels: Mapping[int, str] = field(default_factory=dict)
    bars: ArrayLike = ()
    titles: Sequence[str] = ()
    sizes: ArrayLike = ()
    fill: float | None = None

    def __post_init__(self) -> None:
        shapes = [np.shape(each)[:1] for each in (self.x, self.y, self.bars, self.titles, self.sizes)]
        if len(set(shapes[:2]) | set(shapes[2:]) - {(0,)}) != 1 or np.ndim(self.x) != 1:
            raise ValueError(f"a series has equally many x, y, bars …; {self.label} has {shapes}")


@dataclass(frozen=True, eq=False)
class Chart:
    """Up to four series between two axes: a `title`, and in `words` what they show, for all who do not see it.

    `key` makes the ids of title and words, so it is unique on a page and holds letters only; a `square` chart is as
    high as wide. Raises ValueError for another key, and for more series.
    """

    key: str
    title: str
    words: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    square: bool = False

    def __post_init__(self) -> None:
        if not self.key.isalpha():
            raise ValueError(f"a chart's key is made of letters, not {self.key!r}")
        if len(self.series) > MOST:
            raise ValueError(f"the series of a chart differ in {MOST} ways; this one has {len(self.series)}")
