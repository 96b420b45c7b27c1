"""A ranking with every place judged right or wrong: what all retrieval figures are computed from."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.ranking.ranking import Ranking

T = TypeVar("T", bound=np.generic)
Ties = Literal["name", "worst", "best"]


@dataclass(frozen=True, eq=False)
class RelevanceMatrix:
    """For each of Q queries, which of its k places hold a right gallery photo.

    `right` is Q×k `bool`; `distances` is Q×k `float32`, rising along each row, with infinity past the
    end of a row. `relevant` and `wrong` (Q `int64`) count the right and the other photos of the *whole*
    gallery, ignored ones left out, also beyond place k. `groups` says who each query shows: people are
    what intervals are drawn over.
    """

    queries: tuple[str, ...]
    groups: tuple[Hashable, ...]
    right: NDArray[np.bool_]
    distances: NDArray[np.float32]
    relevant: NDArray[np.int64]
    wrong: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """Return which queries have a right photo in the gallery (Q `bool`); the others show unknown people."""
        return self.relevant > 0

    def require_complete(self, what: str) -> None:
        """Raise FacematchError when a row ends before its gallery: `what` needs the whole ranking."""
        short = np.isfinite(self.distances).sum(axis=1) < self.relevant + self.wrong
        if short.any():
            row = int(np.flatnonzero(short)[0])
            raise FacematchError(
                f"{what} needs the whole ranking; that of {self.queries[row]} ends after "
                f"{int(np.isfinite(self.distances[row]).sum())} of {int(self.relevant[row] + self.wrong[row])} photos.",
                "Rank with k as large as the gallery.",
            )

    def require_places(self, places: int | NDArray[np.int64] | None, what: str) -> None:
        """Raise FacematchError when a row ends before `places` (one for all, Q, or None: the whole gallery).

        A whole ranking is always long enough, also of a gallery with fewer photos than that.
        """
        if places is None:
            self.require_complete(what)
            return
        there = np.isfinite(self.distances).sum(axis=1)
        wanted = np.minimum(places, self.relevant + self.wrong)
        if (there < wanted).any():
            row = int(np.flatnonzero(there < wanted)[0])
            raise FacematchError(
                f"{what} needs the first {int(wanted[row])} photos of every ranking; "
                f"that of {self.queries[row]} ends after {int(there[row])}.",
                f"Rank with a larger k, {int(wanted.max())} or more.",
            )


def relevance_matrix(
    ranking: Ranking,
    relevant: Sequence[AbstractSet[str]],
    groups: Sequence[Hashable] | None = None,
    *,
    ignored: Sequence[AbstractSet[str]] | None = None,
    ties: Ties = "name",
) -> RelevanceMatrix:
    """Judge a ranking by the right gallery names of each query.

    `ignored` names leave a query's ranking before anything is counted: the junk of ROxford, or the query itself
    where it stands in the gallery. Photos at equal distance stand as the ranking has them, by name, as they would
    be submitted; with `ties` worst or best the wrong or the right ones come first, which bounds every figure from
    below or above; those two need the whole ranking. `groups` defaults to every query being a person of its own.

    Raises FacematchError for lists of another length, or ties that a short ranking cannot show.
    """
    count = len(ranking.queries)
    people = tuple(ranking.queries if groups is None else groups)
    if len(relevant) != count or len(people) != count or (ignored is not None and len(ignored) != count):
        raise FacematchError(
            f"a ranking of {count} queries was judged with {len(relevant)} answers and {len(people)} people."
        )
    place = {name: number for number, name in enumerate(ranking.gallery)}
    right, found = _members(ranking, relevant, place)
    distances, left_out = ranking.distances, np.zeros(count, dtype=np.int64)
    if ignored is not None:
        junk, left_out = _members(ranking, ignored, place)
        both = [wanted & out for wanted, out in zip(relevant, ignored, strict=True)]
        found = found - np.array([sum(name in place for name in names) for names in both], dtype=np.int64)
        if junk.any():
            right, distances = _without(right & ~junk, distances, junk)
    wrong = len(place) - left_out - found
    judged = RelevanceMatrix(ranking.queries, people, right, distances, found, wrong)
    return judged if ties == "name" else _with_ties(judged, ties)


def pooled(parts: Sequence[RelevanceMatrix]) -> RelevanceMatrix:
    """Return several judged rankings as one: the queries of a validation in several folds.

    Shorter rows are filled up with infinity. Raises ValueError without any part.
    """
    if not parts:
        raise ValueError("there is no judged ranking to pool")
    return RelevanceMatrix(
        tuple(name for part in parts for name in part.queries),
        tuple(group for part in parts for group in part.groups),
        stacked([part.right for part in parts]),
        stacked([part.distances for part in parts], np.inf),
        np.concatenate([part.relevant for part in parts]),
        np.concatenate([part.wrong for part in parts]),
    )


def stacked(parts: Sequence[NDArray[T]], fill: float = 0) -> NDArray[T]:
    """Return Q×k arrays of unlike width below each other, the narrower ones filled up at the end of their rows."""
    width = max(part.shape[1] for part in parts)
    wide = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=fill) for part in parts]
    return np.concatenate(wide)


def _members(
    ranking: Ranking, sets: Sequence[AbstractSet[str]], place: Mapping[str, int]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    # Which places (Q×k) hold one of the gallery names of their row's set, and how many the gallery has of it (Q).
    # Queries of one person share a set, which is looked up once.
    rows_of: dict[frozenset[str], list[int]] = {}
    for row, names in enumerate(sets):
        rows_of.setdefault(frozenset(names), []).append(row)
    found = np.zeros(ranking.indices.shape, dtype=np.bool_)
    counts = np.zeros(len(sets), dtype=np.int64)
    member = np.zeros(len(place) + 1, dtype=np.bool_)  # the last is no photo: index −1
    for names, rows in rows_of.items():
        numbers = [place[name] for name in names if name in place]
        member[numbers] = True
        found[rows] = member[ranking.indices[rows]]
        counts[rows] = len(numbers)
        member[numbers] = False
    return found, counts


def _without(
    right: NDArray[np.bool_], distances: NDArray[np.float32], junk: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    # Junk leaves its place, those behind move up, and the row ends in infinity.
    order = np.argsort(junk, axis=1, kind="stable")
    there = ~np.take_along_axis(junk, order, 1)
    return (
        np.take_along_axis(right, order, 1) & there,
        np.where(there, np.take_along_axis(distances, order, 1), np.float32(np.inf)),
    )


def _with_ties(judged: RelevanceMatrix, ties: Ties) -> RelevanceMatrix:
    judged.require_complete(f"ties={ties!r}")
    first = judged.right if ties == "worst" else ~judged.right
    order = np.lexsort((first, judged.distances), axis=1)
    right = np.take_along_axis(judged.right, order, 1)
    return RelevanceMatrix(judged.queries, judged.groups, right, judged.distances, judged.relevant, judged.wrong)
