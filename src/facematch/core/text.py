"""Words for counts, lists and intervals, some of many, and text of strangers fit for a terminal or a page."""

from collections.abc import Sequence
from typing import TypeVar

LONGEST = 200  # characters of a file's own words, or of a library's, in a message

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


def brief(words: object, limit: int = LONGEST) -> str:
    """Return a text in one line of at most `limit` printable characters: a name, a library's words, a value found."""
    text = str(words)[: 4 * limit]
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def number_words(value: float, form: str = ".3f") -> str:
    """Return a number as tables and pages show it; `form` is Python's, "+.3f" for a difference."""
    return format(value, form).replace("-", "−")


def interval_words(ends: Sequence[float] | None, form: str = ".3f") -> str:
    """Return "[0.790–0.833]", of differences "[−0.010 to +0.020]", and nothing where there is no interval."""
    between = " to " if "+" in form else "–"
    return "" if ends is None else f"[{between.join(number_words(end, form) for end in ends)}]"


def with_interval(value: float | None, ends: Sequence[float] | None, form: str = ".3f") -> str:
    """Return "0.812 [0.790–0.833]", the value alone without an interval, "insufficient data" without a value."""
    if value is None:
        return "insufficient data"
    return f"{number_words(value, form)} {interval_words(ends, form)}".rstrip()
