"""Some of many: in order, the first and the last among them, gaps alike."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.text import evenly


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
