"""What a report shows, as values: the queries with their answers, the curves, and what is drawn of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.open_set import OpenSetCurve
from facematch.evaluation.rank_task import Evaluated
from facematch.evaluation.retrieval import average_precision, cmc, precision_recall_curve
from facematch.evaluation.topk import Figures
from facematch.evaluation.verification import Pairs, Roc, distance_histograms, roc
from facematch.faces.values import FaceRecord
from facematch.tasks.report.embedding_map import EmbeddingMap

Floats = NDArray[np.float64]

SHOWN = 10  # answers of a query that are shown
_PLACES = 50  # of the CMC curve


@dataclass(frozen=True)
class Answer:
    """One gallery photo of a ranking: its place from 1, its distance, and whether it shows the query's person."""

    name: str
    place: int
    distance: float
    right: bool


@dataclass(frozen=True)
class QueryRow:
    """One query and its first ten answers.

    `first` is the first right answer at whatever place, None where the ranking has none; `relevant` counts
    the right photos of the gallery; `average_precision` is None where there are none.
    """

    name: str
    average_precision: float | None
    relevant: int
    answers: tuple[Answer, ...]
    first: Answer | None

    @property
    def answerable(self) -> bool:
        """Return whether the gallery has a photo of this person."""
        return self.relevant > 0

    def missed(self, k: int) -> bool:
        """Return whether a person the gallery has is not among the first k answers."""
        return self.answerable and (self.first is None or self.first.place > k)


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of a report.

    `cmc` is top-k for k from 1; `recall` and `precision` have one length; `edges` of B+1 distances bound the
    B shares `same` and `different` of pairs.
    """

    cmc: Floats
    recall: Floats
    precision: Floats
    roc: Roc
    pairs: int
    people: int
    edges: Floats
    same: Floats
    different: Floats


@dataclass(frozen=True)
class FigureTable:
    """Figures under one heading; `unit` says what their count counts."""

    heading: str
    figures: tuple[Estimate, ...]
    unit: str = "queries"


@dataclass(frozen=True)
class SystemRow:
    """What one system reaches on the queries of the report; `note` says what flatters it."""

    name: str
    figures: Figures
    note: str = ""


@dataclass(frozen=True)
class SubgroupTable:
    """The figures of one attribute's subgroups, and the gap between the best and the worst of them.

    `undescribed` queries have no row in the attributes.
    """

    attribute: str
    figures: tuple[tuple[str, Estimate], ...]
    gap: Estimate | None = None
    undescribed: int = 0


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything on a report's page.

    `people` says whom each photo shows ("" where nobody knows); `thumbnails` are JPEG files by photo name,
    without `left_out` photos for which there was no room. `facts` are lines on how it was made; `settings` is
    YAML. `open_set` is the curve of a validation in which some people are unknown. Answers further than
    `threshold` are marked as not accepted. `systems` are the one reported, first, and those it has
    to beat; their score has the `weights` of top-1, top-5 and top-10.
    """

    title: str
    protocol: str
    metric: str
    tables: tuple[FigureTable, ...]
    curves: Curves
    queries: tuple[QueryRow, ...]
    people: Mapping[str, str]
    thumbnails: Mapping[str, bytes]
    records: tuple[FaceRecord, ...]
    fingerprint: Fingerprint
    settings: str
    weights: tuple[float, float, float]
    facts: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()
    subgroups: tuple[SubgroupTable, ...] = ()
    drawn: EmbeddingMap | None = None
    open_set: OpenSetCurve | None = None
    threshold: float | None = None
    left_out: int = 0
    systems: tuple[SystemRow, ...] = ()


def query_rows(evaluated: Evaluated) -> list[QueryRow]:
    """Return every query with its first answers, the worst first.

    Worst is the lowest average precision, then the furthest place of the first right photo, then the name.
    Queries whose person the gallery does not have come last; among them the nearest wrong answer first, since
    that is the one a threshold has most trouble with.

    Raises FacematchError for rankings that are not whole, ValueError where photos were ignored when they were
    judged.
    """
    precisions = average_precision(evaluated.judged).tolist()
    rows = [_row(evaluated, number, precision) for number, precision in enumerate(precisions)]

    def worst(row: QueryRow) -> tuple[bool, float, float, str]:
        if row.average_precision is None:
            return (True, row.answers[0].distance if row.answers else 0.0, 0.0, row.name)
        return (False, row.average_precision, -row.first.place if row.first is not None else -np.inf, row.name)

    return sorted(rows, key=worst)


def known_people(evaluated: Evaluated) -> dict[str, str]:
    """Return whom each photo shows, also gallery photos that are known only as right answers of a query.

    A ground truth names no people, so there a person goes by a photo's name: `person of gallery/1.jpg`.
    """
    known = dict(evaluated.task.shown)
    for row, group in enumerate(evaluated.judged.groups):
        ranking, at = evaluated.place(row)
        for place in np.flatnonzero(evaluated.judged.right[row]).tolist():
            name = ranking.gallery[ranking.indices[at, place]]
            known[name] = known.get(name) or str(group)
    return {name: f"person of {who}" if who in known else who for name, who in known.items()}


def curves_of(evaluated: Evaluated, pairs: Pairs) -> Curves:
    """Return the curves of judged rankings and of their pairs. Raises FacematchError for rankings not whole."""
    judged = evaluated.judged
    recall, precision = precision_recall_curve(judged)
    edges, same, different = distance_histograms(pairs)
    places = max(1, min(_PLACES, judged.right.shape[1]))
    return Curves(cmc(judged, places), recall, precision, roc(pairs), len(pairs), pairs.people, edges, same, different)


def wanted_photos(
    queries: Sequence[QueryRow], records: Iterable[FaceRecord], drawn: EmbeddingMap | None
) -> tuple[str, ...]:
    """Return the photos a page shows, each once, the most wanted first.

    The worst queries with their answers, then what the cropper missed, then the rest of the map.
    """
    names: dict[str, None] = {}
    for row in queries:
        names[row.name] = None
        names.update((answer.name, None) for answer in row.answers)
        if row.first is not None:
            names[row.first.name] = None
    names.update((record.name, None) for record in missed_faces(records))
    if drawn is not None:
        names.update((name, None) for name in drawn.names)
    return tuple(names)


def missed_faces(records: Iterable[FaceRecord]) -> list[FaceRecord]:
    """Return the photos that were read and show no face the cropper finds."""
    return [record for record in records if record.status in ("miss", "whole", "centre")]


def _row(evaluated: Evaluated, number: int, precision: float) -> QueryRow:
    judged = evaluated.judged
    ranking, row = evaluated.place(number)

    def answer(place: int) -> Answer:
        name = ranking.gallery[ranking.indices[row, place]]
        return Answer(name, place + 1, float(ranking.distances[row, place]), bool(judged.right[number, place]))

    there = int((ranking.indices[row] >= 0).sum())
    if there != int(np.isfinite(judged.distances[number]).sum()):
        raise ValueError(f"photos of {ranking.queries[row]}'s ranking were ignored, so its places are not those judged")
    right = np.flatnonzero(judged.right[number])
    return QueryRow(
        ranking.queries[row],
        None if np.isnan(precision) else precision,
        int(judged.relevant[number]),
        tuple(answer(place) for place in range(min(SHOWN, there))),
        answer(int(right[0])) if len(right) else None,
    )
