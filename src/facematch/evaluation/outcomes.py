"""What validation keeps of each query, so that its place in a gallery of any size can be told later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.topk import Places
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import distance_estimator

_CELLS = 4_000_000  # cells of a ranking held at once


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

    def as_json(self) -> dict[str, list[Any]]:
        """Return plain lists, for a journal."""
        return {
            "queries": list(self.queries),
            "identities": list(self.identities),
            "closer": [list(counts) for counts in self.closer],
            "others": list(self.others),
        }


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


def outcomes(
    embeddings: Embeddings,
    identities: Sequence[str],
    asked: Sequence[bool],
    metric: Metric,
    keys: Sequence[str] | None = None,
) -> Outcomes:
    """Rank N labelled photos against each other: every asked photo is a query in turn.

    A photo is never its own match; order is that of `ranking.distance_estimator`, ties by name.
    `identities` belong to the embeddings one by one; `asked` is False for photos that stand in the
    gallery only (distractors). Queries whose person has no other photo have no right answer and are
    left out, so the result may be empty. `keys` name the photos (their digests, say) in place of
    the embeddings' names.
    """
    people, codes = np.unique(np.asarray(identities, dtype=np.str_), return_inverse=True)
    photos = np.bincount(codes, minlength=len(people))
    chosen: NDArray[np.intp] = np.flatnonzero(np.asarray(asked, dtype=np.bool_) & (photos[codes] > 1))
    closer: list[tuple[int, ...]] = []
    for rows in np.array_split(chosen, 1 + len(chosen) * len(embeddings) // _CELLS) if len(chosen) else ():
        closer += _closer(embeddings, codes, rows, metric)
    names = embeddings.names if keys is None else keys
    return Outcomes(
        tuple(names[i] for i in chosen.tolist()),
        tuple(identities[i] for i in chosen.tolist()),
        tuple(closer),
        tuple(int(len(embeddings) - photos[codes[i]]) for i in chosen),
    )


def first_places(found: Outcomes) -> Places:
    """Return where the first right photo of each query stands."""
    places = np.array([counts[0] + 1 for counts in found.closer], dtype=np.int64)
    gallery = min((len(counts) + others for counts, others in zip(found.closer, found.others, strict=True)), default=0)
    return Places(found.queries, places, found.identities, gallery)


def judged_outcomes(judged: RelevanceMatrix) -> Outcomes:
    """Return the outcomes of a judged ranking: those of its mated queries.

    Raises FacematchError when a row ends before its gallery.
    """
    judged.require_complete("the score to expect")
    before = np.cumsum(~judged.right, axis=1)
    rows = np.flatnonzero(judged.mated).tolist()
    return Outcomes(
        tuple(judged.queries[row] for row in rows),
        tuple(str(judged.groups[row]) for row in rows),
        tuple(tuple(int(count) for count in before[row][judged.right[row]]) for row in rows),
        tuple(int(judged.wrong[row]) for row in rows),
    )


def _closer(
    embeddings: Embeddings, codes: NDArray[np.intp], rows: NDArray[np.intp], metric: Metric
) -> list[tuple[int, ...]]:
    queries = embeddings.at(rows.tolist())
    ranking = distance_estimator(queries, embeddings, len(embeddings), metric, exclude_same_name=True)
    # The query's own photo is left out, so its row ends with an empty place.
    right = (codes[ranking.indices] == codes[rows][:, None]) & (ranking.indices >= 0)
    before = np.cumsum(~right, axis=1)
    return [tuple(int(count) for count in before[row][right[row]]) for row in range(len(rows))]
