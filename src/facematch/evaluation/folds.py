"""Labelled photos divided into queries and gallery, several times, so that no photo is ever on both sides.

Leave-one-out lets every photo ask the gallery of all others. That is right for a plain ranking, but steps
that look at the gallery as a whole (database augmentation, query expansion, k-reciprocal re-ranking) would
then meet the query among the gallery. In folds each photo asks once, and a gallery is what it is.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.relevance import RelevanceMatrix, pooled, relevance_matrix
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking


def halves(people: Sequence[Hashable], seed: int = 0) -> NDArray[np.bool_]:
    """Return for each query whether its person belongs to the first half, by lot over people."""
    drawn = sorted(set(people), key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest())
    first = set(drawn[::2])
    return np.array([person in first for person in people], dtype=np.bool_)


FOLDS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    """One division: Q photos that ask, G that answer, and for each query the right gallery names.

    `people` and `gallery_people` say whom each photo shows. A query without a right name shows somebody
    unknown to the gallery.
    """

    query: Embeddings
    gallery: Embeddings
    people: tuple[str, ...]
    gallery_people: tuple[str, ...]

    @property
    def known(self) -> dict[str, str]:
        """Return whom each gallery photo shows, by name."""
        return dict(zip(self.gallery.names, self.gallery_people, strict=True))

    @property
    def relevant(self) -> list[AbstractSet[str]]:
        """Return the right gallery names of each query."""
        photos: dict[str, set[str]] = {}
        for name, person in zip(self.gallery.names, self.gallery_people, strict=True):
            photos.setdefault(person, set()).add(name)
        return [photos.get(person, set()) for person in self.people]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Rankings with their judgement; row i of `judged` is the i-th query over all rankings in order."""

    rankings: tuple[Ranking, ...]
    judged: RelevanceMatrix

    def place(self, row: int) -> tuple[Ranking, int]:
        """Return the ranking a row of `judged` belongs to, and its row there."""
        for ranking in self.rankings:
            if row < len(ranking.queries):
                return ranking, row
            row -= len(ranking.queries)
        raise IndexError(f"there is no row {row} in this evaluation")


def make_folds(
    embeddings: Embeddings,
    identities: Sequence[str],
    asked: Sequence[bool],
    *,
    count: int = FOLDS,
    seed: int = 0,
    unknown: bool = False,
) -> list[Fold]:
    """Divide N labelled photos `count` times into queries and gallery.

    Every photo that is `asked`, and whose person has another, asks in one fold and stands in the gallery
    of the others; the rest (distractors, single photos) is always gallery. So a person with at most
    `count` photos meets all the others of its photos, as in leave-one-out. With `unknown` one person in
    `count` is missing from each fold's gallery, and its photos ask there in vain: an open set, in which
    every person is unknown once and its photos ask as known ones in the other folds.

    Lots are drawn from names and `seed`, not from the order of photos. Folds without a query are left out.
    """
    mine: dict[str, list[int]] = {}
    for number, person in enumerate(identities):
        mine.setdefault(person, []).append(number)
    fold_of = np.full(len(identities), -1)
    missing_in = np.full(len(identities), -1)
    for person, numbers in mine.items():
        first = _lot(person, seed) % count
        if unknown:
            missing_in[numbers] = first
        if len(numbers) > 1:
            drawn = sorted(numbers, key=lambda number: _lot(embeddings.names[number], seed))
            for place, number in enumerate(drawn):
                if asked[number]:
                    fold_of[number] = (first + 1 + place) % count
    folds = []
    for fold in range(count):
        missing = missing_in == fold
        asks = (missing | (fold_of == fold)) if unknown else fold_of == fold
        made = _fold(embeddings, identities, np.flatnonzero(asks).tolist(), np.flatnonzero(~asks).tolist())
        if len(made.query) and len(made.gallery):
            folds.append(made)
    return folds


def fixed_fold(
    embeddings: Embeddings, identities: Sequence[str], asked: Sequence[bool], answering: Sequence[bool]
) -> Fold:
    """Return the one division of N labelled photos whose two sides are given."""
    return _fold(embeddings, identities, np.flatnonzero(asked).tolist(), np.flatnonzero(answering).tolist())


def evaluate_folds(folds: Sequence[Fold], rank: Callable[[Fold], Ranking]) -> Evaluated:
    """Rank every fold and judge all of them together. Raises ValueError without a fold."""
    rankings = tuple(rank(fold) for fold in folds)
    parts = [
        relevance_matrix(ranking, fold.relevant, fold.people) for ranking, fold in zip(rankings, folds, strict=True)
    ]
    return Evaluated(rankings, pooled(parts))


def _fold(embeddings: Embeddings, identities: Sequence[str], asks: list[int], answers: list[int]) -> Fold:
    return Fold(
        embeddings.at(asks),
        embeddings.at(answers),
        tuple(identities[i] for i in asks),
        tuple(identities[i] for i in answers),
    )


def _lot(name: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
