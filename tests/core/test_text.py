"""Words for counts, lists and intervals, and text that a terminal or a page can show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.text import (
    brief,
    count_of,
    evenly,
    first_of,
    interval_words,
    number_words,
    printable,
    with_interval,
)


@given(st.text(), st.integers(1, 30))
def test_a_brief_text_is_one_printable_line(text: str, limit: int) -> None:
    short = brief(text, limit)
    assert len(short) <= limit
    assert short.isprintable()
    assert brief(short, limit) == short
    assert short.encode("utf-8").decode("utf-8") == short


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        (" a\tb\n c ", 9, "a b c"),
        ("a" * 9, 9, "a" * 9),
        ("a" * 10, 9, "a" * 8 + "…"),
        ("\x1b[2J", 9, "[2J"),
        ("", 9, ""),
    ],
)
def test_a_brief_text(text: str, limit: int, short: str) -> None:
    assert brief(text, limit) == short


@given(st.text())
def test_a_printable_text_is_as_long_and_obeys_nothing(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert shown.isprintable()
    assert all(one == other or other == "\ufffd" for one, other in zip(text, shown, strict=True))


def test_counts_and_lists() -> None:
    assert [count_of(n, "photo", "photos") for n in (0, 1, 1200)] == ["0 photos", "1 photo", "1,200 photos"]
    assert first_of(["a", "b"], 2) == "a, b"
    assert first_of(["a", "b\n", "c"], 2) == "a, b, …"


@pytest.mark.parametrize(
    ("value", "ends", "form", "words"),
    [
        (0.8125, (0.79, 0.8334), ".3f", "0.812 [0.790–0.833]"),
        (0.8125, None, ".3f", "0.812"),
        (None, None, ".3f", "insufficient data"),
        (-0.004, (-0.01, 0.002), "+.3f", "−0.004 [−0.010 to +0.002]"),
        (912.3, (850.0, 960.5), ".0f", "912 [850–960]"),
        (0.5, (0.25, 1), ".0%", "50% [25%–100%]"),
    ],
)
def test_a_value_with_its_interval(
    value: float | None, ends: tuple[float, float] | None, form: str, words: str
) -> None:
    assert with_interval(value, ends, form) == words
    assert interval_words(ends, form) == words.partition("[")[1] + words.partition("[")[2]
    assert value is None or number_words(value, form) == words.split(" ")[0]


@settings(max_examples=50, deadline=None)
@given(total=st.integers(0, 400), limit=st.integers(1, 100))
def test_an_even_choice_keeps_order_first_and_last(total: int, limit: int) -> None:
    shown = evenly(range(total), limit)
    assert total <= limit or shown == np.linspace(0, total - 1, limit).round().astype(int).tolist()
    assert len(shown) == min(total, limit)
    assert shown == sorted(set(shown))
    if total > limit > 1:
        assert (shown[0], shown[-1]) == (0, total - 1)
        gaps = np.diff(shown)
        assert gaps.max() - gaps.min() <= 1
