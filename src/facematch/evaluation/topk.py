"""Top-k (CMC) figures of a ranking, with a bootstrap interval over identities."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import mean_figure
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.score import WEIGHTS, competition_score
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, distance_estimator

KS = (1, 5, 10)


@dataclass(frozen=True)
class Figures:
    """Share of queries with a right identity among the first 1, 5 and 10 names.

    `interval` is the 95 % bootstrap interval of top-1 over identities, None with fewer than 10 people;
    `score` is on the competition's scale from 0 to 1000. `mean_average_precision` is the tie-aware mAP over
    whole rankings, where it was measured.
    """

    top1: float
    top5: float
    top10: float
    interval: tuple[float, float] | None
    queries: int
    gallery: int
    mean_average_precision: float | None = None

    def chosen_by(self, figure: Literal["top-1", "mAP"]) -> float:
        """Return the figure by which validations are compared; 0 where it was not measured."""
        return self.top1 if figure == "top-1" else self.mean_average_precision or 0.0

    @property
    def score(self) -> float:
        """Return 600·top1 + 300·top5 + 100·top10."""
        return competition_score(self.top1, self.top5, self.top10)

    def as_dict(self) -> dict[str, object]:
        """Return the figures and the score as plain JSON values."""
        return {
            **asdict(self),
            "interval": None if self.interval is None else list(self.interval),
            "score": self.score,
        }


@dataclass(frozen=True, eq=False)
class Places:
    """Where the first right photo of each of Q queries stands: from 1, or 0 where none was looked at (Q `int64`).

    `people` says whom each query shows; `gallery` is how many photos were asked, at least.
    """

    queries: tuple[str, ...]
    places: NDArray[np.int64]
    people: tuple[Hashable, ...]
    gallery: int

    @property
    def figures(self) -> Figures:
        """Return the figures. Raises FacematchError without queries."""
        return topk_figures(self.places, self.people, self.gallery)

    def scores(self, weights: Sequence[float] = WEIGHTS) -> dict[str, float]:
        """Return what each query adds to the score, by its name: their mean is the score."""
        within = (self.places[:, None] > 0) & (self.places[:, None] <= np.asarray(KS))
        return dict(zip(self.queries, (within @ np.asarray(weights)).tolist(), strict=True))


def figures_from_dict(values: dict[str, object]) -> Figures:
    """Return the figures that `as_dict` wrote. Raises ValueError for others."""
    return TypeAdapter(Figures).validate_python({key: value for key, value in values.items() if key != "score"})


def first_hits(ranking: Ranking, relevant: Sequence[frozenset[str]]) -> NDArray[np.int64]:
    """Return for each query the place (from 1) of its first right gallery name, 0 when there is none."""
    places = np.zeros(len(ranking.queries), dtype=np.int64)
    for query, right in enumerate(relevant):
        places[query] = next((place for place, name in enumerate(ranking.names(query), start=1) if name in right), 0)
    return places


def topk_figures(places: NDArray[np.int64], groups: Sequence[Hashable], gallery: int, *, seed: int = 0) -> Figures:
    """Return the figures of `first_hits`; `groups` are the queries' identities, for the interval.

    Raises FacematchError without queries.
    """
    if not len(places):
        raise FacematchError(
            "there is no query with a right answer in the gallery, so there is nothing to score.",
            "Validation needs people with at least two readable photos.",
        )
    top1, top5, top10 = (float(((places > 0) & (places <= k)).mean()) for k in KS)
    interval = mean_figure("top-1", places == 1, groups, seed=seed).interval
    return Figures(top1, top5, top10, interval, len(places), gallery)


def judged_places(judged: RelevanceMatrix) -> Places:
    """Return the places of a judged ranking's mated queries; `gallery` is the smallest one asked."""
    mated = judged.mated
    right = judged.right[mated]
    places = np.where(right.any(axis=1), right.argmax(axis=1) + 1, 0)
    kept = np.flatnonzero(mated).tolist()
    gallery = int((judged.relevant + judged.wrong)[mated].min(initial=2**31))
    return Places(tuple(judged.queries[i] for i in kept), places, tuple(judged.groups[i] for i in kept), gallery)


def each_photo_a_query(
    embeddings: Embeddings, identities: Sequence[str], asked: Sequence[bool], metric: Metric
) -> Figures:
    """Return the figures of `asked_places`. Raises FacematchError without queries."""
    return asked_places(embeddings, identities, asked, metric).figures


def asked_places(embeddings: Embeddings, identities: Sequence[str], asked: Sequence[bool], metric: Metric) -> Places:
    """Every photo is a query in turn against all others; a photo never counts as its own match.

    `identities` belong to the embeddings one by one; `asked` is False for photos that are in the
    gallery only (distractors). A query whose person has no other photo has no right answer and is
    left out.
    """
    photos: dict[str, set[str]] = {}
    for name, identity in zip(embeddings.names, identities, strict=True):
        photos.setdefault(identity, set()).add(name)
    chosen = [i for i, person in enumerate(identities) if asked[i] and len(photos[person]) > 1]
    if not chosen:
        return Places((), np.zeros(0, np.int64), (), len(embeddings))
    queries = embeddings.at(chosen)
    ranking = distance_estimator(queries, embeddings, max(KS), metric, exclude_same_name=True)
    relevant = [frozenset(photos[identities[i]]) for i in chosen]
    people = tuple(identities[i] for i in chosen)
    return Places(queries.names, first_hits(ranking, relevant), people, len(embeddings) - 1)


def labelled_sides(
    query: Embeddings, gallery: Embeddings, asked: Sequence[str], shown: Sequence[str], metric: Metric
) -> Figures:
    """Every query asks a gallery of other photos; `asked` and `shown` say whom each photo of the two sides shows.

    A query whose identity is not in the gallery has no right answer and is left out.
    """
    known = set(shown)
    chosen = [row for row, who in enumerate(asked) if who in known]
    people = [asked[row] for row in chosen]
    if not chosen:
        return topk_figures(np.zeros(0, np.int64), [], len(gallery))
    ranking = distance_estimator(query.at(chosen), gallery, max(KS), metric)
    found = np.asarray(shown)[ranking.indices] == np.asarray(people)[:, None]
    places = np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)
    return topk_figures(places, people, len(gallery))


def ranked_places(ranking: Ranking, truth: Mapping[str, AbstractSet[str]]) -> Places:
    """Return the places of a ranking's queries by a ground truth; a query that was not ranked counts as wrong.

    Queries that share a right gallery photo show the same person: they are one group for the interval.
    Raises FacematchError when the truth names none of the queries.
    """
    if not truth.keys() & set(ranking.queries):
        raise FacematchError(
            f"the ground truth names {len(truth)} queries, none of which is in the query folder "
            f"(first in the truth: {next(iter(truth), 'none')}; first in the folder: {ranking.queries[0]}).",
            "Check that --query and --truth belong together.",
        )
    right = [frozenset(truth.get(name, ())) for name in ranking.queries]
    hits = dict(zip(ranking.queries, first_hits(ranking, right).tolist(), strict=True))
    groups = people_of_truth(truth)
    places = np.array([hits.get(name, 0) for name in truth], dtype=np.int64)
    return Places(tuple(truth), places, tuple(groups[name] for name in truth), len(ranking.gallery))


def people_of_truth(truth: Mapping[str, AbstractSet[str]]) -> dict[str, str]:
    """Return for each query of a ground truth a name for the person it shows: the first of its right photos.

    Queries that share a right gallery photo show one person, also when a chain of others joins them. A
    query without a right photo is a person of its own.
    """
    parent = {name: name for names in truth.values() for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for names in truth.values():
        for name in names:
            first, second = sorted((root(min(names)), root(name)))
            parent[second] = first
    return {query: root(min(names)) if names else query for query, names in truth.items()}
