"""Dynamic against static thresholds, as CSoNet 2024 compares them: macro-F1 of the accepted sets.

    python benchmarks/dynamic_thresholds.py --people FOLDER [--people FOLDER …] \
        --config config/onnx.yaml --set embedder.file=MODEL.onnx --set ranking.metric=euclidean

Again and again people are dealt by lot into two halves. In each half the photos of every person, in an order by
lot, alternately ask and answer; a share of the people is unknown: they ask only. Thresholds are tuned on one half and
measured on the other, both ways round, so every F1 printed as `unseen` is of people that nothing was tuned on.

Printed for accepting nobody, for the static threshold and for each reading of `facematch.thresholds.dynamic`:
macro-F1 on the people tuned on and on unseen ones; its difference from the static threshold with a 95 % interval
and p-value over people (all halvings of a person are one group); in how many halvings it is above; and the mean
of the weights that were tuned.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from labelled_people import add_options, embed_people, only
from numpy.typing import NDArray

from facematch.evaluation.comparison import paired
from facematch.evaluation.relevance import RelevanceMatrix, relevance_matrix
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import Ranking, distance_estimator
from facematch.thresholds.dynamic import NEIGHBOURS, Of, fit_dynamic, neighbourhood_adjustments
from facematch.thresholds.static import fit_static
from facematch.thresholds.values import accepted_mask

Floats = NDArray[np.float64]
READINGS: Mapping[str, tuple[Of, bool]] = {
    "gallery": ("gallery", False),
    "query": ("query", False),
    "gallery, squared": ("gallery", True),
    "query, squared": ("query", True),
}


@dataclass(frozen=True, eq=False)
class Half:
    """The queries of one half of the people, ranked in their gallery and judged."""

    gallery: Embeddings
    ranking: Ranking
    judged: RelevanceMatrix


@dataclass(frozen=True, eq=False)
class Measured:
    """One threshold tuned on one half: its F1 there, that of each query of the other half, and its weight."""

    tuned: float
    unseen: Floats
    weight: float


def halve(
    embeddings: Embeddings, codes: NDArray[np.int64], unknown: float, rng: np.random.Generator
) -> tuple[Half, Half]:
    """Deal people into two halves, and each half into queries and gallery."""
    lot = rng.permutation(codes.max() + 1)
    return half(embeddings, codes, lot[::2], unknown, rng), half(embeddings, codes, lot[1::2], unknown, rng)


def half(
    embeddings: Embeddings,
    codes: NDArray[np.int64],
    people: NDArray[np.int64],
    unknown: float,
    rng: np.random.Generator,
) -> Half:
    """Return a half of which a share `unknown` of the people asks only."""
    query: list[int] = []
    gallery: list[int] = []
    strangers = round(unknown * len(people))
    for number, person in enumerate(people.tolist()):
        photos = rng.permutation(np.flatnonzero(codes == person)).tolist()
        query += photos[::2] if number < strangers else photos[1::2]
        gallery += [] if number < strangers else photos[::2]
    asks, answers = (only(embeddings, np.array(side)) for side in (query, gallery))
    ranking = distance_estimator(asks, answers, len(answers))
    names: dict[int, set[str]] = {}
    for row in gallery:
        names.setdefault(int(codes[row]), set()).add(embeddings.names[row])
    shown = [int(codes[row]) for row in query]
    return Half(answers, ranking, relevance_matrix(ranking, [names.get(person, set()) for person in shown], shown))


def f1_each(judged: RelevanceMatrix, accepted: NDArray[np.bool_]) -> Floats:
    """Return each query's F1."""
    tp = (accepted & judged.right).sum(axis=1)
    whole = accepted.sum(axis=1) + judged.relevant
    return np.where(whole > 0, 2 * tp / np.maximum(whole, 1), 1.0)


def static(tune: Half, test: Half, metric: str) -> Measured:
    """Tune a static threshold on one half and measure it on the other."""
    found = fit_static(tune.judged, metric)
    accepted = accepted_mask(test.ranking.distances, found.limits(test.ranking))
    return Measured(found.f1, f1_each(test.judged, accepted), 0.0)


def nobody(tune: Half, test: Half) -> Measured:
    """Accept nothing at all."""
    tuned, unseen = (f1_each(each.judged, np.zeros_like(each.judged.right)) for each in (tune, test))
    return Measured(float(tuned.mean()), unseen, 0.0)


def dynamic(tune: Half, test: Half, metric: str, of: Of, squared: bool) -> Measured:
    """Tune a dynamic threshold on one half and measure it on the other."""
    smallest = min(len(tune.gallery), len(test.gallery))
    neighbours = [n for n in NEIGHBOURS if n < smallest]
    adjustments = neighbourhood_adjustments([tune.ranking], [tune.gallery], neighbours, of=of, squared=squared)
    rule = fit_dynamic(tune.judged, adjustments, metric, of=of, squared=squared)
    limits = rule.on(test.gallery).limits(test.ranking)
    return Measured(rule.f1, f1_each(test.judged, accepted_mask(test.ranking.distances, limits)), rule.weight)


def main() -> None:
    """Halve, tune, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--halvings", type=int, default=20)
    parser.add_argument("--unknown", type=float, default=0.3, help="share of people who are not in the gallery")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    started = time.monotonic()
    embeddings, people = embed_people(wanted)
    codes, metric = np.unique(people, return_inverse=True)[1].astype(np.int64), embeddings.metric
    readings = {name: how for name, how in READINGS.items() if metric == "euclidean" or not how[1]}
    groups: list[int] = []
    runs: dict[str, list[list[Measured]]] = {name: [] for name in ["static", "nobody", *readings]}
    for number in range(wanted.halvings):
        halves = halve(embeddings, codes, wanted.unknown, np.random.default_rng([wanted.seed, number]))
        ways = (halves, halves[::-1])
        groups += [int(person) for _, test in ways for person in test.judged.groups]
        runs["static"].append([static(tune, test, metric) for tune, test in ways])
        runs["nobody"].append([nobody(tune, test) for tune, test in ways])
        for name, (of, squared) in readings.items():
            runs[name].append([dynamic(tune, test, metric, of, squared) for tune, test in ways])
    print(f"seed {wanted.seed}, {wanted.halvings} halvings both ways, {wanted.unknown:.0%} of people unknown")
    for name, done in runs.items():
        print(row(name, done, runs["static"], groups))
    print(f"{time.monotonic() - started:.0f} s")


def row(name: str, done: list[list[Measured]], base: list[list[Measured]], groups: list[int]) -> str:
    """Return the line of one kind of threshold."""
    unseen = [np.concatenate([way.unseen for way in ways]) for ways in done]
    before = [np.concatenate([way.unseen for way in ways]) for ways in base]
    tuned = np.mean([way.tuned for ways in done for way in ways])
    line = f"{name:18} F1 tuned on {tuned:.4f}, unseen {np.concatenate(unseen).mean():.4f}"
    if done is base:
        return line
    found = paired(np.concatenate([a - b for a, b in zip(unseen, before, strict=True)]).tolist(), groups)
    interval = "insufficient data for an interval"
    if found.interval is not None:
        interval = f"[{found.interval[0]:+.4f} to {found.interval[1]:+.4f}]"
    above = sum(bool(a.mean() > b.mean()) for a, b in zip(unseen, before, strict=True))
    weights = np.array([way.weight for ways in done for way in ways])
    tail = "" if name == "nobody" else f"; mean w {weights.mean():+.2f}, 0 in {np.mean(weights == 0):.0%}"
    return (
        f"{line}; difference {found.difference:+.4f} {interval}, p = {found.p_value:.2g}, {found.people} people; "
        f"above in {above} of {len(done)}{tail}"
    )


if __name__ == "__main__":
    main()
