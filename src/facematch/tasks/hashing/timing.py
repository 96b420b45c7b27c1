"""Queries a second by codes and by floats, measured on this machine."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from facematch.core.text import evenly
from facematch.pipeline.timing import machine
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.hashing.code_figures import PLACES, Sides
from facematch.tasks.hashing.data import Speed

_ROUNDS = 7  # that are timed, after one that is not
_LONG = 0.05  # seconds that a round takes at least, so that its time means something
_TIMED = 1000  # queries that are timed


def time_rankings(every: Sequence[Sides], hashing: Sequence[bool]) -> list[Speed]:
    """Measure how long the first ten of the gallery take, by floats and, where `hashing`, by codes.

    All take turns, round by round, so that whatever else the machine does weighs on each of them. One thread
    ranks: on a busy machine several wait for each other, by factors that say nothing about codes.
    """
    chosen = [_some(sides) for sides in every]
    tasks: dict[tuple[int, str], tuple[Embeddings, Embeddings]] = {}
    for number, (query, sides, codes) in enumerate(zip(chosen, every, hashing, strict=True)):
        tasks[number, "floats"] = (query, sides.gallery)
        if codes:
            tasks[number, "codes"] = (query.as_codes(), sides.gallery.as_codes())

    def seconds(task: tuple[int, str], times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            distance_estimator(*tasks[task], PLACES, exclude_same_name=every[task[0]].leave_one_out)
        return (time.perf_counter() - started) / times

    with _one_thread():
        for task in tasks:  # what is loaded at first use is no part of a ranking's time
            seconds(task, 1)
        times = {task: 1 + int(_LONG / seconds(task, 1)) for task in tasks}
        rounds = [{task: seconds(task, times[task]) for task in tasks} for _ in range(_ROUNDS)]
    return [
        Speed(
            len(query),
            len(sides.gallery),
            tuple(each[number, "floats"] for each in rounds),
            tuple(each[number, "codes"] for each in rounds) if codes else (),
        )
        for number, (query, sides, codes) in enumerate(zip(chosen, every, hashing, strict=True))
    ]


def machine_words() -> str:
    """Return what ranks: one thread of this machine."""
    return f"one thread of {machine()}"


@contextmanager
def _one_thread() -> Iterator[None]:
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _some(sides: Sides) -> Embeddings:
    # Evenly spread over the names, so that every class is asked for.
    return sides.query.at(evenly(range(len(sides.query)), _TIMED))
