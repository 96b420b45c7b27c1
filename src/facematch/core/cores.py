"""Taking turns on the processor and in memory: a network uses every core, each photo beside it one.

Threads of one product of matrices wait for each other at its end, each on a core of its own; a photo's thread on one
of those cores holds all of them up. Libraries take their turn to load, too: PyTorch sets variables of the environment
meanwhile, decoders of JPEG read them for each photo, and before glibc 2.41 that can end the process.

Photos that are worked on at once share memory. A worker has `SHARE` bytes, which is a file of 8 MB and 12 megapixels
while they are decoded. A photo that needs more takes what the others have left: all of them together stay below
`PhotoLimits.max_memory`, the most that one photo may need, or the workers' shares where these are more. So on up to
five cores photos take 500 MB, whatever comes.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

SHARE = 100_000_000  # bytes


class _Turns:
    # A lock for many readers, the photos, or one writer, who goes first.

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.photos, self.taken = 0, False

    @contextmanager
    def of_a_photo(self) -> Iterator[None]:
        """Wait until nobody has the processor alone."""
        with self.changed:
            self.changed.wait_for(lambda: not self.taken)
            self.photos += 1
        try:
            yield
        finally:
            with self.changed:
                self.photos -= 1
                self.changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else is at work; whoever comes then waits."""
        with self.changed:
            self.changed.wait_for(lambda: not self.taken)
            self.taken = True
        try:
            with self.changed:
                self.changed.wait_for(lambda: not self.photos)
            yield
        finally:
            with self.changed:
                self.taken = False
                self.changed.notify_all()


class _Room:
    # The memory that is taken in all. Whoever waits goes before those who come later, so a large photo gets its turn.

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


class _Own(threading.local):
    # What a thread has taken for its photo; None where it takes no turn, as a program that reads one photo.
    size: int | None = None


class _OpenCV:
    # How many ask for one thread, and how many threads OpenCV had before the first of them.

    def __init__(self) -> None:
        self.lock, self.users, self.before = threading.Lock(), 0, 0


_TURNS, _ROOM, _OWN, _OPENCV = _Turns(), _Room(), _Own(), _OpenCV()


def every_core(device: str = "cpu") -> AbstractContextManager[None]:
    """Have the processor alone, once the photos that were begun are done; no other is begun.

    `device` is torch's type of device; on another than the processor nobody has to wait.
    """
    return _TURNS.alone() if device == "cpu" else nullcontext()


@contextmanager
def photo_turn() -> Iterator[None]:
    """Work on one photo, once nobody has the processor alone; give back at the end what `take_memory` takes within.

    Not for work that calls `every_core` itself, nor for a photo within a photo's turn.
    """
    with _TURNS.of_a_photo():
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


@contextmanager
def single_threaded_opencv() -> Iterator[None]:
    """Let OpenCV use one thread meanwhile: a photo for each thread is faster than several threads on one photo.

    The number is one for the whole process: the last that leaves restores what the first found.
    """
    import cv2

    with _OPENCV.lock:
        if not _OPENCV.users:
            _OPENCV.before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _OPENCV.users += 1
    try:
        yield
    finally:
        with _OPENCV.lock:
            _OPENCV.users -= 1
            if not _OPENCV.users:
                cv2.setNumThreads(_OPENCV.before)


def _give_back() -> None:
    if _OWN.size:
        _ROOM.give_back(_OWN.size)
        _OWN.size = 0


def _trimming() -> Callable[[int], object]:
    # What libraries freed stays with glibc for their next need, hundreds of megabytes of it; others give it back.
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda keep: None
    return trim


_trim = _trimming()
