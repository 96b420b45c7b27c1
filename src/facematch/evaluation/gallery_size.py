"""From the ranks in one gallery to the chance of a hit in a gallery of another size.

A smaller gallery is drawn from the one at hand, so the number of closer photos in it is hypergeometric:
exact, with nothing assumed. For a larger one, the share of all other people's photos that are closer
than a query's right photo has to be estimated. Taking it as (closer seen)/(photos seen), the binomial
model of Grother & Phillips (Models of Large Population Recognition Performance, CVPR 2004), makes a
query that was right once right in every gallery. Here the share has a beta distribution over queries,
fitted to all of them, so the closer photos are beta-binomial and hits fall about with the logarithm of
the gallery's size, as is observed (Friedman et al., Biometric Performance as a Function of Gallery
Size, arXiv:1906.06272).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from facematch.evaluation.bootstrap import Floats, Ints
from facematch.evaluation.outcomes import Outcomes
from facematch.evaluation.topk import KS

# The beta distributions to choose from, (a, b) with mean a/(a+b): few or many hard queries, near or far apart.
BETAS: Floats = np.array([(a, b) for a in np.geomspace(0.002, 4, 13) for b in np.geomspace(0.5, 128, 9)])


@dataclass(frozen=True, eq=False)
class Places:
    """Right photos that may be a query's best in a gallery, one a row.

    `query` is the query's number, `closer` of `others` photos of other people rank before the right
    photo, `chance` is the probability that it is the best one there, `right` how many right photos
    there are. All of length R; `queries` is the number of queries.
    """

    query: Ints
    closer: Ints
    others: Ints
    chance: Floats
    right: Ints
    queries: int


def queries_of(photos: Ints, share: float) -> Ints:
    """Return how many of each of N persons' `photos` are queries when `share` (0–1) of them are.

    At least one is, and at least one stays in the gallery.
    """
    queries: Ints = np.clip(np.floor(share * photos + 0.5).astype(np.int64), 1, np.maximum(photos - 1, 1))
    return queries


def places(outcomes: Outcomes, share: float = 0.0) -> Places:
    """Return the right photos that may be best when `share` (0–1) of a person's photos are queries.

    Each of a query's r right photos is then in the gallery with chance 1 − share, at least one of
    them; number j (from 0) is the best one there with chance (1 − share)·shareʲ / (1 − shareʳ).
    """
    rows: list[tuple[int, int, int, float, int]] = []
    photos = np.array([len(counts) + 1 for counts in outcomes.closer], dtype=np.int64)
    rest = (photos - queries_of(photos, share)).tolist()
    for query, (counts, others, right) in enumerate(zip(outcomes.closer, outcomes.others, rest, strict=True)):
        for count, chance in zip(counts, _best_of(len(counts), share), strict=True):
            if chance > 1e-4:
                rows.append((query, count, others, chance, right))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    numbers, closer, seen, rights = (table[:, column].astype(np.int64) for column in (0, 1, 2, 4))
    chances = table[:, 3] / np.bincount(numbers, weights=table[:, 3], minlength=len(outcomes))[numbers]
    return Places(numbers, closer, seen, chances, rights, len(outcomes))


def hit_chances(found: Places, gallery: int, betas: Floats = BETAS) -> Floats:
    """Return for B beta distributions and Q queries the chance of a hit within 1, 5 and 10: B×Q×3.

    `gallery` counts all photos of the gallery, right ones included; `betas` is B×2. B is 1 when the
    gallery is no larger than the one seen, since the distributions then play no part.
    """
    wanted = np.maximum(gallery - found.right, 0)
    cases, where = np.unique(np.stack([found.closer, found.others, wanted], axis=1), axis=0, return_inverse=True)
    closer, others, within = cases.T
    larger = within > others
    chances = np.zeros((len(betas) if larger.any() else 1, len(cases), len(KS)))
    chances[:, ~larger] = _within(_hypergeometric(closer[~larger], others[~larger], within[~larger]))
    if larger.any():
        chances[:, larger] = _within(_beta_binomial(closer[larger], others[larger], within[larger], betas))
    spread = chances[:, where.ravel()] * found.chance[:, None]
    first = np.searchsorted(found.query, np.arange(found.queries))
    summed: Floats = np.add.reduceat(spread, first, axis=1) if found.queries else spread
    return np.clip(summed, 0, 1)


def log_likelihoods(found: Places, betas: Floats = BETAS) -> Floats:
    """Return for each of Q queries the logarithm of its likelihood under B beta distributions: Q×B.

    Ten and more closer photos count as one case: a larger gallery never brings such a query back, and
    the fit is to be good near the top. Right photos that may each be the best count by their chance.
    """
    beyond = KS[-1]
    cases, where = np.unique(
        np.stack([np.minimum(found.closer, beyond), found.others], axis=1), axis=0, return_inverse=True
    )
    closer, others = cases.T
    none = np.zeros_like(others)
    table = _beta_binomial(none, none, others, betas)
    table = np.concatenate([table, 1 - table.sum(axis=-1, keepdims=True)], axis=-1)
    logs = np.log(np.maximum(table[:, np.arange(len(cases)), closer], 1e-12))
    each = logs[:, where.ravel()] * found.chance
    first = np.searchsorted(found.query, np.arange(found.queries))
    return np.asarray(np.add.reduceat(each, first, axis=1).T, dtype=np.float64)


@cache
def _best_of(right: int, share: float) -> tuple[float, ...]:
    if share >= 1:  # the one that stays may be any
        return (1 / right,) * right
    return tuple((1 - share) * share**j / (1 - share**right) for j in range(right))


def _within(chances: Floats) -> Floats:
    # From the chances of 0, 1, … 9 closer photos (…×10) to those of a hit within k (…×3).
    return np.cumsum(chances, axis=-1)[..., [k - 1 for k in KS]]


def _hypergeometric(closer: Ints, others: Ints, wanted: Ints) -> Floats:
    # Chance of x = 0 … 9 closer photos among `wanted` drawn from `others`: cases×10.
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(others.max(initial=0)) + 1)))])

    def choose(n: Ints, x: Ints) -> Floats:
        possible = (x >= 0) & (x <= n)
        x = np.where(possible, x, 0)
        return np.where(possible, logs[n] - logs[x] - logs[n - x], -np.inf)

    x = np.arange(KS[-1])
    closer, others, wanted = closer[:, None], others[:, None], wanted[:, None]
    return np.exp(choose(closer, x) + choose(others - closer, wanted - x) - choose(others, wanted))


def _beta_binomial(closer: Ints, others: Ints, wanted: Ints, betas: Floats) -> Floats:
    # Chance of x = 0 … 9 closer photos in all, when `closer` of `others` have been seen and more come: B×cases×10.
    most = int(wanted.max(initial=0))
    rise_a, rise_b, rise_ab = _rises(betas, most)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])
    more = (np.arange(KS[-1]) - closer[:, None]).clip(-1)  # of the further photos that are closer
    further = (wanted - others)[:, None]
    possible = (more >= 0) & (more <= further)
    more = np.where(possible, more, 0)
    rest = further - more
    ways = logs[further] - logs[more] - logs[rest]
    near = rise_a[:, closer[:, None] + more] - rise_a[:, closer[:, None]]
    far = rise_b[:, (others - closer)[:, None] + rest] - rise_b[:, (others - closer)[:, None]]
    both = (rise_ab[:, wanted] - rise_ab[:, others])[:, :, None]
    return np.where(possible, np.exp(ways + near + far - both), 0.0)


def _rises(betas: Floats, most: int) -> tuple[Floats, Floats, Floats]:
    # Logarithms of the rising factorials c(c+1)…(c+j−1), j = 0 … most, for c = a, b and a+b: B×(most+1) each.
    steps = np.arange(most)

    def rise(start: Floats) -> Floats:
        return np.concatenate([np.zeros((len(start), 1)), np.cumsum(np.log(start[:, None] + steps), axis=1)], axis=1)

    return rise(betas[:, 0]), rise(betas[:, 1]), rise(betas.sum(axis=1))
