"""Who asks whom: one value, made by names before anything is embedded. Every photo has a name of its own.

Leave-one-out lets every photo ask all others. That is right for a plain ranking, but steps that look at the
gallery as a whole (database augmentation, query expansion, k-reciprocal re-ranking) would then meet the query
in the gallery. In folds each photo asks once, and no photo is on both sides.
"""

import hashlib
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.score import people_of_truth

FOLDS = 5
LEAVE_ONE_OUT = "each photo asks all others in turn (leave-one-out)"
HELD_OUT = "held-out photos ask the training photos of the same classes"
FIXED = "fixed queries and gallery"

_CELLS = 4_000_000  # places of whole rankings held at once


@dataclass(frozen=True, eq=False)
class Division:
    """Q queries that ask a gallery of G photos, all by name.

    For each query there are its `relevant` gallery names, its identity, and the names that leave its ranking before
    anything is counted (`ignored`: the query itself where it stands in the gallery, or photos of the same bytes).
    """

    queries: tuple[str, ...]
    gallery: tuple[str, ...]
    relevant: tuple[frozenset[str], ...]
    identities: tuple[str, ...]
    ignored: tuple[frozenset[str], ...] | None = None

    @property
    def answerable(self) -> list[bool]:
        """Return which queries have a relevant photo; the others show somebody unknown to the gallery."""
        if self.ignored is None:
            return [bool(names) for names in self.relevant]
        return [not names <= out for names, out in zip(self.relevant, self.ignored, strict=True)]

    def at(self, rows: Sequence[int]) -> "Division":
        """Return some of the queries, before the same gallery."""
        return Division(
            tuple(self.queries[row] for row in rows),
            self.gallery,
            tuple(self.relevant[row] for row in rows),
            tuple(self.identities[row] for row in rows),
            None if self.ignored is None else tuple(self.ignored[row] for row in rows),
        )

    def among(self, there: AbstractSet[str]) -> "Division":
        """Return the same without the photos that are not `there`."""
        some = self.at([row for row, name in enumerate(self.queries) if name in there])
        kept = {names: names & there for names in set(some.relevant)}
        gallery = tuple(name for name in self.gallery if name in there)
        return replace(some, gallery=gallery, relevant=tuple(kept[names] for names in some.relevant))


@dataclass(frozen=True, eq=False)
class RetrievalTask:
    """Divisions in which photos ask each other; `shown` says whom each photo shows, where that is known.

    `protocol` says in words who asks whom. `both_sides` says that a photo may stand on both sides, which only a plain
    ranking allows. In a `closed` task a query without a relevant photo takes no part.
    """

    divisions: tuple[Division, ...]
    shown: Mapping[str, str]
    protocol: str
    both_sides: bool = False
    closed: bool = False

    @property
    def queries(self) -> tuple[str, ...]:
        """Return the queries of all divisions, in their order."""
        return tuple(name for division in self.divisions for name in division.queries)

    @property
    def identities(self) -> tuple[str, ...]:
        """Return whom each query shows, in the order of the divisions."""
        return tuple(person for division in self.divisions for person in division.identities)

    @property
    def gallery(self) -> frozenset[str]:
        """Return the gallery photos of all divisions."""
        return frozenset(name for division in self.divisions for name in division.gallery)

    def among(self, names: Collection[str]) -> "RetrievalTask":
        """Return the task among the photos that were embedded: the same folds, without what is missing.

        Divisions that are left without a query or a gallery are left out.
        """
        there = frozenset(names)
        found = [
            division if there.issuperset(division.queries + division.gallery) else division.among(there)
            for division in self.divisions
        ]
        if self.closed:
            found = [_answerable(division) for division in found]
        return replace(self, divisions=tuple(each for each in found if each.queries and each.gallery))

    def asked_by(self, people: AbstractSet[str]) -> "RetrievalTask":
        """Return the same divisions with the queries that show `people`; there may be none."""
        rows = [[row for row, who in enumerate(each.identities) if who in people] for each in self.divisions]
        return replace(self, divisions=tuple(each.at(of) for each, of in zip(self.divisions, rows, strict=True)))

    def blocks(self, cells: int = _CELLS) -> Iterator["RetrievalTask"]:
        """Yield the task in blocks of queries whose whole rankings have about `cells` places together."""
        for division in self.divisions:
            step = max(1, cells // max(1, len(division.gallery)))
            for start in range(0, len(division.queries), step):
                rows = range(start, min(start + step, len(division.queries)))
                yield replace(self, divisions=(division.at(rows),))


def leave_one_out(shown: Mapping[str, str], queries: Collection[str], *, closed: bool = True) -> RetrievalTask:
    """Every one of `queries` asks all other photos of `shown`, which says whom each shows.

    Photos that are no queries (distractors) stand in the gallery only. Where the task is `closed`, a query whose
    person has no other photo takes no part.
    """
    asking, photos = set(queries), _photos(shown)
    names = tuple(name for name in shown if name in asking)
    division = _labelled(names, tuple(shown), shown, photos)
    division = replace(division, ignored=tuple(frozenset({name}) for name in names))
    if closed:
        division = _answerable(division)
    return RetrievalTask((division,), shown, LEAVE_ONE_OUT, both_sides=True, closed=closed)


def across_domains(
    shown: Mapping[str, str],
    queries: Collection[str],
    domain_of: Mapping[str, str],
    across: tuple[str, str],
    *,
    closed: bool = True,
) -> RetrievalTask:
    """Those of `queries` that are of the first domain of `across` ask all photos of the second; `shown` as above.

    `domain_of` says of which domain each photo is. Raises ValueError where the two domains are one: then each photo
    would ask itself.
    """
    if across[0] == across[1]:
        raise ValueError(f"both domains are {across[0]}")
    (asking, asked), may_ask = across, frozenset(queries)
    there = {name: who for name, who in shown.items() if domain_of[name] == asked}
    asks = [name for name in shown if name in may_ask and domain_of[name] == asking]
    division = _labelled(asks, tuple(there), shown, _photos(there))
    protocol = f"{asking} asks {asked}: each picture all of the other domain"
    return RetrievalTask((_answerable(division) if closed else division,), shown, protocol, closed=closed)


def two_sides(
    queries: Sequence[str],
    gallery: Sequence[str],
    shown: Mapping[str, str],
    ignored: tuple[frozenset[str], ...] | None = None,
) -> RetrievalTask:
    """Queries ask a gallery of other photos, in which a query's person may be missing; `shown` as above.

    `ignored` names leave each query's ranking before anything is counted.
    """
    division = _labelled(queries, gallery, shown, _photos({name: shown[name] for name in gallery}))
    return RetrievalTask((replace(division, ignored=ignored),), shown, HELD_OUT)


def in_folds(
    shown: Mapping[str, str],
    queries: Collection[str],
    *,
    count: int = FOLDS,
    seed: int = 0,
    unknown: bool = False,
) -> RetrievalTask:
    """Divide labelled photos `count` times into queries and gallery, so that no photo is ever on both sides.

    Every one of `queries`, if its person has another photo, asks in one fold and stands in the gallery of the others;
    the rest (distractors, single photos) is always gallery. So a person with at most `count` photos meets all its
    others, as in leave-one-out. With `unknown` one person in `count` is missing from each fold's gallery, and its
    photos ask there in vain: an open set, in which every person is unknown once and its photos ask as known ones in
    the other folds.

    Lots are drawn from names and `seed`, not from the order of photos. Folds without a query are left out.
    """
    asking, mine = set(queries), _photos(shown)
    fold_of, missing_in = dict.fromkeys(shown, -1), dict.fromkeys(shown, -1)
    for person, names in mine.items():
        first = _lot(person, seed) % count
        if unknown:
            missing_in.update(dict.fromkeys(names, first))
        if len(names) > 1:
            for place, name in enumerate(sorted(names, key=lambda name: _lot(name, seed))):
                if name in asking:
                    fold_of[name] = (first + 1 + place) % count
    divisions = []
    for fold in range(count):
        asks = {name for name in shown if fold in (fold_of[name], missing_in[name])}
        gallery = [name for name in shown if name not in asks]
        if asks and gallery:
            photos = _photos({name: shown[name] for name in gallery})
            divisions.append(_labelled([name for name in shown if name in asks], gallery, shown, photos))
    protocol = f"each photo asks once, in {len(divisions)} folds"
    return RetrievalTask(tuple(divisions), shown, protocol, closed=not unknown)


def by_truth(truth: Mapping[str, AbstractSet[str]], queries: Sequence[str], gallery: Sequence[str]) -> RetrievalTask:
    """Queries ask a gallery of other photos, and a ground truth names what is relevant to each.

    Queries that share a relevant photo show one person, called by the first of them (`people_of_truth`).
    """
    people, there = people_of_truth(truth), frozenset(gallery)
    relevant = tuple(frozenset(truth[name] & there) for name in queries)
    division = Division(tuple(queries), tuple(gallery), relevant, tuple(people[name] for name in queries))
    return RetrievalTask((division,), dict(zip(queries, division.identities, strict=True)), FIXED)


def halves(people: Sequence[Hashable], seed: int = 0) -> NDArray[np.bool_]:
    """Return for each of Q queries whether its person belongs to the first half (Q `bool`), by lot over people."""
    drawn = sorted(set(people), key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest())
    first = set(drawn[::2])
    return np.array([person in first for person in people], dtype=np.bool_)


def _answerable(division: Division) -> Division:
    answerable = division.answerable
    return division if all(answerable) else division.at([row for row, right in enumerate(answerable) if right])


def _photos(shown: Mapping[str, str]) -> dict[str, frozenset[str]]:
    photos: dict[str, list[str]] = {}
    for name, person in shown.items():
        photos.setdefault(person, []).append(name)
    return {person: frozenset(names) for person, names in photos.items()}


def _labelled(
    queries: Sequence[str], gallery: Sequence[str], shown: Mapping[str, str], photos: Mapping[str, frozenset[str]]
) -> Division:
    # All photos of a query's person are relevant: one set for all queries of a person.
    identities = tuple(shown[name] for name in queries)
    relevant = tuple(photos.get(person, frozenset()) for person in identities)
    return Division(tuple(queries), tuple(gallery), relevant, identities)


def _lot(name: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
