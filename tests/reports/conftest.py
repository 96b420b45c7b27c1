"""One browser for the pages of a module."""

from collections.abc import Iterator
from typing import Any

import pytest

from chromium import launched


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield a browser, or skip, as `launched`."""
    with launched() as opened:
        yield opened
