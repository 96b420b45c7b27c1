"""Some of many, spread over all of them: what is looked at, timed or tried where all would be too many."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly(values: Sequence[T], limit: int) -> list[T]:
    """Return at most `limit` of the values, in order, spread evenly from the first to the last."""
    if len(values) <= limit:
        return list(values)
    return [values[place] for place in np.linspace(0, len(values) - 1, limit).round().astype(int).tolist()]
