"""Queries a second by codes and by floats, measured on this machine."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from facematch.core.text import evenly
from facematch.pipeline.timing import in_turn, machine
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.hashing.code_figures import PLACES, HashPhotos
from facematch.tasks.hashing.data import Speed

_ROUNDS = 7  # that are timed, after one that is not
_LONG = 0.05  # seconds that a round takes at least, so that its time means something
_TIMED = 1000  # queries that are timed


def time_rankings(every: Sequence[HashPhotos], hashing: Sequence[bool]) -> list[Speed]:
    """Measure how long the first ten of the gallery take, by floats and, where `hashing`, by codes.

    All take turns on one thread: on a busy machine several wait for each other, by factors that say nothing about
    codes. Of many queries some are timed, evenly spread over the names, so that every class is asked for.
    """
    works: dict[tuple[int, str], Callable[[], object]] = {}
    for number, (photos, codes) in enumerate(zip(every, hashing, strict=True)):
        query, gallery = photos.query.at(evenly(range(len(photos.division.queries)), _TIMED)), photos.gallery
        kinds = {"floats": (query, gallery)}
        if codes:
            kinds["codes"] = query.as_codes(), gallery.as_codes()
        for kind, (some, answering) in kinds.items():
            works[number, kind] = partial(
                distance_estimator, some, answering, PLACES, exclude_same_name=photos.task.both_sides
            )
    with _one_thread():
        seconds = in_turn(works, _ROUNDS, _LONG)
    return [
        Speed(
            min(len(sides.query), _TIMED), len(sides.gallery),
            seconds[number, "floats"], seconds.get((number, "codes"), ()),
        )
        for number, sides in enumerate(every)
    ]  # fmt: skip


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
