"""k-reciprocal re-ranking against the published algorithm, written out with full matrices."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import Metric
from facematch.ranking.ranking import distance_estimator
from facematch.refine.k_reciprocal import k_reciprocal


def embeddings(vectors: NDArray[np.floating], prefix: str) -> Embeddings:
    names = tuple(f"{prefix}{i:03d}" for i in range(len(vectors)))
    return Embeddings(names, np.asarray(vectors, dtype=np.float32), "euclidean", Fingerprint())


def people(rng: np.random.Generator, queries: int, gallery: int, dimensions: int = 4) -> tuple[Embeddings, Embeddings]:
    """Photos around a few people."""
    centres = rng.normal(size=(max(1, gallery // 4), dimensions))
    vectors = centres[rng.integers(0, len(centres), queries + gallery)]
    vectors = vectors + rng.normal(scale=0.3, size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return embeddings(vectors[:queries], "q"), embeddings(vectors[queries:], "g")


def published(
    query: NDArray[np.float32], gallery: NDArray[np.float32], k1: int, k2: int, weight: float
) -> NDArray[np.float64]:
    """The reference implementation's steps, N×N and loop by loop."""
    both = np.concatenate([query, gallery]).astype(np.float64)
    original = ((both[:, None] - both[None]) ** 2).sum(-1)
    original = np.transpose(original / original.max(axis=0))
    plain = np.sqrt(((both[:, None] - both[None]) ** 2).sum(-1)).astype(np.float32)
    # Ties stand by name: galleries before queries in our joint list.
    names = [*(f"q{i:03d}" for i in range(len(query))), *(f"g{i:03d}" for i in range(len(gallery)))]
    place = np.argsort(np.argsort(names))
    initial = np.stack([np.lexsort((place, row)) for row in plain])
    count = len(both)
    encoding = np.zeros((count, count))
    for i in range(count):
        forward = initial[i, : k1 + 1]
        recip = forward[[i in initial[j, : k1 + 1] for j in forward]]
        expansion = recip
        for candidate in recip:
            half = int(np.around(k1 / 2)) + 1
            near = initial[candidate, :half]
            theirs = near[[candidate in initial[j, :half] for j in near]]
            if len(np.intersect1d(theirs, recip)) > 2 / 3 * len(theirs):
                expansion = np.append(expansion, theirs)
        expansion = np.unique(expansion)
        weights = np.exp(-original[i, expansion])
        encoding[i, expansion] = weights / weights.sum()
    if k2 != 1:
        encoding = np.stack([encoding[initial[i, :k2]].mean(axis=0) for i in range(count)])
    final = np.empty((len(query), len(gallery)))
    for i in range(len(query)):
        for j in range(len(gallery)):
            smaller = np.minimum(encoding[i], encoding[len(query) + j]).sum()
            final[i, j] = (1 - smaller / (2 - smaller)) * (1 - weight) + original[i, len(query) + j] * weight
    return final


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 20), st.integers(1, 12), st.integers(1, 6),
    st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip
def test_equals_the_published_algorithm(seed: int, queries: int, gallery: int, k1: int, k2: int, weight: float) -> None:
    query, other = people(np.random.default_rng(seed), queries, gallery)
    k1 = min(k1, queries + gallery - 1)
    k2 = min(k2, k1 + 1)  # the reference reads no further either, as it keeps whole rows
    found = k_reciprocal(query, other, gallery, "euclidean", k1=k1, k2=k2, weight=weight)
    expected = published(query.vectors, other.vectors, k1, k2, weight)
    for row in range(queries):
        assert sorted(found.indices[row]) == list(range(gallery))
        assert found.distances[row] == pytest.approx(expected[row, found.indices[row]], abs=2e-6)
        assert found.distances[row] == pytest.approx(np.sort(expected[row]), abs=2e-6)


def test_a_shorter_ranking_is_the_beginning_of_the_whole_one() -> None:
    query, gallery = people(np.random.default_rng(0), 5, 60)
    whole = k_reciprocal(query, gallery, 60, "cosine")
    short = k_reciprocal(query, gallery, 7, "cosine")
    assert (short.indices == whole.indices[:, :7]).all()
    assert short.metric == "cosine k-reciprocal"


def test_blocks_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery = people(np.random.default_rng(1), 20, 50)
    whole = k_reciprocal(query, gallery, 50, "euclidean")
    monkeypatch.setattr("facematch.refine.k_reciprocal._CELLS", 100)
    parts = k_reciprocal(query, gallery, 50, "euclidean")
    assert (parts.indices == whole.indices).all()
    assert parts.distances == pytest.approx(whole.distances, abs=1e-6)


def test_all_of_the_original_distance_is_the_plain_ranking() -> None:
    query, gallery = people(np.random.default_rng(2), 8, 40)
    assert (
        k_reciprocal(query, gallery, 40, "euclidean", weight=1).indices
        == distance_estimator(query, gallery, 40).indices
    ).all()


def test_equal_photos_stand_by_name() -> None:
    query, gallery = embeddings(np.eye(3)[:1], "q"), embeddings(np.eye(3)[[1, 0, 0, 0]], "g")
    assert k_reciprocal(query, gallery, 4, "euclidean", k1=2, k2=1).names(0) == ("g001", "g002", "g003", "g000")


def test_neighbours_in_common_bring_a_photo_forward() -> None:
    # g005 is of the query's person and stands among its other photos; g006 is a little nearer to the query,
    # but its neighbours are all of somebody else.
    own = [[np.cos(a), np.sin(a), 0] for a in (0.3, 0.34, 0.38, 0.42, 0.46, 0.5)]
    others = [[np.cos(a), 0, np.sin(a)] for a in (0.48, 0.55, 0.57, 0.59, 0.61, 0.63)]
    query, gallery = embeddings(np.array([[1, 0, 0]]), "q"), embeddings(np.array(own + others), "g")
    plain = distance_estimator(query, gallery, 12).names(0)
    assert plain.index("g006") < plain.index("g005")
    better = k_reciprocal(query, gallery, 12, "euclidean", k1=6, k2=2).names(0)
    assert better.index("g005") < better.index("g006")


@pytest.mark.parametrize("metric", ["manhattan", "jaccard"])
def test_other_metrics_are_refused(metric: Metric) -> None:
    query, gallery = people(np.random.default_rng(0), 1, 4)
    with pytest.raises(FacematchError, match=f"not for {metric}"):
        k_reciprocal(query, gallery, 3, metric)


def test_memory_stays_far_below_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery = people(np.random.default_rng(0), 1500, 1500, dimensions=8)
    k_reciprocal(query, gallery, 10, "euclidean", k1=8, k2=3)  # what is loaded once is not counted
    monkeypatch.setattr("facematch.refine.k_reciprocal._CELLS", 50_000)
    monkeypatch.setattr("facematch.ranking.flat._CELLS", 50_000)
    tracemalloc.start()
    k_reciprocal(query, gallery, 10, "euclidean", k1=8, k2=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000**2 * 4 / 2  # half of one float32 matrix of all photos; grows with their number, not its square
