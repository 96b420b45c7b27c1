"""Two systems on the same validation queries: is one better, or was it luck with a few people?"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from facematch.core.text import with_interval
from facematch.evaluation.bootstrap import MIN_PEOPLE, Floats, codes_of, draw_weights, expanded_percentiles
from facematch.evaluation.gallery_size import BETAS, hit_chances, log_likelihoods, places
from facematch.evaluation.outcomes import Outcomes

_EXACT = 12  # people up to which all 2^n sign flips are tried


@dataclass(frozen=True)
class Comparison:
    """What one system scores above another, on the queries both answered.

    `interval` holds the difference with 95 % confidence, None with too few people; `p_value` is
    two-sided: how often a difference at least as large comes about when, person by person, a coin
    decides which of the two is which.
    """

    difference: float
    interval: tuple[float, float] | None
    p_value: float
    people: int
    queries: int

    @property
    def luck(self) -> bool:
        """Return whether the difference may be luck: the interval holds 0, or without one, p is 0.05 or more."""
        if self.interval is None:
            return self.p_value >= 0.05
        return self.interval[0] <= 0 <= self.interval[1]

    def __str__(self) -> str:
        chance = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        verdict = "which may be luck" if self.luck else "a real difference"
        return f"{self:+.0f}, {verdict} ({chance})"

    def __format__(self, form: str) -> str:
        """Return the difference with its interval, each number in `form`."""
        return with_interval(self.difference, self.interval, form) if form else str(self)

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}


def compare(
    ours: Outcomes,
    best: Outcomes,
    *,
    gallery: int,
    weights: Sequence[float],
    rounds: int = 5000,
    seed: int = 0,
) -> Comparison | None:
    """Compare two systems, query by query, at a gallery of `gallery` photos; None without a shared query.

    A query is shared when its name (or digest) is in both; interval and test are those of `paired`.
    """
    mine, theirs = contributions(ours, gallery, weights), contributions(best, gallery, weights)
    person = dict(zip(ours.queries, ours.identities, strict=True))
    return paired_by_name(mine, theirs, person, rounds=rounds, seed=seed)


def paired_by_name(
    ours: Mapping[str, float],
    theirs: Mapping[str, float],
    person: Mapping[str, Hashable],
    *,
    rounds: int = 5000,
    seed: int = 0,
) -> Comparison | None:
    """Return `paired` for two systems' numbers by the name of the query, where both have one; None where none does.

    `person` says whom each query shows.
    """
    shared = [name for name in ours if name in theirs]
    if not shared:
        return None
    differences = [ours[name] - theirs[name] for name in shared]
    return paired(differences, [person[name] for name in shared], rounds=rounds, seed=seed)


def paired_values(ours: Floats, theirs: Floats, groups: Sequence[Hashable], *, rounds: int = 5000) -> Comparison:
    """Return `paired` for two systems' values on Q queries, of those where neither is NaN; ValueError without one."""
    differences = ours - theirs
    there = np.flatnonzero(~np.isnan(differences)).tolist()
    return paired(differences[there].tolist(), [groups[row] for row in there], rounds=rounds)


def paired(
    differences: Sequence[float], groups: Sequence[Hashable], *, rounds: int = 5000, seed: int = 0
) -> Comparison:
    """Test whether a mean difference between two systems on the same queries is real.

    `differences` holds one number for each query, ours less theirs; `groups` says whom it shows. The
    interval is a bootstrap over people with expanded percentiles; the test a permutation test of paired
    sums by sign flips over people (Fisher 1935), exact up to 12 people and from `rounds` random flips
    beyond. Raises ValueError without a query.
    """
    if not len(differences):
        raise ValueError("there is no query to compare two systems on")
    codes = codes_of(groups)
    sums: Floats = np.bincount(codes, weights=np.asarray(differences, dtype=np.float64)).astype(np.float64)
    counts = np.bincount(codes)
    rng = np.random.default_rng(seed)
    interval = None
    if len(sums) >= MIN_PEOPLE:
        drawn = draw_weights(len(sums), rounds, rng)
        interval = expanded_percentiles((drawn @ sums) / (drawn @ counts), len(sums))
    difference = float(sums.sum() / counts.sum())
    return Comparison(difference, interval, sign_flip(sums, rounds, rng), len(sums), len(codes))


def contributions(outcomes: Outcomes, gallery: int, weights: Sequence[float]) -> dict[str, float]:
    """Return what each query adds to the score to expect at a gallery of `gallery` photos, by its name."""
    if not len(outcomes):
        return {}
    found = places(outcomes)
    fitted = int(log_likelihoods(found).sum(axis=0).argmax())
    values = hit_chances(found, gallery, BETAS[[fitted]])[0] @ np.asarray(weights)
    return dict(zip(outcomes.queries, values.tolist(), strict=True))


def sign_flip(sums: Floats, rounds: int, rng: np.random.Generator) -> float:
    """Return the two-sided p-value of a sum of N paired differences, one a person, under sign flips."""
    moved = sums[np.abs(sums) > 1e-9]  # an equal pair is the same either way round
    if len(moved) <= _EXACT:
        flips = 1 - 2 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
    else:
        flips = rng.choice([-1, 1], size=(rounds, len(moved)))
    as_far = int((np.abs(flips @ moved) >= abs(moved.sum()) - 1e-9).sum())
    if len(moved) <= _EXACT:
        return as_far / len(flips)
    return (as_far + 1) / (len(flips) + 1)
