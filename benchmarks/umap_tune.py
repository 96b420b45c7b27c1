"""The sweep of `facematch umap tune` against umap-learn and scikit-learn, one n_neighbors after the other.

    python benchmarks/umap_tune.py --images 5000

Made photos: smooth random pictures, each in ten varied copies, as grey pixels. First the scores are checked: on the
sweep's own embeddings they must equal `sklearn.manifold.trustworthiness` to 1e-9 (it gets exact distances in which
equal ones are told apart by position, since its sort leaves open which comes first). Then two ways do one
job, fit every n_neighbors and score it at its own n and at k = 10:

- ours: neighbours once, layouts side by side, one pass for all scores;
- one by one: `umap.UMAP(...).fit(pixels)` and `trustworthiness(pixels, embedding)` at both k.

Compiled code is loaded before either is timed. Printed: seconds of both, how many times faster, the best n_neighbors of
both, and how much memory the first took beyond what was in use before. Seconds of processors are printed as well.
"""

import argparse
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def made_pixels(images: int, seed: int = 1) -> Pixels:
    """Return N×4096 grey pixels: pictures of low frequency, ten varied copies of each."""
    rng = np.random.default_rng(seed)
    rows = np.empty((images, 64 * 64), np.uint8)
    for row in range(images):
        if row % 10 == 0:
            base = cv2.resize(rng.uniform(20, 235, (6, 6)), (64, 64), interpolation=cv2.INTER_CUBIC)
        change = cv2.resize(rng.normal(0, 25, (6, 6)), (64, 64), interpolation=cv2.INTER_CUBIC)
        rows[row] = np.clip(base + change + rng.normal(0, 3, (64, 64)), 0, 255).astype(np.uint8).ravel()
    return rows


@contextmanager
def silent(what: str, total: int) -> Iterator[object]:
    """Take the place of a progress bar."""
    yield lambda done: None


def now() -> NDArray[np.float64]:
    """Return seconds by the clock and seconds of processors, which a busy machine changes less."""
    return np.array([time.perf_counter(), time.process_time()])


def check(pixels: Pixels, found) -> float:  # type: ignore[no-untyped-def]
    """Return the largest difference from scikit-learn's scores, on the embeddings of the sweep."""
    from sklearn.manifold import trustworthiness

    from facematch.tasks.umap.neighbours import squared_distances

    exact = squared_distances(pixels, pixels).astype(np.float64)
    exact += np.arange(len(pixels)) / (2 * len(pixels))
    worst = 0.0
    for each in found.candidates:
        for k, ours in ((each.settings.n_neighbors, each.own), (found.k, each.fixed)):
            theirs = trustworthiness(exact, each.embedding, n_neighbors=k, metric="precomputed")
            worst = max(worst, abs(ours - float(theirs)))
    return worst


def one_by_one(pixels: Pixels, sizes: tuple[int, ...], k: int, components: int) -> dict[int, float]:
    """Fit and score each n_neighbors with umap-learn and scikit-learn; return the scores at k."""
    import umap
    from sklearn.manifold import trustworthiness

    scores = {}
    for n in sizes:
        fitted = umap.UMAP(n_neighbors=n, n_components=components, min_dist=0.0, random_state=1).fit(pixels)
        trustworthiness(pixels, fitted.embedding_, n_neighbors=n)
        scores[n] = float(trustworthiness(pixels, fitted.embedding_, n_neighbors=k))
        print(f"  one by one: n_neighbors {n} done", flush=True)
    return scores


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--no-peer", action="store_true", help="check and time ours only")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    from facematch.core.cache import cache_folder
    from facematch.tasks.umap.fit import UmapSettings, prepare_numba, warm_up
    from facematch.tasks.umap.tune import fixed_k_for, settings_for, sweep

    prepare_numba(cache_folder(None))
    pixels = made_pixels(chosen.images)
    every, k = settings_for(len(pixels), UmapSettings(n_components=chosen.components)), fixed_k_for(len(pixels))
    sizes = tuple(each.n_neighbors for each in every)
    warm_up(UmapSettings(5, chosen.components))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        started = now()
        found = sweep(pixels, every, k, Path(folder) / "umap.sqlite", silent)
        ours = now() - started
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{len(pixels):,} photos, n_neighbors {', '.join(map(str, sizes))}, {os.cpu_count()} cores")
    worst = check(pixels, found)
    print(f"largest difference from scikit-learn's scores: {worst:.1e}")
    if worst > 1e-9:
        raise SystemExit("the scores are not scikit-learn's")
    best = found.best.settings.n_neighbors
    print(f"ours: {ours[0]:.1f} s ({ours[1]:.1f} s of processors), {memory:.0f} MB more at its peak, best {best}")
    print("  " + ", ".join(f"{each.settings.n_neighbors}: {each.fixed:.4f}" for each in found.candidates))
    if chosen.no_peer:
        return
    import umap

    umap.UMAP(n_neighbors=5, n_components=2, random_state=1, force_approximation_algorithm=True).fit(pixels[:200])
    started = now()
    scores = one_by_one(pixels, sizes, k, chosen.components)
    theirs = now() - started
    print(
        f"one by one: {theirs[0]:.1f} s ({theirs[1]:.1f} s of processors), best {max(scores, key=lambda n: scores[n])}"
    )
    print("  " + ", ".join(f"{n}: {score:.4f}" for n, score in scores.items()))
    times, work = theirs / ours
    print(f"{times:.1f} times faster, {work:.1f} times less work")


if __name__ == "__main__":
    main()
