"""The score to expect from the server, with an interval that holds it in 95 of 100 competitions.

Two things are uncertain: what the system is worth, since few people were validated on, and which people
and photos the competition drew. Both are simulated at once. People weighted by the Bayesian bootstrap
(Rubin 1981) stand for what the validation leaves open; competitions drawn from those people stand for
the second; the interval is that of the simulated scores, at the expanded percentiles of Hesterberg
(What Teachers Should Know About the Bootstrap, The American Statistician 2015), which make up for the
too little spread of few people.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from facematch.evaluation.bootstrap import MIN_PEOPLE, Floats, Ints, expanded_percentiles
from facematch.evaluation.gallery_size import hit_chances, log_likelihoods, places, queries_of
from facematch.evaluation.outcomes import Outcomes
from facematch.evaluation.topk import KS

_FAR = 8.0  # no interval for a gallery more than this many times the validation's
_CELLS = 1_000_000  # simulated queries held at once
# What is not known is tried at five values: the share of queries (0: the least possible, 1: a half), and how much
# faster than fitted the score falls with the gallery's logarithm. In an order that pairs them evenly.
_UNKNOWN = ((0.0, 1.5), (0.25, 2.0), (0.5, 1.0), (0.75, 1.25), (1.0, 1.75))
# Concentration of a person's weight: 1 is Rubin's. Less, because the people validated on are also most of the
# gallery, so that another draw of people changes the score twice; the figure is the one that holds 95 % of
# simulated competitions in the hardest setting of benchmarks/expected_score_coverage.py.
_SHAPE = 0.6
_PRIOR = 0.5  # people, on each side, that have not been met: Jeffreys' half


@dataclass(frozen=True)
class Expectation:
    """The score to expect on the competition's scale, and the shares (0–1) of hits within 1, 5 and 10.

    `interval` is meant to hold the server's score in 95 % of competitions; None with too few people, or for
    a gallery far larger than the validation's. `people` and `queries` are those of the validation it rests
    on; `note` says in plain words what the validation does not allow, or is empty.
    """

    score: float
    top1: float
    top5: float
    top10: float
    interval: tuple[float, float] | None
    people: int
    queries: int
    note: str

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True, eq=False)
class PopulationModel:
    """People that competitions are drawn from, one after the other.

    `first` and `size` are each person's rows in `chances` (B×rows×3), `queries` says how many are queries of one
    competition, `weight` how often the person is drawn; `likelihoods` is people×B.
    """

    chances: Floats
    first: Ints
    size: Ints
    queries: Ints
    weight: Floats
    likelihoods: Floats


def expect(
    outcomes: Outcomes,
    *,
    queries: int,
    gallery: int,
    weights: Sequence[float],
    share: float | None = None,
    rounds: int = 2000,
    seed: int = 0,
) -> Expectation | None:
    """Return the score to expect for a task of `queries` queries and `gallery` gallery photos.

    `share` (0–1) of the photos of a person are queries, the others are in the gallery. It is
    seldom known: None tries shares from queries/(queries + gallery), which holds when nobody else is in the
    gallery, to a half. For a gallery larger than the validation's the fitted fall is taken once to twice,
    since ranks near the top say little about how it goes on. `weights` are those of top-1, top-5 and
    top-10. None is returned when the validation has no query. Raises ValueError for counts below 1 and
    shares outside 0–1.
    """
    if min(queries, gallery, rounds) < 1 or not 0 <= (share or 0) <= 1:
        raise ValueError("queries, gallery and rounds are at least 1, and share is from 0 to 1")
    if not len(outcomes):
        return None
    least = queries / (queries + gallery)
    most = max(least, 0.5)
    seen = max(others + len(counts) for others, counts in zip(outcomes.others, outcomes.closer, strict=True))
    models = [
        _population(
            outcomes,
            round(seen * (gallery / seen) ** faster) if gallery > seen else gallery,
            least + part * (most - least) if share is None else share,
            np.asarray(weights),
        )
        for part, faster in _UNKNOWN
    ]
    top1, top5, top10 = (float(value) for value in np.mean([_mean(model) for model in models], axis=0))
    score = float(np.dot(weights, (top1, top5, top10)))
    interval = None
    if outcomes.people >= MIN_PEOPLE and gallery <= _FAR * seen:
        rng = np.random.default_rng(seed)
        each = math.ceil(rounds / len(models))
        scores = np.concatenate([_competitions(model, queries, weights, each, rng) for model in models])
        low, high = expanded_percentiles(scores, outcomes.people)
        interval = (min(low, score), max(high, score))
    return Expectation(
        score, top1, top5, top10, interval, outcomes.people, len(outcomes), _note(outcomes.people, gallery, seen)
    )


def _population(outcomes: Outcomes, gallery: int, share: float, weights: Floats) -> PopulationModel:
    found = places(outcomes, share)
    chances = hit_chances(found, gallery)
    likelihoods = log_likelihoods(found) if len(chances) > 1 else np.zeros((len(outcomes), 1))
    names, first_row, codes = np.unique(np.array(outcomes.identities), return_index=True, return_inverse=True)
    order, size = np.argsort(codes, kind="stable"), np.bincount(codes)
    photos = np.array([len(outcomes.closer[row]) + 1 for row in first_row], dtype=np.int64)
    queries = queries_of(photos, share)
    # A person nobody has met may be worse, or better, than all who were: as bad as those with any miss are
    # on average, and one who misses everything beside them. Without it a system that was always right
    # would be promised to stay so.
    best = min(int(likelihoods.sum(axis=0).argmax()), len(chances) - 1)
    means = np.bincount(codes, weights=chances[best] @ weights / weights.sum()) / size
    extremes = [1 - _mean_of_those_with(1 - means), _mean_of_those_with(means)]
    usual = max(1, round(float(queries.mean())))
    extra = np.broadcast_to(np.repeat(extremes, usual)[None, :, None], (len(chances), 2 * usual, len(KS)))
    size = np.append(size, [usual, usual])
    sums = np.zeros((len(names) + 2, likelihoods.shape[1]))
    np.add.at(sums, codes, likelihoods)
    weight = np.append(np.full(len(names), _SHAPE), [_PRIOR, _PRIOR])
    rows = np.concatenate([chances[:, order], extra], axis=1)
    return PopulationModel(rows, np.cumsum(size) - size, size, np.append(queries, [usual, usual]), weight, sums)


def _mean(model: PopulationModel) -> Floats:
    # Shares of hits within 1, 5 and 10 over the queries of the people met.
    met = len(model.size) - 2
    best = min(int(model.likelihoods.sum(axis=0).argmax()), len(model.chances) - 1)
    each = np.repeat(model.queries[:met] / model.size[:met], model.size[:met])
    return np.asarray(np.average(model.chances[best, : len(each)], axis=0, weights=each), dtype=np.float64)


def _mean_of_those_with(shares: Floats) -> float:
    some = shares[shares > 1e-9]
    return float((1 + some.sum()) / (1 + len(some)))


def _competitions(
    model: PopulationModel, queries: int, weights: Sequence[float], rounds: int, rng: np.random.Generator
) -> Floats:
    # Scores of `rounds` simulated competitions.
    most = max(1, _CELLS // queries)
    parts = [min(most, rounds - start) for start in range(0, rounds, most)]
    return np.concatenate([_some_competitions(model, queries, weights, part, rng) for part in parts])


def _some_competitions(
    model: PopulationModel, queries: int, weights: Sequence[float], rounds: int, rng: np.random.Generator
) -> Floats:
    share = rng.standard_gamma(model.weight, size=(rounds, len(model.weight)))
    share /= share.sum(axis=1, keepdims=True)
    beta = np.zeros(rounds, dtype=np.int64)
    if len(model.chances) > 1:
        beta = (share @ model.likelihoods).argmax(axis=1)
    usual = float(np.average(model.queries, weights=model.weight))
    drawn = _draw(share, math.ceil(1.3 * queries / usual) + 8, rng)
    rows = _queries(model, drawn, queries, rng)
    luck = rng.random(rows.shape)
    score = np.zeros(rounds)
    for k, weight in enumerate(weights):
        score += weight * (luck < model.chances[beta[:, None], rows, k]).mean(axis=1)
    return score


def _draw(share: Floats, people: int, rng: np.random.Generator) -> Ints:
    # `people` people for each row of shares, in random order: rounds×people.
    counts = rng.multinomial(people, share)
    flat = np.repeat(np.tile(np.arange(share.shape[1]), len(share)), counts.ravel())
    return rng.permuted(flat.reshape(len(share), people), axis=1)


def _queries(model: PopulationModel, drawn: Ints, queries: int, rng: np.random.Generator) -> Ints:
    # Rows of `model.chances` (rounds×queries): each drawn person's queries end to end, cut at `queries`. A
    # person gives queries from a random one on, around its own, so none twice before all had their turn.
    counts = model.queries[drawn]
    ends = np.cumsum(counts, axis=1)
    steps = np.zeros((len(drawn), queries + 1), dtype=np.int64)
    np.add.at(steps, (np.arange(len(drawn))[:, None], np.minimum(ends, queries)), 1)
    number = np.minimum(np.cumsum(steps[:, :queries], axis=1), drawn.shape[1] - 1)
    person = np.take_along_axis(drawn, number, axis=1)
    start = rng.integers(0, model.size[drawn]) - (ends - counts)
    place = np.arange(queries) + np.take_along_axis(start, number, axis=1)
    rows: Ints = model.first[person] + place % model.size[person]
    return rows


def _note(people: int, gallery: int, seen: int) -> str:
    notes = []
    if people < MIN_PEOPLE:
        notes.append(
            f"only {people} people with two or more photos were validated on: too few for an interval "
            f"(at least {MIN_PEOPLE})."
        )
    if gallery > _FAR * seen:
        notes.append(
            f"the gallery of {gallery} photos is more than {_FAR:.0f} times the {seen} of the validation: too far "
            "for an interval; add distractors to the validation."
        )
    elif gallery > seen:
        notes.append(
            f"the gallery of {gallery} photos is larger than the {seen} of the validation, so the score is "
            "extrapolated; distractors in the validation would make it surer."
        )
    return " ".join(notes)
