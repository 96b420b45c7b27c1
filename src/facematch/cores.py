"""Taking turns on the processor: a network uses every core, and threads beside it that crop photos make it wait.

Threads of one product of matrices wait for each other at its end, each on a core of its own; a photo's thread on one
of those cores holds all of them up.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

_TURN = threading.Lock()


@contextmanager
def every_core(device: str = "cpu") -> Iterator[None]:
    """Have the cores for a computation that uses all of them: photos that have not begun wait.

    `device` is torch's type of device; on another than the processor there is nothing to wait for.
    """
    with _TURN if device == "cpu" else nullcontext():
        yield


def wait_for_a_core() -> None:
    """Return once nothing is computed that uses every core: before the work on each photo."""
    with _TURN:
        pass
