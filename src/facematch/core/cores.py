"""Taking turns on the processor: a network uses every core, each photo that is cropped beside it one.

Threads of one product of matrices wait for each other at its end, each on a core of its own; a photo's thread on one
of those cores holds all of them up. Libraries take their turn to load, too: PyTorch sets variables of the environment
meanwhile, decoders of JPEG read them for each photo, and before glibc 2.41 that can end the process.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


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


_TURNS = _Turns()


def every_core(device: str = "cpu") -> AbstractContextManager[None]:
    """Have the processor alone, once the photos that were begun are done; no other is begun.

    `device` is torch's type of device; on another than the processor nobody has to wait.
    """
    return _TURNS.alone() if device == "cpu" else nullcontext()


def one_core() -> AbstractContextManager[None]:
    """Work on one photo, once nobody has the processor alone; not for work that calls `every_core` itself."""
    return _TURNS.of_a_photo()
