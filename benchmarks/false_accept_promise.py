"""Is the promised rate of false accepts kept for unknown people, and what does it cost the known ones?

    python benchmarks/false_accept_promise.py --people FOLDER [--people FOLDER …] \
        --config config/onnx.yaml --set embedder.file=MODEL.onnx

Again and again people are dealt by lot into three equal parts: those in the gallery, unknown people to
calibrate on, and unseen unknown people. A threshold is fitted on the second (`facematch.thresholds.conformal`)
and asked about one photo of each of the third, and about one photo of each gallery person who has another there.

Printed for each number of calibration people and each promise: j/(n + 1), which is what is really promised;
the mean rate of false accepts over splits, with its 95 % interval over people; the worst split and the share
of splits above the promise (which holds on average over draws of people, not for each); and the share of
known people whose nearest photo is right and accepted, beside that without any threshold.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from labelled_people import add_options, embed_people
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import mean_figure
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.thresholds.conformal import fit_conformal

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of photos: the gallery, one photo of known people, all of calibration people, one of unseen people."""

    gallery: Rows
    known: Rows
    calibration: Rows
    unseen: Rows


@dataclass(eq=False)
class Counts:
    """What happened under one promise: false accepts by person and by split, known people found by split."""

    asked: NDArray[np.int64]
    false: NDArray[np.int64]
    rates: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    promised: float = 0.0


def deal(codes: Rows, rng: np.random.Generator) -> Split:
    """Divide people, numbered by `codes`, into three parts."""
    part = np.empty(codes.max() + 1, dtype=np.int64)
    part[rng.permutation(len(part))] = np.arange(len(part)) % 3
    lot = rng.permutation(len(codes))
    first = lot[np.unique(codes[lot], return_index=True)[1]]  # one photo of each person
    several = np.bincount(codes)[codes[first]] > 1
    known = first[(part[codes[first]] == 0) & several]
    gallery = np.setdiff1d(np.flatnonzero(part[codes] == 0), known)
    return Split(gallery, known, np.flatnonzero(part[codes] == 1), first[part[codes[first]] == 2])


def distances_of(embeddings: Embeddings) -> NDArray[np.float32]:
    """Return all N×N distances, infinite between a photo and itself."""
    ranking = distance_estimator(embeddings, embeddings, len(embeddings), exclude_same_name=True)
    table = np.full((len(embeddings), len(embeddings)), np.inf, dtype=np.float32)
    for row, (places, values) in enumerate(zip(ranking.indices, ranking.distances, strict=True)):
        table[row, places[places >= 0]] = values[places >= 0]
    return table


def main() -> None:
    """Deal, fit, ask and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alpha", type=float, nargs="+", default=[0.01, 0.05, 0.1])
    parser.add_argument("--calibration", type=int, nargs="+", default=[20, 60, 0], help="people; 0: a third of all")
    wanted = parser.parse_args()
    started = time.monotonic()
    embeddings, people = embed_people(wanted)
    codes = np.unique(people, return_inverse=True)[1].astype(np.int64)
    distances = distances_of(embeddings)
    print(f"seed {wanted.seed}, {wanted.splits} splits of people into gallery, calibration and unseen")
    for size in wanted.calibration:
        for alpha in wanted.alpha:
            print(line(embeddings, codes, distances, size, alpha, wanted.splits, wanted.seed), flush=True)
    print(f"{time.monotonic() - started:.0f} s")


def line(
    embeddings: Embeddings,
    codes: Rows,
    distances: NDArray[np.float32],
    size: int,
    alpha: float,
    splits: int,
    seed: int,
) -> str:
    """Return the line of one number of calibration people and one promise."""
    counts = Counts(*np.zeros((2, codes.max() + 1), dtype=np.int64))
    top1 = []
    for number in range(splits):
        rng = np.random.default_rng([seed, number])
        split = deal(codes, rng)
        drawn = rng.permutation(np.unique(codes[split.calibration]))[: size or None]
        calibration = split.calibration[np.isin(codes[split.calibration], drawn)]
        head = f"{len(drawn):4} calibration people, at most {alpha:4.0%}: "
        try:
            top1.append(ask(embeddings, codes, distances, split, calibration, alpha, number, counts))
        except FacematchError as error:
            return head + error.message
    return head + summary(counts, alpha, top1)


def ask(
    embeddings: Embeddings,
    codes: Rows,
    distances: NDArray[np.float32],
    split: Split,
    calibration: Rows,
    alpha: float,
    seed: int,
    counts: Counts,
) -> float:
    """Fit on the calibration people, count what happens to the others, and return top-1 of the known people."""
    gallery = [embeddings.names[i] for i in split.gallery.tolist()]
    nearest = distances[np.ix_(calibration, split.gallery)].min(axis=1)
    threshold = fit_conformal(nearest, codes[calibration].tolist(), alpha, embeddings.metric, gallery, seed=seed)
    counts.promised = threshold.promised
    false = accepted(distances, split.unseen, split.gallery, threshold.distance)
    counts.asked[codes[split.unseen]] += 1
    counts.false[codes[split.unseen]] += false
    counts.rates.append(float(false.mean()))
    first = split.gallery[distances[np.ix_(split.known, split.gallery)].argmin(axis=1)]
    right = codes[first] == codes[split.known]
    taken = accepted(distances, split.known, split.gallery, threshold.distance)
    counts.found.append(float((right & taken).mean()))
    return float(right.mean())


def accepted(distances: NDArray[np.float32], asks: Rows, gallery: Rows, limit: float) -> NDArray[np.bool_]:
    """Return which photos have anybody accepted."""
    return np.asarray(distances[np.ix_(asks, gallery)].min(axis=1) < limit)


def summary(counts: Counts, alpha: float, top1: Sequence[float]) -> str:
    """Return the numbers of one line."""
    asked = np.flatnonzero(counts.asked)
    rates = counts.false[asked] / counts.asked[asked]
    figure = mean_figure("false accepts", rates, asked.tolist())
    over = np.mean(np.array(counts.rates) > alpha)
    return (
        f"promised {counts.promised:.4f}, false accepts {np.mean(counts.rates):.4f} (over people {figure}), "
        f"worst split {max(counts.rates):.4f}, {over:.0%} of splits above; "
        f"known people found {np.mean(counts.found):.3f} of {np.mean(top1):.3f}"
    )


if __name__ == "__main__":
    main()
