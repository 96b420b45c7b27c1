"""What validation keeps of each query, so that its place in a gallery of any size can be told later."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.rank_task import Rank, judge_task, plainly, rank_divisions
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.task import RetrievalTask
from facematch.evaluation.topk import Places
from facematch.ranking.embeddings import Embeddings


@dataclass(frozen=True)
class Outcomes:
    """For each of Q validation queries: who it shows and how well its right photos stand among the others.

    `queries` names them (or holds their digests), `identities` are the people shown. `closer` gives for
    each right photo, best first, the number of photos of *other* people that rank before it; `others`
    is how many photos of other people there were. A query's first right photo in the validation
    gallery so stands at place `closer[q][0] + 1`.

    Raises FacematchError when the four do not belong together.
    """

    queries: tuple[str, ...]
    identities: tuple[str, ...]
    closer: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.queries), len(self.identities), len(self.closer), len(self.others)}
        if len(lengths) != 1:
            raise FacematchError(f"the outcomes of a validation have lists of unequal length: {sorted(lengths)}.")
        for name, counts, others in zip(self.queries, self.closer, self.others, strict=True):
            if not counts or list(counts) != sorted(counts) or counts[0] < 0 or counts[-1] > others:
                raise FacematchError(
                    f"the outcome of query {name} is not possible: {list(counts[:5])} of {others} photos closer."
                )

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def people(self) -> int:
        """Return the number of people asked."""
        return len(set(self.identities))

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for a journal."""
        return asdict(self)


def outcomes_from_json(values: Mapping[str, Any]) -> Outcomes:
    """Return the outcomes that `as_json` wrote. Raises FacematchError for anything else."""
    try:
        return Outcomes(
            tuple(str(name) for name in values["queries"]),
            tuple(str(person) for person in values["identities"]),
            tuple(tuple(int(count) for count in counts) for counts in values["closer"]),
            tuple(int(count) for count in values["others"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FacematchError(
            f"the kept outcomes of a validation cannot be read: {type(error).__name__} {error}.",
            "Validate again: the score to expect is then made anew.",
        ) from error


def places_of(found: Outcomes) -> Places:
    """Return where the first right photo of each query stands."""
    places = np.array([counts[0] + 1 for counts in found.closer], dtype=np.int64)
    gallery = min((len(counts) + others for counts, others in zip(found.closer, found.others, strict=True)), default=0)
    return Places(found.queries, places, found.identities, gallery)


def outcomes_of(judged: RelevanceMatrix) -> Outcomes:
    """Return the outcomes of a judged ranking: those of its queries with a relevant photo.

    Raises FacematchError when a row ends before its gallery.
    """
    judged.require_complete("the score to expect")
    before = np.cumsum(~judged.right, axis=1)
    rows = np.flatnonzero(judged.answerable).tolist()
    return Outcomes(
        tuple(judged.queries[row] for row in rows),
        tuple(str(judged.groups[row]) for row in rows),
        tuple(tuple(int(count) for count in before[row][judged.right[row]]) for row in rows),
        tuple(int(judged.wrong[row]) for row in rows),
    )


def task_outcomes(
    task: RetrievalTask, embeddings: Embeddings, rank: Rank = plainly, known: Mapping[str, str] | None = None
) -> Outcomes:
    """Return the outcomes of a task's queries that have a right photo among those embedded; there may be none.

    Plain rankings, in which each photo asks all others, are made in blocks of queries; others whole.
    """
    here = task.among(embeddings.names)
    return joined_outcomes(
        [
            outcomes_of(judge_task(each, rank_divisions(each, embeddings, rank, known=known)))
            for each in (here.blocks() if here.both_sides else [here] if here.divisions else [])
        ]
    )


def joined_outcomes(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of different queries as one, in their order."""
    return Outcomes(
        tuple(name for part in parts for name in part.queries),
        tuple(person for part in parts for person in part.identities),
        tuple(counts for part in parts for counts in part.closer),
        tuple(count for part in parts for count in part.others),
    )
