"""What the tests of hard cases share: a disk that fills."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from small_disk import SmallDisk, a_small_disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Make a disk of so many bytes: `disk = small_disk(50 * MEGABYTE)`; then `disk.fill(leave=…)`, `disk.free()`."""
    with ExitStack() as made:
        yield lambda size: made.enter_context(a_small_disk(tmp_path / "disk", size))
