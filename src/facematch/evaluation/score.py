"""The score of a submission as the competition's server computes it, and the ground truth it is computed from."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from facematch.core.errors import FacematchError
from facematch.core.foreign import quoted, read_json
from facematch.core.text import brief

WEIGHTS = (600.0, 300.0, 100.0)  # of top-1, top-5 and top-10


def competition_score(top1: float, top5: float, top10: float) -> float:
    """Return 600·top1 + 300·top5 + 100·top10, from 0 to 1000.

    Each argument is the share (0–1) of queries with a right identity among the first 1, 5 or 10
    names. The shares are cumulative: a query answered right at once counts in all three.
    """
    return WEIGHTS[0] * top1 + WEIGHTS[1] * top5 + WEIGHTS[2] * top10


@dataclass(frozen=True)
class Score:
    """Shares (0–1) of the ground truth's queries with a right name among the first 1, 5 and 10."""

    top1: float
    top5: float
    top10: float

    @property
    def score(self) -> float:
        """Return 600·top1 + 300·top5 + 100·top10, from 0 to 1000."""
        return competition_score(self.top1, self.top5, self.top10)


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
        raise FacematchError(
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
