"""The score of a submission as the competition's server computes it, and the ground truth it is computed from."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facematch.core.errors import FacematchError, MissingError
from facematch.core.foreign import quoted, read_json
from facematch.core.text import brief


@dataclass(frozen=True)
class Score:
    """Shares (0–1) of the ground truth's queries with a right name among the first 1, 5 and 10."""

    top1: float
    top5: float
    top10: float


def score_submission(images: Mapping[str, Sequence[str]], truth: Mapping[str, AbstractSet[str]]) -> Score:
    """Score ranked names for each query against the right ones for each query.

    The shares are of the queries of `truth`: one that `images` lacks is wrong, one that `truth` lacks
    is ignored. Names after the tenth are ignored too. Raises FacematchError for a truth without queries.
    """
    if not truth:
        raise FacematchError("the ground truth has no queries, so there is nothing to score.")

    def share(k: int) -> float:
        return sum(not right.isdisjoint(images.get(query, ())[:k]) for query, right in truth.items()) / len(truth)

    return Score(share(1), share(5), share(10))


def read_ground_truth(path: Path) -> dict[str, frozenset[str]]:
    """Read `{"query": ["right gallery photo", …], …}`.

    A query may have no right photo in the gallery: it is then always wrong. Raises FacematchError for
    a missing file, text that is not JSON, another form, and a truth that no answer could match.
    """
    expected = 'Expected: {"QUERY.jpg": ["GALLERY.jpg", …], …}'
    if not path.is_file():
        raise MissingError(
            f"the ground truth {path} {'is not a file' if path.exists() else 'does not exist'}.",
            "Make the sample data with `facematch sample`, or name another with --truth FILE.",
        )
    value = read_json(path, "the ground truth", expected)
    if not isinstance(value, dict):
        raise FacematchError(f"the ground truth {path} is a JSON {type(value).__name__}, not an object.", expected)
    for query, names in value.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FacematchError(
                f"the ground truth {path} has {quoted(names)} for the query {brief(query)!r}, not a list of names.",
                expected,
            )
    if not any(value.values()):
        raise FacematchError(
            f"the ground truth {path} is empty: {len(value)} queries, none with a right gallery photo.", expected
        )
    return {query: frozenset(names) for query, names in value.items()}


def people_of_truth(truth: Mapping[str, AbstractSet[str]]) -> dict[str, str]:
    """Return for each query of a ground truth a name for the person it shows: the first of its right photos.

    Queries that share a right gallery photo show one person, also when a chain of others joins them. A
    query without a right photo is a person of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    place = {name: number for number, name in enumerate(sorted({name for names in truth.values() for name in names}))}
    pairs = np.array(
        [(place[min(names)], place[name]) for names in truth.values() for name in names], dtype=np.int64
    ).reshape(-1, 2)
    joined = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(place), len(place)))
    number_of = connected_components(joined, directed=False)[1].tolist() if place else []
    first: dict[int, str] = {}
    for name, number in zip(place, number_of, strict=True):
        first.setdefault(number, name)
    return {query: first[number_of[place[min(names)]]] if names else query for query, names in truth.items()}
