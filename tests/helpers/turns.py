"""Whether somebody has to wait for a turn on the processor."""

import threading
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import pytest

from facematch.core.cores import photo_turn


def begins_within(seconds: float, turn: AbstractContextManager[None]) -> bool:
    """Whether another thread gets its turn in that time; where it does not, it goes on waiting for it."""
    begun = threading.Event()

    def take() -> None:
        with turn:
            begun.set()

    threading.Thread(target=take, daemon=True).start()
    return begun.wait(seconds)


def photos_waiting(monkeypatch: pytest.MonkeyPatch, owner: type | ModuleType, method: str) -> list[bool]:
    """A list to which each call of a method adds whether photos had to wait meanwhile."""
    waited: list[bool] = []
    plain = getattr(owner, method)

    def watched(*given: Any, **named: Any) -> Any:
        waited.append(not begins_within(0.2, photo_turn()))
        return plain(*given, **named)

    monkeypatch.setattr(owner, method, watched)
    return waited
