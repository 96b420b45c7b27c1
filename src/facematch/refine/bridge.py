"""The way from one photo to another over a person of whom photos and pictures are known.

The single-link (minimax) path of one step: chains of near neighbours hold together what lies far apart in a straight
line (Gower & Ross, Minimum Spanning Trees and Single Linkage Cluster Analysis, Applied Statistics 1969; Fischer &
Buhmann, Path-Based Clustering, PAMI 2003), here over labelled people alone.
"""

import numpy as np
from numpy.typing import NDArray

from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import Ranking, by_name
from facematch.refine.known import Floats, KnownPeople, Rows, blocks_of, check_sides, distances_between, rank_by


def bridge(
    query: Embeddings,
    gallery: Embeddings,
    k: int,
    metric: Metric,
    known: KnownPeople,
    *,
    weight: float = 0.5,
    power: float = 1.0,
) -> Ranking:
    """Rank the gallery by the distance d mixed with the way over a known person, and keep the first `k`.

    b(q, g) is the least over people P of max(d(q, P), d(g, P)), where d(x, P) is the distance to P's nearest photo;
    what is compared is (weight·bᵖ + (1 − weight)·dᵖ)^(1/p), p being `power` (0: the geometric mean), ties by name. The
    ranking's metric is `<metric> bridge`: these are no distances of vectors.

    It helps where the people asked for are known, with pictures of each kind that is compared: a photo and a drawing
    that are far apart are both near the person's own. It hurts where they are not known: two strangers who resemble
    one known person come together.

    Raises FacematchError as `distance_estimator`, and for training people embedded in another way.
    """
    check_sides(query, gallery, k, metric, known)
    direct = distances_between(query, gallery, metric)
    asking, answering = (np.ascontiguousarray(nearest_photos(side, known, metric).T) for side in (query, gallery))

    def mixed(rows: Rows) -> NDArray[np.float32]:
        over = _over(asking[:, rows], answering)
        return power_mean(over, direct(rows), weight, power).astype(np.float32)

    return rank_by(query, gallery, k, mixed, f"{metric} bridge")


def nearest_photos(side: Embeddings, known: KnownPeople, metric: Metric) -> NDArray[np.float32]:
    """Return the distance of each of N embeddings to the nearest photo of each of P people: N×P, people sorted."""
    order = by_name(known.people)
    people = [known.people[row] for row in order]
    starts = [row for row, person in enumerate(people) if row == 0 or person != people[row - 1]]
    distances = distances_between(side, known.embeddings.at(order.tolist()), metric)
    found = np.empty((len(side), len(starts)), dtype=np.float32)
    for rows in blocks_of(len(side), len(order)):
        found[rows] = np.minimum.reduceat(distances(rows), starts, axis=1)
    return found


def power_mean(over: NDArray[np.float32], direct: NDArray[np.float32], weight: float, power: float) -> Floats:
    """Return the mean with a power of two arrays of distances, the first of them having the weight given."""
    one, other = over.astype(np.float64), direct.astype(np.float64)
    if weight in (0, 1):
        return one if weight else other
    with np.errstate(divide="ignore", over="ignore"):  # a distance of 0 is one that a power below 0 takes for the mean
        if power == 0:
            return np.asarray(np.exp(weight * np.log(one) + (1 - weight) * np.log(other)))
        larger = np.maximum(np.maximum(one, other), np.finfo(np.float64).tiny)
        mean = weight * (one / larger) ** power + (1 - weight) * (other / larger) ** power
        return np.asarray(mean ** (1 / power) * larger)


def _over(asking: NDArray[np.float32], answering: NDArray[np.float32]) -> NDArray[np.float32]:
    # b of B queries (P×B) and G gallery photos (P×G): B×G, person after person.
    least = np.full((asking.shape[1], answering.shape[1]), np.inf, dtype=np.float32)
    longer = np.empty_like(least)
    for ours, theirs in zip(asking, answering, strict=True):
        np.maximum(ours[:, None], theirs, out=longer)
        np.minimum(least, longer, out=least)
    return least
