"""Times measured on this machine, and what the machine is."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of some rounds, after one that warms up."""
    work()
    return median(seconds_of(work) for _ in range(rounds))


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def machine() -> str:
    """Return the processor's name where the system tells it, and its cores."""
    name = platform.processor() or platform.machine()
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as opened:  # Linux
        lines = (line.partition(":") for line in opened)
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    return f"{name}, {os.cpu_count()} cores"
