"""No proxy of the machine stands between a test and its servers."""

import pytest

from net import without_proxies


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)
