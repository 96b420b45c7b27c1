"""The distance estimator equals brute force, ties included."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking.codes import pack_codes
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.metrics import METRICS, Metric
from facematch.ranking.ranking import Ranking, distance_estimator, rank_gallery


def embeddings(
    vectors: NDArray[np.float32], prefix: str = "g", metric: str = "euclidean", fingerprint: str = "one"
) -> Embeddings:
    """Under hamming their codes, filled up with equal bits to whole bytes."""
    names = tuple(f"{prefix}{i:05d}.jpg" for i in range(len(vectors)))
    held = vectors.astype(np.float32)
    if metric == "hamming":
        held = pack_codes(np.pad(held, ((0, 0), (0, -held.shape[1] % 8))))
    return Embeddings(names, held, metric, Fingerprint({"network": fingerprint}))


def naive_distance(q: NDArray[np.float32], g: NDArray[np.float32], metric: Metric) -> float:
    if metric == "hamming":
        return sum((int(a) ^ int(b)).bit_count() for a, b in zip(q, g, strict=True))
    left, right = [float(v) for v in q], [float(v) for v in g]
    if metric == "euclidean":
        return math.dist(left, right)
    if metric == "manhattan":
        return math.fsum(abs(a - b) for a, b in zip(left, right, strict=True))
    if metric == "cosine":
        dot = math.fsum(a * b for a, b in zip(left, right, strict=True))
        return 1 - dot / (math.hypot(*left) * math.hypot(*right))
    left = [max(v, 0) for v in left] + [max(-v, 0) for v in left]
    right = [max(v, 0) for v in right] + [max(-v, 0) for v in right]
    union = math.fsum(max(a, b) for a, b in zip(left, right, strict=True))
    both = math.fsum(min(a, b) for a, b in zip(left, right, strict=True))
    return 1 - both / union if union else 0.0


def naive_ranking(query: Embeddings, gallery: Embeddings, k: int, metric: Metric) -> list[list[str]]:
    rows = []
    for q in query.vectors:
        distances = [
            (float(np.float32(naive_distance(q, g, metric))), name)
            for g, name in zip(gallery.vectors, gallery.names, strict=True)
        ]
        rows.append([name for _, name in sorted(distances)[:k]])
    return rows


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("count", [1, 7, 300])
def test_equals_brute_force_on_random_vectors(metric: Metric, count: int) -> None:
    rng = np.random.default_rng(count)
    query = embeddings(rng.normal(size=(20, 24)), "q", metric)
    gallery = embeddings(rng.normal(size=(count, 24)), metric=metric)
    ranking = distance_estimator(query, gallery, 10, metric)
    expected = naive_ranking(query, gallery, 10, metric)
    assert [list(ranking.names(i)) for i in range(20)] == expected
    for i in range(20):
        for name, distance in zip(ranking.names(i), ranking.distances[i], strict=True):
            g = gallery.vectors[gallery.names.index(name)]
            assert distance == pytest.approx(naive_distance(query.vectors[i], g, metric), abs=2e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_many_ties_across_the_cut_are_ordered_by_name(metric: Metric) -> None:
    rng = np.random.default_rng(3)
    base = rng.integers(-3, 4, size=(6, 16)).astype(np.float32)
    base[:, 0] = 5  # no zero vector
    shuffled = rng.permutation(240)
    gallery = replace(embeddings(base[shuffled % 6], metric=metric), names=tuple(f"g{i:03d}.jpg" for i in shuffled))
    query = embeddings(base, "q", metric)
    ranking = distance_estimator(query, gallery, 10, metric)
    for i in range(6):
        assert list(ranking.names(i)) == [f"g{j:03d}.jpg" for j in range(i, 240, 6)][:10]
        assert ranking.distances[i] == pytest.approx(0, abs=1e-6)


def test_collapsed_embeddings_are_ordered_by_name() -> None:
    same = np.ones((3000, 16), np.float32)
    ranking = distance_estimator(embeddings(same[:5], "q"), embeddings(same), 10)
    assert ranking.names(3) == tuple(f"g{i:05d}.jpg" for i in range(10))


def test_nearly_equal_vectors_far_from_the_origin_are_told_apart() -> None:
    # FAISS's float32 expansion loses these differences; the exact pass must not.
    rng = np.random.default_rng(0)
    gallery = 100 + rng.normal(scale=1e-3, size=(500, 32)).astype(np.float32)
    query, full = embeddings(gallery[:20] + np.float32(1e-4), "q"), embeddings(gallery)
    ranking = distance_estimator(query, full, 10)
    assert [list(ranking.names(i)) for i in range(20)] == naive_ranking(query, full, 10, "euclidean")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(METRICS),
    st.integers(1, 30),
    st.integers(1, 6),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_equals_brute_force_on_small_integers_with_ties(
    metric: Metric, count: int, width: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-2, 3, size=(count + 3, width)).astype(np.float32)
    values[:, 0] = rng.integers(1, 3, size=count + 3)
    query, gallery = embeddings(values[:3], "q", metric), embeddings(values[3:], metric=metric)
    ranking = distance_estimator(query, gallery, k, metric)
    for i, row in enumerate(naive_ranking(query, gallery, k, metric)):
        if metric in ("cosine", "jaccard"):  # equal only mathematically: rounding may order them either way
            expected = [naive_distance(query.vectors[i], gallery.vectors[gallery.names.index(n)], metric) for n in row]
            assert ranking.distances[i] == pytest.approx(expected, abs=1e-6)
        else:
            assert list(ranking.names(i)) == row


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0.25, 2.0, 1024.0]), st.integers(0, 2**32 - 1))
def test_scaling_all_embeddings_leaves_a_cosine_ranking_as_it_was(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, g = rng.normal(size=(4, 9)).astype(np.float32), rng.normal(size=(40, 9)).astype(np.float32)
    one = distance_estimator(embeddings(q, "q"), embeddings(g), 12, "cosine")
    two = distance_estimator(embeddings(q * factor, "q"), embeddings(g * factor), 12, "cosine")
    np.testing.assert_array_equal(one.indices, two.indices)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(METRICS), st.integers(0, 2**32 - 1))
def test_a_full_ranking_is_a_permutation_and_gallery_order_does_not_matter(metric: Metric, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g = embeddings(rng.normal(size=(25, 5)), metric=metric)
    q = embeddings(rng.normal(size=(3, 5)), "q", metric)
    order = rng.permutation(25)
    turned = Embeddings(tuple(g.names[i] for i in order), g.vectors[order], g.metric, g.fingerprint)
    one, two = distance_estimator(q, g, 99, metric), distance_estimator(q, turned, 99, metric)
    assert one.indices.shape == (3, 25)
    for i in range(3):
        assert sorted(one.names(i)) == sorted(g.names)
        assert one.names(i) == two.names(i)


@pytest.mark.parametrize("metric", METRICS)
def test_a_photo_is_never_its_own_hit(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    both = embeddings(rng.normal(size=(60, 32)), metric=metric)
    plain = distance_estimator(both, both, 5, metric)
    without = distance_estimator(both, both, 4, metric, exclude_same_name=True)
    for i, name in enumerate(both.names):
        assert plain.names(i)[0] == name
        assert without.names(i) == plain.names(i)[1:]


def test_excluding_the_only_other_photo_leaves_an_empty_row() -> None:
    one = embeddings(np.ones((1, 4)))
    ranking = distance_estimator(one, one, 5, exclude_same_name=True)
    assert ranking.names(0) == ()
    assert ranking.distances[0, 0] == np.inf


@pytest.mark.parametrize("metric", METRICS)
def test_exclusion_with_ties_beyond_the_candidates(metric: Metric) -> None:
    same = embeddings(np.ones((100, 4)), metric=metric)
    ranking = distance_estimator(same, same, 3, exclude_same_name=True)
    assert ranking.names(0) == ("g00001.jpg", "g00002.jpg", "g00003.jpg")
    assert ranking.names(99) == ("g00000.jpg", "g00001.jpg", "g00002.jpg")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_of_photos_at_one_distance_the_first_by_name_are_kept(data: st.DataObject) -> None:
    # FAISS compares codes in blocks of the gallery and in threads; neither may change which ties stay.
    import faiss

    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, width = data.draw(st.integers(1, 300)), data.draw(st.sampled_from([1, 2, 4, 8, 12]))
    codes = rng.choice([0, 1, 7, 255], size=(count + 5, width), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    fingerprint = Fingerprint({"network": "one"})
    query = Embeddings(tuple(f"g{i:03d}" for i in range(3, 8)), codes[:5], "hamming", fingerprint)
    gallery = Embeddings(tuple(f"g{i:03d}" for i in rng.permutation(count)), codes[5:], "hamming", fingerprint)
    k = data.draw(st.integers(1, max(1, count // 12)) | st.integers(1, count))
    excluded = data.draw(st.booleans())
    before, threads = faiss.cvar.hamming_batch_size, faiss.omp_get_max_threads()
    try:
        faiss.cvar.hamming_batch_size = data.draw(st.integers(1, 50))
        faiss.omp_set_num_threads(data.draw(st.integers(1, 4)))
        ranking = distance_estimator(query, gallery, k, exclude_same_name=excluded)
    finally:
        faiss.cvar.hamming_batch_size = before
        faiss.omp_set_num_threads(threads)
    for i, row in enumerate(naive_ranking(query, gallery, count, "hamming")):
        expected = [name for name in row if not (excluded and name == query.names[i])][:k]
        assert list(ranking.names(i)) == expected
        ours = dict(zip(gallery.names, gallery.vectors, strict=True))
        distances = [naive_distance(query.vectors[i], ours[name], "hamming") for name in expected]
        assert ranking.distances[i][: len(expected)].tolist() == distances
        assert (ranking.distances[i][len(expected) :] == np.inf).all()


@pytest.mark.parametrize("threads", [1, 4])
def test_ties_beyond_a_block_of_the_gallery_stand_by_name(threads: int) -> None:
    import faiss

    rng = np.random.default_rng(5)
    gallery = Embeddings(
        tuple(f"g{i:06d}" for i in rng.permutation(150_000)),
        rng.choice([0, 255], size=(150_000, 2), p=[0.0005, 0.9995]).astype(np.uint8),
        "hamming",
        Fingerprint({"network": "one"}),
    )
    query = replace(gallery.at([0, 1]), vectors=np.array([[0, 0], [255, 255]], np.uint8))
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(threads)
        for k in (1, 100, 14_000, 149_999):
            ranking = distance_estimator(query, gallery, k)
            for row in range(2):
                bits = np.unpackbits(gallery.vectors ^ query.vectors[row], axis=1).sum(axis=1)
                assert ranking.indices[row].tolist() == np.lexsort((gallery.names, bits))[:k].tolist()
    finally:
        faiss.omp_set_num_threads(before)


def test_codes_and_vectors_never_meet() -> None:
    vectors, codes = embeddings(np.ones((3, 8))), embeddings(np.ones((3, 8)), metric="hamming")
    with pytest.raises(FacematchError, match="these embeddings are codes; euclidean cannot compare them"):
        distance_estimator(codes, codes, 1, "euclidean")
    with pytest.raises(FacematchError, match="these embeddings are vectors; hamming cannot compare them"):
        distance_estimator(vectors, vectors, 1, "hamming")
    with pytest.raises(FacematchError, match="compared by hamming, the gallery by euclidean"):
        distance_estimator(codes, vectors, 1, "hamming")


def test_clear_errors() -> None:
    three = embeddings(np.ones((3, 4)))
    with pytest.raises(FacematchError, match="no query embeddings"):
        distance_estimator(embeddings(np.ones((0, 4)), "q"), three, 1)
    with pytest.raises(FacematchError, match="no gallery embeddings"):
        distance_estimator(three, embeddings(np.ones((0, 4))), 1)
    with pytest.raises(FacematchError, match="k is 0"):
        distance_estimator(three, three, 0)
    with pytest.raises(FacematchError, match="network is 'one' in the query embeddings and 'two'"):
        distance_estimator(three, embeddings(np.ones((3, 4)), fingerprint="two"), 1)
    with pytest.raises(FacematchError, match="4 dimensions"):
        distance_estimator(three, embeddings(np.ones((3, 5))), 1)
    with pytest.raises(FacematchError, match="compared by euclidean, the gallery by cosine"):
        distance_estimator(three, embeddings(np.ones((3, 4)), metric="cosine"), 1)
    with pytest.raises(FacematchError, match="metric 'chebyshev' is not known"):
        distance_estimator(three, three, 1, "chebyshev")  # type: ignore[arg-type]
    zero = np.ones((3, 4))
    zero[1] = 0
    with pytest.raises(FacematchError, match=r"g00001\.jpg has a zero embedding"):
        distance_estimator(three, embeddings(zero), 1, "cosine")


def test_a_ranking_checks_itself() -> None:
    good = np.zeros((1, 2), np.int64), np.array([[0.0, 1.0]], np.float32)
    Ranking(("q",), ("a",), *good, "euclidean")
    with pytest.raises(ValueError, match="needs Q×k"):
        Ranking(("q", "r"), ("a",), *good, "euclidean")
    with pytest.raises(ValueError, match="point into its gallery"):
        Ranking(("q",), (), *good, "euclidean")
    with pytest.raises(ValueError, match="rise"):
        Ranking(("q",), ("a",), good[0], good[1][:, ::-1], "euclidean")


def test_torch_and_faiss_share_a_process_with_threads() -> None:
    import faiss
    import torch

    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(2)
    faiss.omp_set_num_threads(2)
    try:
        rng = np.random.default_rng(0)
        g = embeddings(rng.normal(size=(2000, 64)))
        a = torch.randn(300, 300)
        for _ in range(3):
            assert torch.isfinite(a @ a.T).all()
            assert distance_estimator(g, g, 1).indices[:, 0].tolist() == list(range(2000))
    finally:  # other tests compare bits, which the number of threads decides
        torch.set_num_threads(before[0])
        faiss.omp_set_num_threads(before[1])


def test_the_distance_estimator_has_the_name_of_what_it_does() -> None:
    assert rank_gallery is distance_estimator
