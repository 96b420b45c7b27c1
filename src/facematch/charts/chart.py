"""Charts as values: up to four series between two axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from facematch.charts.axes import Axis

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
