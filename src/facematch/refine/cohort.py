"""Score normalisation with a cohort of other people."""

import numpy as np
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking
from facematch.refine.known import Floats, KnownPeople, Rows, blocks_of, check_sides, distances_between, rank_by

_LEAST = 1e-3  # of the mean: a smaller deviation is that of copies
_ABOVE = 1e-6  # and where the mean is 0, too


def normalise_by_cohort(
    query: Embeddings, gallery: Embeddings, k: int, metric: Metric, known: KnownPeople, *, nearest: int = 100
) -> Ranking:
    """Rank the gallery by distances that are normalised on both sides, and keep the first `k`.

    Adaptive symmetric normalisation (Auckenthaler, Carey & Lloyd-Thomas, Score Normalization for Text-Independent
    Speaker Verification Systems, Digital Signal Processing 2000; Matějka et al., Analysis of Score Normalization in
    Multilingual Speaker Recognition, Interspeech 2017): ½·((d − μ_q)/σ_q + (d − μ_g)/σ_g), where μ_x and σ_x are mean
    and deviation of x's distances to its `nearest` photos of the cohort, at most all; ties by name. The values may be
    below 0; the ranking's metric is `<metric> cohort`.

    It helps where some gallery photos are near to everything (hubs), as of another kind of picture or of bad quality;
    it hurts where the cohort is small or unlike the photos compared.

    Raises FacematchError as `distance_estimator`, for training people embedded in another way, and for fewer than two
    photos of them.
    """
    check_sides(query, gallery, k, metric, known)
    if len(known.people) < 2:
        raise FacematchError(
            "refine step cohort takes mean and deviation over training photos; there is 1.",
            "Name more people with identities.train, or leave the step out.",
        )
    direct = distances_between(query, gallery, metric)
    (own_mean, own_spread), (mean, spread) = (cohort_figures(side, known, metric, nearest) for side in (query, gallery))

    def normalised(rows: Rows) -> NDArray[np.float32]:
        plain = direct(rows).astype(np.float64)
        ours = (plain - own_mean[rows, None]) / own_spread[rows, None]
        return np.asarray((ours + (plain - mean) / spread) / 2, dtype=np.float32)

    return rank_by(query, gallery, k, normalised, f"{metric} cohort")


def cohort_figures(side: Embeddings, known: KnownPeople, metric: Metric, nearest: int) -> tuple[Floats, Floats]:
    """Return mean and deviation (N each) of the distances of N embeddings to their `nearest` photos of the cohort."""
    distances = distances_between(side, known.embeddings, metric)
    count = min(nearest, len(known.people))
    mean, spread = np.empty(len(side)), np.empty(len(side))
    for rows in blocks_of(len(side), len(known.people)):
        near = np.sort(np.partition(distances(rows), count - 1, axis=1)[:, :count], axis=1).astype(np.float64)
        mean[rows], spread[rows] = near.mean(axis=1), near.std(axis=1)
    return mean, np.maximum(spread, np.maximum(_LEAST * mean, _ABOVE))
