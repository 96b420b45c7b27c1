"""The distance estimator: every query against every gallery photo, best first, exactly.

A pass in float32 finds candidates (`facematch.ranking.flat`); their distances are then computed again from
differences in float64 and ordered by (distance, name). Candidates are widened until everything that could
belong to the first k, ties included, is among them, so the answer equals brute force. Codes have their own
search, which needs no second pass (`facematch.ranking.binary`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import require_same
from facematch.core.frame import frame
from facematch.ranking.approximate import near_by_index
from facematch.ranking.binary import nearest_codes
from facematch.ranking.choice import choose_index
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.flat import Positions, near
from facematch.ranking.metrics import METRICS, ROWS, Metric, Vectors, between
from facematch.settings.ranking import CODE_INDEXES, INDEXES, IndexKind, allowed

if TYPE_CHECKING:
    import pandas

Distances = NDArray[np.float32]

_CELLS = 4_000_000  # candidates, or numbers of pairs, looked at together
_NUMBERS = 250_000  # of their vectors in float64 at once, so that they stay in the processor's cache


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """For each of Q queries the k nearest gallery photos, best first.

    `indices` (Q×k `int64`) points into `gallery`; `distances` is Q×k `float32`, rising along each
    row, ties in order of name. A row has −1 and infinity at its end where a photo was excluded and
    the gallery ran out.
    """

    queries: tuple[str, ...]
    gallery: tuple[str, ...]
    indices: NDArray[np.int64]
    distances: NDArray[np.float32]
    metric: str

    def __post_init__(self) -> None:
        if self.indices.shape != self.distances.shape or len(self.indices) != len(self.queries):
            raise ValueError(
                f"a ranking of {len(self.queries)} queries needs Q×k indices and distances; "
                f"found {self.indices.shape} and {self.distances.shape}"
            )
        if self.indices.size and not (self.indices.min() >= -1 and self.indices.max() < len(self.gallery)):
            raise ValueError("a ranking's indices point into its gallery")
        # Compared, not subtracted: infinity minus infinity is NaN.
        if (self.distances[:, 1:] < self.distances[:, :-1]).any():
            raise ValueError("a ranking's distances rise from the first to the last")

    def names(self, query: int) -> tuple[str, ...]:
        """Return the ranked gallery names of one query."""
        return tuple(self.gallery[i] for i in self.indices[query] if i >= 0)

    def as_dict(self) -> dict[str, tuple[str, ...]]:
        """Return the ranked gallery names of every query, as `Submission` takes them."""
        return {name: self.names(row) for row, name in enumerate(self.queries)}

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame of pandas: query, place (from 1), photo and distance, a row for each place."""
        rows, places = np.nonzero(self.indices >= 0)
        photos = [self.gallery[each] for each in self.indices[rows, places].tolist()]
        asked = [self.queries[row] for row in rows.tolist()]
        return frame({"query": asked, "place": places + 1, "photo": photos, "distance": self.distances[rows, places]})

    def __repr__(self) -> str:
        k = self.indices.shape[1]
        lines = [f"<{len(self.queries)} queries, the nearest {k} of {len(self.gallery)} photos, {self.metric}"]
        for row, name in enumerate(self.queries[:3]):
            best = zip(self.names(row)[:3], self.distances[row].tolist(), strict=False)
            lines.append(f"  {name}: " + ", ".join(f"{photo} {distance:.3f}" for photo, distance in best))
        return "\n".join(lines) + ("\n  …>" if len(self.queries) > 3 else ">")


def distance_estimator(
    query: Embeddings,
    gallery: Embeddings,
    k: int,
    metric: Metric | None = None,
    *,
    exclude_same_name: bool = False,
    index: IndexKind = "exact",
) -> Ranking:
    """Rank the gallery for every query and keep the first `k` (fewer when the gallery is smaller).

    `rank_gallery` is the same function, by the name the field gives to what it does.
    Distances: `euclidean` ‖q−g‖ (not squared); `cosine` 1 − q·g/(‖q‖‖g‖); `manhattan` Σ|q−g|;
    `jaccard` 1 − Σmin/Σmax (Ruzicka 1958), where a signed vector is split into its positive and
    negative parts so that it is defined for any embedding; `hamming` the different bits of two codes.
    `metric` defaults to the embeddings' own; codes know no other.
    With `exclude_same_name` a photo is never its own hit: for queries that stand in the gallery.
    `index` finds the nearest; of its kinds `hnsw` and `ivf-pq` may miss some, and `auto` takes what `choose_index`
    says. A whole ranking is always exact.

    Raises FacematchError for an empty side, k < 1, an unknown metric, different fingerprints,
    metrics or dimensions, a zero vector under cosine, and for an index that does not know the metric.
    """
    chosen = require_comparable(query, gallery, k, metric)
    _check_index(index, chosen)
    kind = choose_index(index, len(query), len(gallery), k, gallery.vectors.strides[0], chosen).kind
    own = np.full(len(query), -1, dtype=np.int64)
    if exclude_same_name:
        position = {name: number for number, name in enumerate(gallery.names)}
        own = np.array([position.get(name, -1) for name in query.names], dtype=np.int64)
    wanted = min(k, len(gallery))
    if chosen == "hamming":
        indices, distances = _nearest_codes(query, gallery, wanted, kind, own)
    else:
        indices, distances = _nearest_vectors(query, gallery, wanted, chosen, kind, own)
    return Ranking(query.names, gallery.names, indices, distances, chosen)


rank_gallery = distance_estimator


def require_comparable(query: Embeddings, gallery: Embeddings, k: int, metric: Metric | None) -> Metric:
    """Return the metric by which two sides are compared. Raises FacematchError as `distance_estimator`."""
    for side, what in ((query, "query"), (gallery, "gallery")):
        if not len(side):
            raise FacematchError(f"there are no {what} embeddings to rank.", f"Look at the {what} folder.")
    if k < 1:
        raise FacematchError(f"k is {k}; a ranking keeps at least 1 gallery photo.")
    require_same(query.fingerprint, "the query embeddings", gallery.fingerprint, "the gallery embeddings")
    if (metric is None or query.packed or gallery.packed) and query.metric != gallery.metric:
        raise FacematchError(f"the query side is compared by {query.metric}, the gallery by {gallery.metric}.")
    if query.dimensions != gallery.dimensions:
        raise FacematchError(
            f"query embeddings have {query.dimensions} dimensions, "
            f"gallery embeddings {gallery.dimensions}; both sides need the same network."
        )
    return chosen_metric(query, metric)


def _check_index(index: str, metric: Metric) -> None:
    if index not in INDEXES:
        raise FacematchError(f"index {index!r} is not known; known are {', '.join(INDEXES)}.")
    if not allowed(index, metric):
        raise FacematchError(
            f"index {index} does not search by the metric {metric}.",
            f"Known for {metric}: {', '.join(each for each in INDEXES if allowed(each, metric))}.",
        )


def chosen_metric(embeddings: Embeddings, metric: str | None) -> Metric:
    """Return `metric`, or the embeddings' own. Raises FacematchError for one that is unknown or cannot be used."""
    chosen = metric or embeddings.metric
    if chosen not in METRICS:
        raise FacematchError(f"metric {chosen!r} is not known; known are {', '.join(METRICS)}.")
    if embeddings.packed != (chosen == "hamming"):
        raise FacematchError(
            f"these embeddings are {'codes' if embeddings.packed else 'vectors'}; {chosen} cannot compare them.",
            "hamming compares codes, every other metric vectors: embed with the ranking.metric that is wanted.",
        )
    return chosen


def prepared(side: Embeddings, metric: Metric) -> Vectors:
    """Return N×D vectors, or N×2D, for `metrics.between`: of length 1 for cosine, split by sign for jaccard.

    Raises FacematchError for a zero vector under cosine.
    """
    _check_lengths(side, metric)
    return np.ascontiguousarray(ROWS[metric].prepare(side.vectors))


def _check_lengths(side: Embeddings, metric: Metric) -> None:
    if metric == "cosine" and not side.vectors.any(axis=1).all():
        name = side.names[int(np.flatnonzero(~side.vectors.any(axis=1))[0])]
        raise FacematchError(f"{name} has a zero embedding, for which the cosine is not defined.")


def _nearest_codes(
    query: Embeddings, gallery: Embeddings, k: int, index: IndexKind, own: Positions
) -> tuple[Positions, Distances]:
    assert index in CODE_INDEXES
    # Codes of the same distance come in the order of the gallery: it is put in that of names.
    named = by_name(gallery.names)
    # One more than wanted where a photo may have to leave out itself.
    width = min(len(gallery), k + int((own >= 0).any()))
    found, bits = nearest_codes(query.vectors, gallery.vectors[named], width, index)
    return _others(named[found], bits.astype(np.float32), k, own)


def _nearest_vectors(
    query: Embeddings, gallery: Embeddings, k: int, metric: Metric, index: IndexKind, own: Positions
) -> tuple[Positions, Distances]:
    left, prepare = prepared(query, metric), ROWS[metric].prepare
    _check_lengths(gallery, metric)
    positions = np.full((len(left), k), -1, dtype=np.int64)
    distances = np.full((len(left), k), np.inf, dtype=np.float32)

    def settle(rows: Positions, found: Positions, places: Positions, take: Callable[[Positions], Vectors]) -> None:
        # The k best candidates by (exact distance, name); `places` are those of their names.
        exact = _candidate_distances(left[rows], found, metric, take)
        order = np.lexsort((places, exact))
        ordered = np.take_along_axis(found, order, 1), np.take_along_axis(exact, order, 1)
        positions[rows], distances[rows] = _others(*ordered, k, own[rows])

    todo, width = np.arange(len(left)), k + 1 + max(8, k // 2)
    if index in ("hnsw", "ivf-pq"):
        right = prepare(gallery.vectors)
        found = near_by_index(left, right, width, index)
        full = (found >= 0).all(axis=1)  # where too few were found, everything is compared
        for rows in np.array_split(np.flatnonzero(full), 1 + len(todo) * found.shape[1] // _CELLS):
            settle(rows, found[rows], _name_places(gallery.names, found[rows]), lambda some: right[some])
        todo = np.flatnonzero(~full)
    while len(todo) and width < len(gallery):
        still = []
        for rows in np.array_split(todo, 1 + len(todo) * width // _CELLS):
            found, bound = near(left[rows], gallery.vectors, width, metric)
            settle(rows, found, _name_places(gallery.names, found), lambda some: prepare(gallery.vectors[some]))
            # What is no candidate is no nearer than the bound: all that ties with the k-th is among the candidates.
            still.append(rows[~(distances[rows, -1] < bound)])
        todo, width = np.concatenate(still), width * 4
    if len(todo):
        right, place = prepare(gallery.vectors), _name_places(gallery.names, np.arange(len(gallery)))
        for rows in np.array_split(todo, 1 + len(todo) * len(gallery) // _CELLS):
            everything = np.tile(np.arange(len(gallery)), (len(rows), 1))
            settle(rows, everything, place[everything], lambda some: right[some])
    return positions, distances


def by_name(names: Sequence[str]) -> Positions:
    """Return the positions (N) of names in their order."""
    return np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)


def _name_places(names: Sequence[str], found: Positions) -> Positions:
    # For each position its name's place among the names of all of them.
    used, where = np.unique(found, return_inverse=True)
    place = np.empty(len(used), np.int64)
    place[by_name([names[position] for position in used.tolist()])] = np.arange(len(used))
    return place[where].reshape(found.shape)


def _others(
    found: NDArray[np.int64], exact: Distances, k: int, own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Distances]:
    # The first k of each row, the query's own position left out.
    allowed = found != own[:, None]
    keep = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
    there = np.take_along_axis(allowed, keep, 1)
    positions = np.where(there, np.take_along_axis(found, keep, 1), -1)
    return positions, np.where(there, np.take_along_axis(exact, keep, 1), np.float32(np.inf))


def _candidate_distances(
    left: Vectors, found: Positions, metric: Metric, take: Callable[[Positions], Vectors]
) -> Distances:
    # Exact distances (Q×width) of the candidates; each from one pair alone, so equal vectors tie.
    exact = np.empty(found.shape, dtype=np.float32)
    step = max(1, _NUMBERS // max(1, found.shape[1] * left.shape[1]))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        exact[rows] = between(left[rows, None, :], take(found[rows]), metric)
    return exact


def pair_distances(embeddings: Embeddings, first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the distance of each of P pairs, `first` and `second` being P row numbers of the embeddings.

    Metrics and rounding are those of `distance_estimator`: its float32 distances are these,
    rounded. Raises FacematchError for an unknown metric and for a zero vector under cosine.
    """
    chosen = chosen_metric(embeddings, None)
    left, right = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if left.shape != right.shape or left.ndim != 1:
        raise ValueError(f"P pairs are two lists of P rows; found shapes {left.shape} and {right.shape}")
    used, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    vectors = prepared(embeddings.at(used.tolist()), chosen)
    left, right = places[: len(left)], places[len(left) :]
    found = np.empty(len(left), dtype=np.float64)
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        found[rows] = between(vectors[left[rows]], vectors[right[rows]], chosen)
    return found
