"""What the tests of copies and of sources keep between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch.cache import Cache
from facematch.leaks.contents import content_cache


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """Yield an empty cache of photos' contents."""
    with content_cache(tmp_path / "kept") as opened:
        yield opened
