"""Small tie groups for tests, and every order that their ties allow."""

from collections.abc import Iterator, Sequence
from itertools import chain, permutations, product

import numpy as np
from hypothesis import strategies as st

from facematch.evaluation.tie_groups import TieGroups

Row = Sequence[tuple[int, int]]  # photos and right photos of each group


def tie_groups(rows: Sequence[Row], people: Sequence[str] | None = None) -> TieGroups:
    """Tie groups of given counts at distances 0, 1, 2 …, shorter rows filled up with empty groups."""
    width = max(map(len, rows))
    counts = np.array([[*row, *[(0, 0)] * (width - len(row))] for row in rows], dtype=np.int64)
    names = tuple(f"q{i:03}" for i in range(len(rows)))
    distances = np.broadcast_to(np.arange(width, dtype=np.float32), counts.shape[:2])
    return TieGroups(names, tuple(names if people is None else people), distances, counts[..., 0], counts[..., 1])


@st.composite
def row(draw: st.DrawFn, most: int = 6) -> Row:
    """A gallery of at most `most` photos in groups, of which some may be empty."""
    sizes = draw(st.lists(st.integers(0, most), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) <= most))
    return [(size, draw(st.integers(0, size))) for size in sizes]


def orders(groups: Row) -> Iterator[list[bool]]:
    """Which places are right, for every permutation of the photos within each group."""
    each = [permutations([True] * right + [False] * (size - right)) for size, right in groups]
    for chosen in product(*each):
        yield list(chain.from_iterable(chosen))


def precision_sum(right: Sequence[bool]) -> float:
    """The precisions at the right places, summed."""
    return sum(sum(right[: place + 1]) / (place + 1) for place, there in enumerate(right) if there)
