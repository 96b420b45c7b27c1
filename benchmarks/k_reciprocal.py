"""k-reciprocal re-ranking with sparse sets beside the published algorithm with full matrices.

    python benchmarks/k_reciprocal.py [--photos 1500] [--large 5000] [--rounds 5]

First both rank `photos` queries against `photos` gallery photos: the rankings have to be equal, then the median
ratio of their times is printed. Then the sparse one alone ranks `large` by `large`, in a process of its own, and
its memory is printed beside what one full float32 matrix of all photos would take.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import sys
import time

import numpy as np
from numpy.typing import NDArray

from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator
from facematch.refine.k_reciprocal import k_reciprocal

K1, K2, WEIGHT = 20, 6, 0.3


def photos(count: int, prefix: str, seed: int) -> Embeddings:
    """Unit vectors of people with four photos on each side."""
    centres = np.random.default_rng(0).normal(size=(max(1, count // 4), 128))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, len(centres), count)] + rng.normal(scale=0.8, size=(count, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"{prefix}{number:06d}" for number in range(count))
    return Embeddings(names, vectors.astype(np.float32), "euclidean", Fingerprint())


def published(query: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.float64]:
    """The algorithm as its authors published it (Zhong et al. 2017): full matrices, a loop over photos."""
    both = np.concatenate([query, gallery]).astype(np.float64)
    squares = (both**2).sum(axis=1)
    original = np.maximum(squares[:, None] + squares - 2 * both @ both.T, 0)
    np.fill_diagonal(original, 0)
    original = np.transpose(original / original.max(axis=0))
    initial = np.argsort(original, axis=1, kind="stable")
    encoding, half = np.zeros_like(original), round(K1 / 2)
    for i in range(len(both)):
        forward = initial[i, : K1 + 1]
        expansion = neighbours = forward[np.where(initial[forward, : K1 + 1] == i)[0]]
        for candidate in neighbours:
            near = initial[candidate, : half + 1]
            theirs = near[np.where(initial[near, : half + 1] == candidate)[0]]
            if len(np.intersect1d(theirs, neighbours)) > 2 / 3 * len(theirs):
                expansion = np.append(expansion, theirs)
        expansion = np.unique(expansion)
        weights = np.exp(-original[i, expansion])
        encoding[i, expansion] = weights / weights.sum()
    encoding = np.stack([encoding[initial[i, :K2]].mean(axis=0) for i in range(len(both))])
    columns = [np.where(encoding[:, i] != 0)[0] for i in range(len(both))]
    final = np.empty((len(query), len(gallery)))
    for i in range(len(query)):
        shared = np.zeros(len(both))
        for j in np.where(encoding[i] != 0)[0]:
            shared[columns[j]] += np.minimum(encoding[i, j], encoding[columns[j], j])
        jaccard = 1 - shared / (2 - shared)
        final[i] = ((1 - WEIGHT) * jaccard + WEIGHT * original[i])[len(query) :]
    return final


def large(count: int) -> None:
    """Rank `count` by `count` and print seconds and memory."""
    query, gallery = photos(count, "q", 1), photos(count, "g", 2)
    distance_estimator(query, gallery, 10)  # libraries are loaded, the plain ranking has been made
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    k_reciprocal(query, gallery, 10, "euclidean", k1=K1, k2=K2, weight=WEIGHT)
    seconds = time.monotonic() - began
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{count} × {count}: {seconds:.1f} s, {more:.0f} MB above a plain ranking; "
        f"one full matrix of all {2 * count} photos: {(2 * count) ** 2 * 4 / 2**20:.0f} MB"
    )


def main() -> int:
    """Compare and print; 1 when the two disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1500)
    parser.add_argument("--large", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    query, gallery = photos(options.photos, "q", 1), photos(options.photos, "g", 2)
    ratios = []
    for _ in range(options.rounds):
        began = time.monotonic()
        theirs = published(query.vectors, gallery.vectors)
        between = time.monotonic()
        ours = k_reciprocal(query, gallery, len(gallery), "euclidean", k1=K1, k2=K2, weight=WEIGHT)
        ratios.append((between - began) / (time.monotonic() - between))
        if np.abs(np.take_along_axis(theirs, ours.indices, 1) - ours.distances).max() > 1e-5:
            print("the two disagree", file=sys.stderr)
            return 1
    print(
        f"{options.photos} × {options.photos}: equal distances; published / sparse: {np.median(ratios):.1f}× "
        f"(median of {options.rounds}, {min(ratios):.1f}–{max(ratios):.1f})"
    )
    process = multiprocessing.get_context("spawn").Process(target=large, args=(options.large,))
    process.start()
    process.join()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    return process.exitcode or 0


if __name__ == "__main__":
    sys.exit(main())
