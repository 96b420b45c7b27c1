"""Axes of a chart: where a value lies, and which numbers are written beside it."""

import math
from dataclasses import dataclass

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
