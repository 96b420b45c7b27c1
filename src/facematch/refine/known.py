"""Training people as something to compare with: their photos' embeddings, whom each shows, distances to all of them."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import require_same
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric, between
from facematch.ranking.ranking import Ranking, by_name, prepared, require_comparable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_CELLS = 1_000_000  # distances held at once
_ROUNDING = 1e-14  # of squared lengths: a squared distance below it may be nothing but rounding


@dataclass(frozen=True, eq=False)
class KnownPeople:
    """Embeddings of N photos, N ≥ 1, and the person each shows. Raises FacematchError without a photo."""

    embeddings: Embeddings
    people: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.people) != len(self.embeddings):
            raise ValueError(f"{len(self.embeddings)} photos but {len(self.people)} people")
        if not self.people:
            raise FacematchError(
                "refine steps bridge and cohort compare with training people, and there is no photo of any.",
                "Name them with identities.train, or with the step's own people: FOLDER; or leave the step out.",
            )

    def without(self, others: Collection[str]) -> "KnownPeople":
        """Return those who are not among `others`. Raises FacematchError where nobody is."""
        rows = [row for row, person in enumerate(self.people) if person not in others]
        if not rows:
            raise FacematchError(
                f"refine steps bridge and cohort compare with training people, and all {len(set(self.people))} of them "
                "are among those who are judged here.",
                "Validate on other people with identities.validation=FOLDER, or leave the step out.",
            )
        if len(rows) == len(self.people):
            return self
        return KnownPeople(self.embeddings.at(rows), tuple(self.people[row] for row in rows))

    @property
    def digest(self) -> str:
        """Return the SHA-256 of names, people and vectors, whatever their order."""
        lines = zip(self.embeddings.names, self.people, self.embeddings.vectors, strict=True)
        found = sorted(hashlib.sha256(repr(each[:2]).encode() + each[2].tobytes()).hexdigest() for each in lines)
        return hashlib.sha256("".join(found).encode()).hexdigest()


def distances_between(left: Embeddings, right: Embeddings, metric: Metric) -> Callable[[Rows], NDArray[np.float32]]:
    """Return a function from B rows of `left` (N×D) to their distances to all of `right` (M×D): B×M.

    For euclidean and cosine from products of float64 vectors: equal to differences but for rounding, much faster.
    """
    one, other = prepared(left, metric), prepared(right, metric)
    if metric not in ("euclidean", "cosine"):
        step = max(1, _CELLS // max(1, one.shape[1]))

        def by_differences(rows: Rows) -> NDArray[np.float32]:
            parts = [other[start : start + step] for start in range(0, len(other), step)]
            return np.array(
                [np.concatenate([between(one[row], part, metric) for part in parts]) for row in rows], dtype=np.float32
            ).reshape(len(rows), len(other))

        return by_differences
    others = other.astype(np.float64)
    lengths = (others**2).sum(axis=1)

    def by_products(rows: Rows) -> NDArray[np.float32]:
        own = one[rows].astype(np.float64)
        both = (own**2).sum(axis=1)[:, None] + lengths
        squares = both - 2 * own @ others.T
        squares[squares < _ROUNDING * both] = 0
        return np.asarray(np.sqrt(squares) if metric == "euclidean" else squares / 2, dtype=np.float32)

    return by_products


def blocks_of(rows: int, width: int) -> list[Rows]:
    """Return the numbers of `rows` in blocks, so that a block of arrays of `width` stays small."""
    step = max(1, _CELLS // max(1, width))
    return [np.arange(start, min(start + step, rows)) for start in range(0, rows, step)]


def check_sides(query: Embeddings, gallery: Embeddings, k: int, metric: Metric, known: KnownPeople) -> None:
    """Raise FacematchError where the three cannot be compared."""
    require_comparable(query, gallery, k, metric)
    require_same(query.fingerprint, "the query embeddings", known.embeddings.fingerprint, "those of training people")


def rank_by(
    query: Embeddings, gallery: Embeddings, k: int, distances: Callable[[Rows], NDArray[np.float32]], metric: str
) -> Ranking:
    """Return the first `k` of G gallery photos by a function from B rows of queries to distances B×G; ties by name."""
    order = by_name(gallery.names)
    k = min(k, len(gallery))
    indices = np.empty((len(query), k), dtype=np.int64)
    found = np.empty((len(query), k), dtype=np.float32)
    for rows in blocks_of(len(query), len(gallery)):
        block = distances(rows)[:, order]
        nearest = np.argsort(block, axis=1, kind="stable")[:, :k]
        indices[rows], found[rows] = order[nearest], np.take_along_axis(block, nearest, 1)
    return Ranking(query.names, gallery.names, indices, found, metric)
