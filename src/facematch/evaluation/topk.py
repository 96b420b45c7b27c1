"""Top-k (CMC) figures of a ranking, with a bootstrap interval over identities."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import mean_figure
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.task import RetrievalTask

KS = (1, 5, 10)


@dataclass(frozen=True)
class Figures:
    """Share of queries with a right identity among the first 1, 5 and 10 names.

    `interval` is the 95 % bootstrap interval of top-1 over identities, None with fewer than 10 people;
    `score` is the weighted sum of the three shares, as the competition's form says. `mean_average_precision` is the
    tie-aware mAP over whole rankings, where it was measured. `over` is the figure that chooses the best epoch, of each
    part of a mixture of validations.
    """

    top1: float
    top5: float
    top10: float
    interval: tuple[float, float] | None
    queries: int
    gallery: int
    score: float
    mean_average_precision: float | None = None
    over: dict[str, float] | None = None

    def chosen_by(self, figure: Literal["top-1", "mAP"]) -> float:
        """Return the figure by which validations are compared; 0 where it was not measured."""
        return self.top1 if figure == "top-1" else self.mean_average_precision or 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the figures as plain JSON values, the score last."""
        values = asdict(self)
        score = values.pop("score")
        if self.over is None:
            del values["over"]
        return {**values, "interval": None if self.interval is None else list(self.interval), "score": score}


@dataclass(frozen=True, eq=False)
class Places:
    """Where the first right photo of each of Q queries stands: from 1, or 0 where none was looked at (Q `int64`).

    `people` says whom each query shows; `gallery` is how many photos were asked, at least.
    """

    queries: tuple[str, ...]
    places: NDArray[np.int64]
    people: tuple[Hashable, ...]
    gallery: int

    def figures(self, weights: Sequence[float]) -> Figures:
        """Return the figures; `weights` are those of top-1, 5 and 10. Raises FacematchError without queries."""
        if not len(self.places):
            raise FacematchError(
                "there is no query with a right answer in the gallery, so there is nothing to score.",
                "Validation needs people with at least two readable photos.",
            )
        top1, top5, top10 = (float(((self.places > 0) & (self.places <= k)).mean()) for k in KS)
        score = sum(weight * share for weight, share in zip(weights, (top1, top5, top10), strict=True))
        interval = mean_figure("top-1", self.places == 1, self.people).interval
        return Figures(top1, top5, top10, interval, len(self.places), self.gallery, score)

    def scores(self, weights: Sequence[float]) -> dict[str, float]:
        """Return what each query adds to the score, by its name: their mean is the score."""
        within = (self.places[:, None] > 0) & (self.places[:, None] <= np.asarray(KS))
        return dict(zip(self.queries, (within @ np.asarray(weights)).tolist(), strict=True))


def figures_from_dict(values: dict[str, object]) -> Figures:
    """Return the figures that `as_dict` wrote. Raises ValueError for others."""
    return TypeAdapter(Figures).validate_python(values)


def first_places(judged: RelevanceMatrix) -> Places:
    """Return the places of a judged ranking's queries that have a right photo; `gallery` is the smallest one asked."""
    kept = np.flatnonzero(judged.answerable).tolist()
    gallery = int((judged.relevant + judged.wrong)[kept].min(initial=2**31))
    people = tuple(judged.groups[row] for row in kept)
    return Places(tuple(judged.queries[row] for row in kept), _first(judged)[kept], people, gallery)


def truth_places(task: RetrievalTask, judged: RelevanceMatrix) -> Places:
    """Return the places of all queries of a ground truth: as for a server, what was not ranked is wrong."""
    found = dict(zip(judged.queries, _first(judged).tolist(), strict=True))
    places = np.array([found.get(name, 0) for name in task.queries], dtype=np.int64)
    return Places(task.queries, places, task.identities, int((judged.relevant + judged.wrong).min(initial=2**31)))


def _first(judged: RelevanceMatrix) -> NDArray[np.int64]:
    # The place, from 1, of the first right photo of each query (Q), 0 without.
    return np.where(judged.right.any(axis=1), judged.right.argmax(axis=1) + 1, 0)
