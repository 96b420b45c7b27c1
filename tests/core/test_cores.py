"""A network and the photos beside it take turns on the processor; on another device nobody waits."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import cv2
import pytest

from facematch.core import cores
from facematch.core.cores import every_core, photo_turn, single_threaded_opencv
from turns import begins_within


@pytest.fixture(autouse=True)
def _nobody_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of their own for each test: who waited at the end of the one before may still be about to go on."""
    monkeypatch.setattr(cores, "_TURNS", cores._Turns())


def test_photos_wait_for_a_network_on_the_processor_only() -> None:
    with every_core():
        assert not begins_within(0.2, photo_turn())
    with every_core("cuda"):
        assert begins_within(60, photo_turn())


def test_a_network_waits_for_photos_that_were_begun_and_for_other_networks() -> None:
    with photo_turn():
        assert not begins_within(0.2, every_core())
        assert begins_within(60, every_core("cuda"))
    with every_core():
        assert not begins_within(0.2, every_core())


def test_photos_do_not_wait_for_each_other() -> None:
    with photo_turn():
        assert begins_within(60, photo_turn())


@pytest.mark.parametrize("turn", [photo_turn, every_core])
def test_a_turn_that_fails_ends(turn: Callable[[], AbstractContextManager[None]]) -> None:
    with pytest.raises(KeyboardInterrupt), turn():
        raise KeyboardInterrupt
    assert begins_within(60, every_core())
    assert begins_within(60, photo_turn())


def test_whoever_waits_goes_on() -> None:
    begun = threading.Event()

    def photo() -> None:
        with photo_turn():
            begun.set()

    with every_core():
        thread = threading.Thread(target=photo)
        thread.start()
        assert not begun.wait(0.1)
    assert begun.wait(60)
    thread.join()


def test_opencv_has_one_thread_meanwhile_and_then_as_many_as_before() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        with single_threaded_opencv():
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 2
        with pytest.raises(KeyboardInterrupt), single_threaded_opencv():
            raise KeyboardInterrupt
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_of_several_that_want_one_thread_the_last_to_leave_restores_the_number() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        first, second = single_threaded_opencv(), single_threaded_opencv()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)  # generators that are read in turn do not leave in reverse
        assert cv2.getNumThreads() == 1
        second.__exit__(None, None, None)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
