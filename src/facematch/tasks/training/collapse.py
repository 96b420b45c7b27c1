"""The guard of a hopeless run: it stops training that has collapsed, and names the remedy.

A triplet network collapses when it maps every photo to one point: the loss then stays at the margin
(at ln 2 for the soft one), nearly every triplet is active, and no step changes anything. The criteria
are conservative: a run that is merely slow at its start must never be stopped.
"""

import math
from collections import deque
from collections.abc import Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from facematch.core.errors import FacematchError

COLLAPSED_SPREAD = 0.02  # of 1 for well spread embeddings; random networks begin far above
SAME_DISTANCE = 0.02  # share by which negatives must lie farther away than positives
NEARLY_ALL = 0.95  # share of active triplets
NEAR_MARGIN = 0.03  # share of the margin by which the loss may differ from it
LEARNING = 0.005  # a loss that falls by this share of the margin from one half to the next is learning
RISING = 1.1  # a spread or a gap that grows by this factor from one half to the next is recovering

_REMEDY = (
    "Begin with an easier mining (loss.mining: {1: semi-hard, 20: batch-hard}, or batch-all), learn the people "
    "as classes first (loss.classifier_epochs: 5), warm up longer (training.warmup_epochs) or lower "
    "training.learning_rate. training.collapse_guard: false turns this check off."
)


class Observation(NamedTuple):
    """What one training step showed, by the names of `TripletResult`."""

    loss: float
    active_share: float
    mean_positive: float
    mean_negative: float
    spread: float


class CollapseGuard:
    """Watches the last `steps` training steps; raises when they show a collapse.

    `state` and `load` carry the window through a checkpoint, so that a resumed run is stopped at the
    very step at which the unbroken one would have been.
    """

    def __init__(self, steps: int, margin: float | Literal["soft"]) -> None:
        self._window: deque[Observation] = deque(maxlen=steps)
        self._margin = margin

    def observe(self, seen: Observation) -> None:
        """Take in one step. Raises FacematchError for a collapse."""
        self._window.append(seen)
        if len(self._window) == self._window.maxlen and collapsed(self._window, self._margin):
            raise FacematchError(_what_was_seen(self._window, self._margin), _REMEDY)

    def state(self) -> list[list[float]]:
        """Return the window, oldest step first, as plain numbers."""
        return [list(seen) for seen in self._window]

    def load(self, state: Sequence[Sequence[float]]) -> None:
        """Take over a window that `state` returned; of a longer one, its last steps. Raises TypeError for another."""
        self._window = deque((Observation(*map(float, row)) for row in state), self._window.maxlen)


def collapsed(window: Sequence[Observation], margin: float | Literal["soft"]) -> bool:
    """Return whether a window of steps, oldest first, shows a collapse.

    Either the embeddings' spread is below `COLLAPSED_SPREAD` on average and not growing; or in every step
    positives are as far apart as negatives and nearly all triplets active, while the loss stays at the
    margin and neither it nor the gap between negatives and positives improves from the window's first
    half to its second.
    """
    spreads = [seen.spread for seen in window]
    if fmean(spreads) < COLLAPSED_SPREAD and not _grows(spreads):
        return True
    gaps = [seen.mean_negative - seen.mean_positive for seen in window]
    losses = [seen.loss for seen in window]
    at = math.log(2) if margin == "soft" else margin
    before, after = _halves(losses)
    return (
        all(gap <= SAME_DISTANCE * seen.mean_negative for gap, seen in zip(gaps, window, strict=True))
        and all(seen.active_share > NEARLY_ALL for seen in window)
        and abs(fmean(losses) - at) < NEAR_MARGIN * at
        and after > before - LEARNING * at
        and not _grows(gaps)
    )


def _what_was_seen(window: Sequence[Observation], margin: float | Literal["soft"]) -> str:
    loss, active, positive, negative, spread = (fmean(column) for column in zip(*window, strict=True))
    at = "ln 2 = 0.693 (soft margin)" if margin == "soft" else f"margin {margin:g}"
    return (
        f"Training has collapsed: over the last {len(window)} steps the spread of the embeddings was "
        f"{spread:.3g} (1 is well spread, 0 is one point), the mean distance {positive:.3g} within identities "
        f"and {negative:.3g} between them, the loss {loss:.4g} at {at}, with {active:.1%} of the triplets active."
    )


def _halves(values: Sequence[float]) -> tuple[float, float]:
    half = max(1, len(values) // 2)
    return fmean(values[:half]), fmean(values[-half:])


def _grows(values: Sequence[float]) -> bool:
    before, after = _halves(values)
    return after > RISING * max(0.0, before)
