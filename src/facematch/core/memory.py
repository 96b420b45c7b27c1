"""Memory for photos: those that are worked on at once share it, and a large one waits until there is room.

A worker has `SHARE` bytes, which is a file of 8 MB and 12 megapixels while they are decoded. A photo that needs more
takes what the others have left: all of them together stay below `PhotoLimits.max_memory`, the most that one photo may
need, or the workers' shares where these are more. So on up to five cores photos take 500 MB, whatever comes.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 100_000_000  # bytes


class _Room:
    # What is taken in all. Whoever waits stands before those who come later, so that a large photo gets its turn.

    def __init__(self) -> None:
        self.changed, self.door = threading.Condition(), threading.Lock()
        self.taken = 0

    def take(self, size: int, most: int) -> None:
        with self.door, self.changed:
            self.changed.wait_for(lambda: not self.taken or self.taken + size <= most)
            self.taken += size

    def give_back(self, size: int) -> None:
        with self.changed:
            self.taken -= size
            self.changed.notify_all()


def _trimming() -> Callable[[int], object]:
    # What libraries freed stays with glibc for their next need, hundreds of megabytes of it; others give it back.
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda keep: None
    return trim


_trim = _trimming()


class _Own(threading.local):
    # What a thread has taken for its photo; None where it takes no turn, as a program that reads one photo.
    size: int | None = None


_ROOM, _OWN = _Room(), _Own()


@contextmanager
def turn_of_a_photo() -> Iterator[None]:
    """Give back at the end what `take_memory` takes within. Not for a photo within a photo's turn."""
    _OWN.size = 0
    try:
        yield
    finally:
        _give_back()
        _OWN.size = None


def take_memory(size: int, most: int) -> None:
    """Wait until this turn's photo may use `size` bytes, where one alone may use `most`; outside of a turn at once."""
    if _OWN.size is None or _OWN.size >= size:
        return
    _give_back()  # who waits holds nothing, so nobody waits for each other
    size = max(size, SHARE)
    _ROOM.take(size, max(most, SHARE * (os.cpu_count() or 1)))
    _OWN.size = size
    if size > SHARE:
        _trim(0)


def _give_back() -> None:
    if _OWN.size:
        _ROOM.give_back(_OWN.size)
        _OWN.size = 0
