"""Words for counts and lists, some of many, and text made fit for a terminal or a page."""

from collections.abc import Sequence
from typing import TypeVar

from facematch.core.foreign import brief

T = TypeVar("T")


def count_of(number: int, one: str, many: str) -> str:
    """Return "1 <one>" or "<number> <many>"."""
    return f"{number:,} {one if number == 1 else many}"


def first_of(names: Sequence[str], limit: int = 5) -> str:
    """Return the first `limit` names, with an ellipsis where there are more."""
    return ", ".join([*map(brief, names[:limit]), *(["…"] if len(names) > limit else [])])


def evenly(values: Sequence[T], limit: int) -> list[T]:
    """Return at most `limit` of the values, in order, spread evenly from the first to the last."""
    if len(values) <= limit:
        return list(values)
    step = (len(values) - 1) / max(1, limit - 1)
    return [values[round(place * step)] for place in range(limit)]


def printable(text: str) -> str:
    """Return `text` with U+FFFD in place of every character that a terminal would obey or cannot show."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
