"""A ranking as groups of photos at equal distance: what figures free of tie order are computed from."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facematch.evaluation.bootstrap import Ints, codes_of
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.task import RetrievalTask
from facematch.ranking.codes import Codes, hamming_distances
from facematch.ranking.embeddings import Embeddings

_CELLS = 2_000_000  # pairs of photos compared at once
_WRONG, _RIGHT, _OWN = range(3)


@dataclass(frozen=True, eq=False)
class TieGroups:
    """For each of Q queries, the whole gallery in at most G groups of equal distance, nearest first.

    `sizes` (Q×G `int64`) counts the photos of a group and `right` (Q×G `int64`) the right ones among them;
    a group may be empty. `distances` (Q×G `float32`) rises along each row, with infinity past its end. Of
    D-bit codes every row has D+1 groups, and group d holds what lies at Hamming distance d. `groups` says
    who each query shows: people are what intervals are drawn over.

    Raises ValueError when they do not belong together.
    """

    queries: tuple[str, ...]
    groups: tuple[Hashable, ...]
    distances: NDArray[np.float32]
    sizes: Ints
    right: Ints

    def __post_init__(self) -> None:
        shapes = {self.distances.shape, self.sizes.shape, self.right.shape}
        lengths = {len(self.queries), len(self.groups), len(self.sizes)}
        if len(shapes) != 1 or len(lengths) != 1 or self.sizes.ndim != 2 or not self.sizes.shape[1]:
            raise ValueError(
                f"tie groups need Q×G arrays of one shape, G at least 1; found {sorted(shapes)}, "
                f"{len(self.queries)} queries and {len(self.groups)} people"
            )
        if (self.right < 0).any() or (self.right > self.sizes).any():
            raise ValueError("a tie group has no more right photos than photos")

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def relevant(self) -> Ints:
        """Return the number of right photos of the whole gallery (Q `int64`)."""
        return np.asarray(self.right.sum(axis=1), dtype=np.int64)

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """Return which queries have a right photo in the gallery (Q `bool`); the others show unknown people."""
        return self.relevant > 0


def groups_of_codes(
    query_codes: Codes,
    gallery_codes: Codes,
    query_labels: Sequence[Hashable],
    gallery_labels: Sequence[Hashable],
    *,
    own: ArrayLike | None = None,
    queries: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
) -> TieGroups:
    """Count, for each of Q packed codes, the N packed gallery codes at every Hamming distance.

    A gallery photo is right when its label equals the query's. `own` is each query's row in the gallery,
    −1 for none: it leaves the query's ranking (leave-one-out). `queries` are names, by default the row
    numbers; `groups` default to the query labels. Nothing is sorted and no Q×N array is held.

    Raises ValueError for lists of another length, codes of another size, or rows that are not there.
    """
    people = tuple(query_labels if groups is None else groups)
    names = tuple(map(str, range(len(query_codes)))) if queries is None else tuple(queries)
    rows = np.full(len(query_codes), -1) if own is None else np.asarray(own, dtype=np.int64)
    if {len(query_labels), len(people), len(names), len(rows)} != {len(query_codes)}:
        raise ValueError(
            f"{len(query_codes)} query codes need as many labels, people, names and own rows; "
            f"found {len(query_labels)}, {len(people)}, {len(names)} and {len(rows)}"
        )
    if len(gallery_labels) != len(gallery_codes):
        raise ValueError(f"{len(gallery_codes)} gallery codes need as many labels; found {len(gallery_labels)}")
    if len(rows) and not (rows.min() >= -1 and rows.max() < len(gallery_codes)):
        raise ValueError(f"a query's own row is −1 or a row of the {len(gallery_codes)} gallery codes")
    shown = codes_of([*query_labels, *gallery_labels])
    bits = 8 * query_codes.shape[1]
    counts = np.zeros((len(query_codes), 3, bits + 1), dtype=np.int64)
    step = max(1, _CELLS // max(1, len(gallery_codes)))
    for at in (slice(start, start + step) for start in range(0, len(query_codes), step)):
        distances = hamming_distances(query_codes[at], gallery_codes)
        counts[at] = _counted(distances, shown[: len(rows)][at], shown[len(rows) :], rows[at], bits)
    levels = np.broadcast_to(np.arange(bits + 1, dtype=np.float32), (len(rows), bits + 1))
    return TieGroups(names, people, levels, counts[:, _WRONG] + counts[:, _RIGHT], counts[:, _RIGHT])


def groups_of_judged(judged: RelevanceMatrix) -> TieGroups:
    """Return the tie groups of a judged ranking by any metric: photos tie where their distances are equal.

    The result has as many columns as the query with the most distinct distances. Raises FacematchError when
    the ranking does not hold the whole gallery.
    """
    judged.require_complete("a figure over all orders of ties")
    there = np.isfinite(judged.distances)
    starts = there.copy()
    starts[:, 1:] &= judged.distances[:, 1:] != judged.distances[:, :-1]
    shape = (len(judged), max(1, int(starts.sum(axis=1).max(initial=0))))
    cell = (np.cumsum(starts, axis=1) - 1 + shape[1] * np.arange(len(judged))[:, None])[there]
    distances = np.full(shape, np.inf, dtype=np.float32)
    distances.reshape(-1)[cell] = judged.distances[there]
    sizes, right = (
        np.bincount(each, minlength=shape[0] * shape[1]).reshape(shape) for each in (cell, cell[judged.right[there]])
    )
    return TieGroups(judged.queries, judged.groups, distances, sizes, right)


def task_ties(task: RetrievalTask, embeddings: Embeddings) -> TieGroups:
    """Return how many gallery photos, and right ones, stand at each distance of every query of a labelled task.

    The task has one division, all photos of which are embedded. Codes are counted, vectors ranked as a whole.
    """
    (division,) = task.divisions
    if not embeddings.packed:
        return groups_of_judged(rank_task(task, embeddings).judged)
    row_of = {name: row for row, name in enumerate(embeddings.names)}
    place = {name: number for number, name in enumerate(division.gallery)}
    query, gallery = (embeddings.at([row_of[name] for name in side]) for side in (division.queries, division.gallery))
    return groups_of_codes(
        query.vectors,
        gallery.vectors,
        division.identities,
        [task.shown[name] for name in division.gallery],
        own=[place.get(name, -1) for name in division.queries],
        queries=division.queries,
    )


def _counted(distances: NDArray[np.uint16], asked: Ints, shown: Ints, own: Ints, bits: int) -> Ints:
    # How many of B×N distances there are of each kind and value: B×3×(bits + 1), from one count.
    kind = (asked[:, None] == shown).astype(np.int64)
    excluded = np.flatnonzero(own >= 0)
    kind[excluded, own[excluded]] = _OWN
    kind += 3 * np.arange(len(asked))[:, None]
    kind *= bits + 1
    kind += distances
    cells = len(asked) * 3 * (bits + 1)
    return np.bincount(kind.ravel(), minlength=cells).reshape(len(asked), 3, bits + 1)
