"""Photos share memory: ordinary ones wait for nobody, large ones for each other, and nobody for ever."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core import cores
from facematch.core.cores import SHARE, photo_turn, take_memory

MOST = 5 * SHARE


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 2)


class Taker:
    """A thread that takes memory for a photo and holds it until it is told to go on."""

    def __init__(self, *sizes: int) -> None:
        self.has, self.go_on = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._work, args=(sizes,), daemon=True)
        self.thread.start()

    def _work(self, sizes: tuple[int, ...]) -> None:
        with photo_turn():
            for size in sizes:
                take_memory(size, MOST)
            self.has.set()
            self.go_on.wait(60)

    def end(self) -> None:
        self.go_on.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


def test_a_large_photo_waits_until_there_is_room_and_those_behind_it_wait_too() -> None:
    first, large = Taker(SHARE), Taker(MOST)
    assert first.has.wait(60)
    assert not large.has.wait(0.1)
    third = Taker(SHARE)
    assert not third.has.wait(0.1)
    first.end()
    assert large.has.wait(60)
    assert not third.has.wait(0.1)
    large.end()
    assert third.has.wait(60)
    third.end()


def test_as_many_ordinary_photos_as_workers_never_wait() -> None:
    takers = [Taker(1000) for _ in range(5)]
    assert all(each.has.wait(60) for each in takers)
    for each in takers:
        each.end()


def test_what_is_more_than_all_there_is_goes_alone() -> None:
    huge = Taker(7 * MOST)
    assert huge.has.wait(60)
    other = Taker(SHARE)
    assert not other.has.wait(0.1)
    huge.end()
    assert other.has.wait(60)
    other.end()


def test_two_that_want_more_do_not_wait_for_each_other() -> None:
    takers, until = [Taker(2 * SHARE, 4 * SHARE) for _ in range(4)], time.monotonic() + 60
    while takers and time.monotonic() < until:
        for each in [taker for taker in takers if taker.has.wait(0.01)]:
            each.end()
            takers.remove(each)
    assert not takers


def test_outside_of_a_turn_nobody_waits() -> None:
    holder = Taker(MOST)
    assert holder.has.wait(60)
    take_memory(MOST, MOST)  # by a program that reads a photo by itself
    holder.end()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6 * SHARE), min_size=1, max_size=12))
def test_photos_together_take_no_more_than_there_is(sizes: list[int]) -> None:
    seen, lock = [], threading.Lock()

    def work(size: int) -> None:
        with photo_turn():
            take_memory(size, MOST)
            with lock:
                seen.append(cores._ROOM.taken)

    threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == len(sizes)
    assert max(seen) <= max(MOST, *sizes)
    assert cores._ROOM.taken == 0


def test_an_error_gives_back_what_was_taken() -> None:
    def fail() -> None:
        with photo_turn():
            take_memory(SHARE, MOST)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert cores._ROOM.taken == 0
