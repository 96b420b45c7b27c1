"""Times measured on this machine, and what the machine is."""

import os
import platform
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that some work takes, and what it returns."""
    started = time.perf_counter()
    done = work()
    return time.perf_counter() - started, done


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    return timed(work)[0]


def in_turn(works: Mapping[K, Callable[[], object]], rounds: int, least: float = 0.0) -> dict[K, tuple[float, ...]]:
    """Return the seconds of every work in each round, after a round that warms up and does not count.

    All take turns, so that whatever else the machine does weighs on each of them. In a round a work is repeated until
    it takes about `least` seconds, so that its time means something.
    """
    times = dict.fromkeys(works, 1)
    for key, work in works.items():
        work()  # what is loaded at first use is no part of its time
        if least:
            times[key] += int(least / seconds_of(work))
    found: dict[K, list[float]] = {key: [] for key in works}
    for _ in range(rounds):
        for key, work in works.items():
            found[key].append(seconds_of(partial(_repeat, work, times[key])) / times[key])
    return {key: tuple(seconds) for key, seconds in found.items()}


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of some rounds, after one that warms up."""
    return median(in_turn({0: work}, rounds)[0])


def machine() -> str:
    """Return the processor's name where the system tells it, and its cores."""
    name = platform.processor() or platform.machine()
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as opened:  # Linux
        lines = (line.partition(":") for line in opened)
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    return f"{name}, {os.cpu_count()} cores"


def _repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()
