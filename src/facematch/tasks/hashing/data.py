"""What a hash report shows, as values: each run with what its codes reach, what they lose, and what they cost."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from facematch.core.text import evenly
from facematch.evaluation.comparison import Comparison, paired_values
from facematch.pipeline.timing import in_turn, machine
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.hashing.codes import PLACES, CodeFigures, CodeQuality, FloatFigures, HashPhotos


@dataclass(frozen=True)
class Speed:
    """Seconds that `queries` queries took in each of several rounds, the first ten of `gallery` photos ranked.

    `codes` is empty for a network without codes.
    """

    queries: int
    gallery: int
    floats: tuple[float, ...]
    codes: tuple[float, ...] = ()

    @property
    def float_rate(self) -> float:
        """Return queries a second by floats, from the median round."""
        return self.queries / float(np.median(self.floats))

    @property
    def code_rate(self) -> float | None:
        """Return queries a second by codes, from the median round."""
        return self.queries / float(np.median(self.codes)) if self.codes else None

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {**asdict(self), "floats a second": self.float_rate, "codes a second": self.code_rate}


@dataclass(frozen=True, eq=False)
class HashRun:
    """One run: its network, the photos it was asked about, and what came out.

    `groups` says whom each of its queries shows, ordered by the queries' names; `gallery` counts photos;
    `photos` is a digest of queries and gallery, equal where two runs had the same; `asked` says in words who
    asked whom; `chosen_on` whether the network was chosen on these very queries. `codes` is None for a
    network without them, the float reference. `less_than_best` is the mAP of its codes less that of the
    `best` codes of the report, on the same queries; None for those, and where photos differ.
    """

    name: str
    dimensions: int
    epoch: int | None
    groups: tuple[str, ...]
    gallery: int
    photos: str
    asked: str
    chosen_on: bool
    fingerprint: str
    floats: FloatFigures
    codes: CodeFigures | None
    speed: Speed
    less_than_best: Comparison | None = None
    best: bool = False

    @property
    def of_codes(self) -> CodeFigures:
        """Return the figures of the codes, which it has."""
        assert self.codes is not None
        return self.codes

    @property
    def bits(self) -> CodeQuality:
        """Return how the codes, which it has, use their bits."""
        return self.of_codes.quality

    @property
    def people(self) -> int:
        """Return how many people, or classes, ask."""
        return len(set(self.groups))

    @property
    def float_bytes(self) -> int:
        """Return the bytes of a photo's float32 embedding."""
        return 4 * self.dimensions

    @property
    def code_bytes(self) -> int | None:
        """Return the bytes of a photo's code."""
        return None if self.codes is None else self.dimensions // 8

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        kept = ("name", "dimensions", "epoch", "gallery", "photos", "asked", "chosen_on", "fingerprint")
        return {
            **{name: getattr(self, name) for name in kept},
            "queries": len(self.groups),
            "people": self.people,
            "bytes of a photo": {"codes": self.code_bytes, "floats": self.float_bytes},
            "codes": None if self.codes is None else self.codes.as_dict(),
            "floats": self.floats.as_dict(),
            "best": self.best,
            "codes less the best codes": None if self.less_than_best is None else self.less_than_best.as_dict(),
            "speed": self.speed.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class HashReport:
    """Everything on a hash report's page: the runs, what to beware of, and how it was made.

    `machine` is what the queries a second were measured on; `facts` are lines on how the page was made.
    """

    runs: tuple[HashRun, ...]
    warnings: tuple[str, ...]
    machine: str
    facts: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "comparable": same_photos(self.runs),
            "warnings": list(self.warnings),
            "machine": self.machine,
            "runs": [run.as_dict() for run in self.runs],
        }


def against_best(runs: Sequence[HashRun]) -> tuple[HashRun, ...]:
    """Return the runs, each but the best compared with the best codes, query by query.

    Best is the largest mAP, the shorter codes where two are equal. Runs that were asked about other photos
    are returned as they are.
    """
    hashing = [run for run in runs if run.codes is not None]
    if not same_photos(runs) or not hashing:
        return tuple(runs)
    best = max(hashing, key=lambda run: (run.of_codes.mean_ap.value or 0.0, -run.dimensions))

    def compared(run: HashRun) -> HashRun:
        if run is best or run.codes is None:
            return replace(run, best=run is best)
        return replace(run, less_than_best=paired_values(run.codes.per_query, best.of_codes.per_query, run.groups))

    return tuple(map(compared, runs))


def same_photos(runs: Sequence[HashRun]) -> bool:
    """Return whether all runs were asked about the same photos."""
    return len({run.photos for run in runs}) <= 1


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
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        seconds = in_turn(works, _ROUNDS, _LONG)
    finally:
        faiss.omp_set_num_threads(before)
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
