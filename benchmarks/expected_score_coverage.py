"""How often the 95 % interval of `facematch.evaluation.expectation` holds the score the server gives.

    python benchmarks/expected_score_coverage.py --trials 400 --seed 1
    facematch embed PEOPLE people.safetensors --config config/onnx.yaml --set embedder.file=MODEL.onnx
    python benchmarks/expected_score_coverage.py --embeddings people.safetensors --metric cosine

Without `--embeddings` the people are made up: clusters of photos around a centre, some people harder than
others. With it they are real, in one folder for each person (names `<identity>/<photo>`): every trial
draws at random who is validated on, who is asked for in the competition and who only stands in the
galleries, all of them different people. Printed for each setting: the share of trials whose interval
held the server's score, with its 95 % Monte-Carlo interval; mean width and bias; and the same share for
two intervals that take queries for independent draws: of the estimate alone (`mean`), and of a
competition too (`binomial`).
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.expectation import expect
from facematch.evaluation.gallery_size import KS, hit_chances, places
from facematch.evaluation.outcomes import Outcomes, task_outcomes
from facematch.evaluation.task import leave_one_out
from facematch.ranking.embeddings import Embeddings, load_embeddings
from facematch.ranking.metrics import Metric

WEIGHTS = (600.0, 300.0, 100.0)
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """People and other photos in validation; queries and gallery of the competition."""

    people: int
    others: int
    queries: int
    gallery: int


@dataclass(frozen=True, eq=False)
class Drawn:
    """Photos of people, one a row, with the number of the person; `Drawn` people share no number."""

    vectors: Vectors
    person: NDArray[np.int64]


Draw = Callable[[int, int, np.random.Generator], tuple[Drawn, Drawn, Drawn]]


@dataclass(frozen=True)
class Trial:
    """The server's score and what was said before."""

    server: float
    score: float
    intervals: tuple[tuple[float, float], ...]  # ours, of the mean, binomial


MADE_UP = [
    Task(20, 0, 25, 100),
    Task(20, 300, 107, 300),
    Task(20, 100, 500, 1000),
    Task(45, 0, 107, 300),
    Task(45, 300, 157, 500),
    Task(90, 250, 157, 570),
    Task(90, 250, 500, 1500),
    Task(100, 1200, 500, 1500),
]
REAL = [Task(20, 100, 50, 150), Task(45, 200, 107, 300), Task(90, 250, 157, 570), Task(90, 100, 300, 1500)]
SYSTEMS = {"strong": 0.42, "middle": 0.7, "weak": 1.1}  # spread of a person's photos around the centre


def made_up(noise: float, dimensions: int = 12) -> Draw:
    """Return a source of people: normal clusters with 2 to 8 photos, of lognormal difficulty."""

    def some(people: int, fewest: int, rng: np.random.Generator) -> Drawn:
        photos = rng.integers(fewest, 9, people)
        person = np.repeat(np.arange(people), photos)
        hardness = noise * rng.lognormal(0, 0.35, people)[person] * rng.lognormal(0, 0.25, len(person))
        centres = rng.normal(size=(people, dimensions))
        return Drawn(
            (centres[person] + hardness[:, None] * rng.normal(size=(len(person), dimensions))).astype("f4"), person
        )

    def draw(validated: int, asked: int, rng: np.random.Generator) -> tuple[Drawn, Drawn, Drawn]:
        return some(validated, 2, rng), some(asked, 2, rng), some(600, 1, rng)

    return draw


def real(embeddings: Embeddings) -> Draw:
    """Return a source of people that divides real ones at random. Asked are those with two photos or more."""
    people, codes = np.unique([name.split("/")[0] for name in embeddings.names], return_inverse=True)
    several = np.flatnonzero(np.bincount(codes) > 1)

    def only(chosen: NDArray[np.int64]) -> Drawn:
        rows = np.flatnonzero(np.isin(codes, chosen))
        return Drawn(embeddings.vectors[rows], codes[rows])

    def draw(validated: int, asked: int, rng: np.random.Generator) -> tuple[Drawn, Drawn, Drawn]:
        if validated + asked > len(several):
            raise SystemExit(f"{len(several)} people have two photos or more; {validated + asked} are needed.")
        lot = rng.permutation(several)
        ours, theirs = lot[:validated], lot[validated : validated + asked]
        return only(ours), only(theirs), only(np.setdiff1d(np.arange(len(people)), lot[: validated + asked]))

    return draw


def trial(task: Task, draw: Draw, metric: Metric, seed: int, rounds: int) -> Trial:
    """Validate, expect, and compete once."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(task.queries / (task.queries + task.gallery), 0.5)
    validated, asked, others = draw(task.people, task.queries // 2 + 20, rng)
    lot = rng.permutation(np.unique(others.person))
    rows = np.concatenate([np.flatnonzero(others.person == person) for person in lot])  # whole people
    seen = outcomes_of(
        validated, Drawn(others.vectors[rows[: task.others]], others.person[rows[: task.others]]), metric
    )
    server, gallery = compete(task, asked, others.vectors[rows[task.others :]], share, metric, rng)
    told = expect(seen, queries=task.queries, gallery=gallery, weights=WEIGHTS, rounds=rounds, seed=seed)
    assert told is not None
    assert told.interval is not None
    return Trial(server, told.score, (told.interval, *naive(seen, task, gallery)))


def outcomes_of(validated: Drawn, others: Drawn, metric: Metric) -> Outcomes:
    """Return the outcomes of validated people among others who are not asked for."""
    vectors = np.concatenate([validated.vectors, others.vectors])
    names = tuple(f"{i:06d}" for i in range(len(vectors)))
    identities = [str(person) for person in validated.person] + [f"other {person}" for person in others.person]
    asked = [True] * len(validated.person) + [False] * len(others.person)
    task = leave_one_out(dict(zip(names, identities, strict=True)), list(compress(names, asked)))
    return task_outcomes(task, Embeddings(names, vectors, metric, Fingerprint()))


def compete(
    task: Task, asked: Drawn, others: Vectors, share: float, metric: Metric, rng: np.random.Generator
) -> tuple[float, int]:
    """Return the server's score of one competition and the size of its gallery.

    Each photo of a person asked is a query with probability `share`, at least one is, and at least one
    stays in the gallery, until there are `queries`; photos of others fill the gallery up.
    """
    query: list[int] = []
    gallery: list[int] = []
    for person in rng.permutation(np.unique(asked.person)):
        rows = rng.permutation(np.flatnonzero(asked.person == person))
        given = min(max(1, int(rng.binomial(len(rows), share))), len(rows) - 1, task.queries - len(query))
        query += rows[:given].tolist()
        gallery += rows[given:].tolist() if given else []
        if len(query) == task.queries:
            break
    fill = others[: max(0, task.gallery - len(gallery))]
    vectors = np.concatenate([asked.vectors[gallery], fill])
    who = np.concatenate([asked.person[gallery], np.full(len(fill), -1)])
    distances = distance(asked.vectors[query], vectors, metric)
    right = who == asked.person[query][:, None]
    best = np.where(right, distances, np.inf).min(axis=1, keepdims=True)
    closer = (distances < best).sum(axis=1)
    return float(sum(w * (closer < k).mean() for w, k in zip(WEIGHTS, KS, strict=True))), len(vectors)


def distance(left: Vectors, right: Vectors, metric: Metric) -> NDArray[np.float64]:
    """Return distances that order as the metric does (Q×G)."""
    if metric == "cosine":
        left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    squares = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
    return np.asarray(squares, dtype=np.float64)


def naive(seen: Outcomes, task: Task, gallery: int) -> list[tuple[float, float]]:
    """Return intervals that take the queries for independent: of the mean, and of a competition's mean."""
    size = min(gallery, min(others + len(counts) for others, counts in zip(seen.others, seen.closer, strict=True)))
    values = hit_chances(places(seen), size)[0] @ np.array(WEIGHTS)
    widths = [1.96 * values.std() * math.sqrt(share) for share in (1 / len(values), 1 / len(values) + 1 / task.queries)]
    return [(float(values.mean() - width), float(values.mean() + width)) for width in widths]


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    z2 = 1.96**2
    middle, half = (hits + z2 / 2) / (of + z2), 1.96 * math.sqrt(hits * (of - hits) / of + z2 / 4) / (of + z2)
    return middle - half, middle + half


def row(label: str, task: Task, trials: Sequence[Trial]) -> tuple[str, list[int]]:
    """Return the line of a setting, and how many trials each of the three intervals held."""
    server = np.array([t.server for t in trials])
    held, widths = [], []
    for number in range(3):
        low, high = np.array([t.intervals[number] for t in trials]).T
        held.append(int(((low - 1e-6 <= server) & (server <= high + 1e-6)).sum()))
        widths.append(float((high - low).mean()))
    low, high = wilson(held[0], len(trials))
    bias = float(np.mean([t.score for t in trials]) - server.mean())
    shares = [100 * count / len(trials) for count in held]
    return (
        f"{label:8} {task.people:4} {task.others:5} {task.queries:5} {task.gallery:5} {server.mean():6.0f} {bias:+5.0f}"
        f"  {shares[0]:5.1f} ({100 * low:4.1f}–{100 * high:5.1f}) {widths[0]:5.0f}"
        f"   {shares[1]:5.1f} {widths[1]:5.0f}   {shares[2]:5.1f} {widths[2]:5.0f}"
    ), held


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400, help="trials of each setting")
    parser.add_argument("--rounds", type=int, default=1000, help="simulated competitions of each trial")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--embeddings", type=Path, nargs="*", default=[], help="files of `facematch embed`")
    parser.add_argument("--metric", choices=["cosine", "euclidean"], default="euclidean")
    wanted = parser.parse_args()
    sources = {path.stem: real(load_embeddings(path)) for path in wanted.embeddings}
    sources = sources or {name: made_up(noise) for name, noise in SYSTEMS.items()}
    started, total, sums = time.monotonic(), 0, np.zeros(3, dtype=np.int64)
    print(f"seed {wanted.seed}, {wanted.trials} trials a line, {wanted.rounds} simulated competitions a trial")
    print("          validation  competition     mean      expected: held in %             mean:     binomial:")
    print("system   people others quer. gall. score  bias      (95 % interval)  width   held width   held width")
    for label, draw in sources.items():
        for number, task in enumerate(REAL if wanted.embeddings else MADE_UP):
            first = wanted.seed * 1_000_003 + number * 10_007
            done = [trial(task, draw, wanted.metric, first + i, wanted.rounds) for i in range(wanted.trials)]
            line, held = row(label, task, done)
            total, sums = total + len(done), sums + held
            print(line, flush=True)
    low, high = wilson(int(sums[0]), total)
    print(
        f"all {total} trials: {100 * sums[0] / total:.2f} % held ({100 * low:.2f}–{100 * high:.2f}); mean "
        f"{100 * sums[1] / total:.1f} %, binomial {100 * sums[2] / total:.1f} %; {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
