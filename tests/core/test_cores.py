"""A network and the photos beside it take turns on the processor; on another device nobody waits."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from facematch.core import cores
from facematch.core.cores import every_core, one_core
from turns import begins_within


@pytest.fixture(autouse=True)
def _nobody_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of their own for each test: who waited at the end of the one before may still be about to go on."""
    monkeypatch.setattr(cores, "_TURNS", cores._Turns())


def test_photos_wait_for_a_network_on_the_processor_only() -> None:
    with every_core():
        assert not begins_within(0.2, one_core())
    with every_core("cuda"):
        assert begins_within(60, one_core())


def test_a_network_waits_for_photos_that_were_begun_and_for_other_networks() -> None:
    with one_core():
        assert not begins_within(0.2, every_core())
        assert begins_within(60, every_core("cuda"))
    with every_core():
        assert not begins_within(0.2, every_core())


def test_photos_do_not_wait_for_each_other() -> None:
    with one_core():
        assert begins_within(60, one_core())


@pytest.mark.parametrize("turn", [one_core, every_core])
def test_a_turn_that_fails_ends(turn: Callable[[], AbstractContextManager[None]]) -> None:
    with pytest.raises(KeyboardInterrupt), turn():
        raise KeyboardInterrupt
    assert begins_within(60, every_core())
    assert begins_within(60, one_core())


def test_whoever_waits_goes_on() -> None:
    begun = threading.Event()

    def photo() -> None:
        with one_core():
            begun.set()

    with every_core():
        thread = threading.Thread(target=photo)
        thread.start()
        assert not begun.wait(0.1)
    assert begun.wait(60)
    thread.join()
