"""Commands are tested without the network that comes with facematch, unless a test says so."""

import pytest


@pytest.fixture(autouse=True)
def _without_default(without_default: None) -> None:
    """Hide it for every test of this folder."""
