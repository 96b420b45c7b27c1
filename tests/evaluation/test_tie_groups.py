"""Tie groups against plain loops over pairs of codes, and against the ranking that they summarise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation import tie_groups
from facematch.evaluation.relevance import pooled
from facematch.evaluation.tie_groups import TieGroups, groups_of_codes, groups_of_judged
from facematch.ranking.codes import hamming_distances, pack_codes
from judged_rankings import judged_by_identity, random_judged, rows


def random_codes(rng: np.random.Generator, count: int, bits: int, kinds: int = 6) -> np.ndarray:
    """Codes of which many are equal."""
    return pack_codes(rng.normal(size=(kinds, bits)))[rng.integers(0, kinds, count)]


def naive(
    query: np.ndarray, gallery: np.ndarray, asked: list[object], shown: list[object], own: list[int]
) -> tuple[list[list[int]], list[list[int]]]:
    bits = 8 * query.shape[1]
    sizes, right = ([[0] * (bits + 1) for _ in query] for _ in range(2))
    for q, code in enumerate(query):
        for g, other in enumerate(gallery):
            if g != own[q]:
                distance = sum(int(a ^ b).bit_count() for a, b in zip(code.tolist(), other.tolist(), strict=True))
                sizes[q][distance] += 1
                right[q][distance] += asked[q] == shown[g]
    return sizes, right


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 5),
    st.integers(0, 12),
    st.sampled_from([8, 16, 24, 64, 72]),
    st.booleans(),
    st.booleans(),
)
def test_codes_are_counted_as_plain_loops_count_them(
    seed: int, queries: int, photos: int, bits: int, leave_out: bool, text: bool
) -> None:
    rng = np.random.default_rng(seed)
    query, gallery = random_codes(rng, queries, bits), random_codes(rng, photos, bits)
    asked, shown = rng.integers(0, 4, queries).tolist(), rng.integers(0, 3, photos).tolist()
    if text:
        asked, shown = [f"p{label}" for label in asked], [f"p{label}" for label in shown]
    own = rng.integers(-1, photos, queries).tolist() if leave_out else [-1] * queries
    found = groups_of_codes(query, gallery, asked, shown, own=own if leave_out else None)
    sizes, right = naive(query, gallery, asked, shown, own)
    assert found.sizes.tolist() == sizes
    assert found.right.tolist() == right
    assert found.sizes.dtype == found.right.dtype == np.int64
    assert found.distances.shape == (queries, bits + 1)
    assert all(row == list(range(bits + 1)) for row in found.distances.tolist())
    assert found.relevant.tolist() == [sum(row) for row in right]
    assert found.answerable.tolist() == [sum(row) > 0 for row in right]
    assert len(found) == queries
    assert found.groups == tuple(asked)


def test_the_order_of_the_gallery_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    query, gallery = random_codes(rng, 9, 16), random_codes(rng, 50, 16, kinds=20)
    asked, shown = rng.integers(0, 5, 9), rng.integers(0, 5, 50)
    own, order = rng.integers(-1, 50, 9), rng.permutation(50)
    place = np.append(np.argsort(order), -1)  # where each row of the gallery went
    found = groups_of_codes(query, gallery, asked, shown, own=own)
    shuffled = groups_of_codes(query, gallery[order], asked, shown[order], own=place[own])
    np.testing.assert_array_equal(found.sizes, shuffled.sizes)
    np.testing.assert_array_equal(found.right, shuffled.right)


def test_blocks_bound_what_is_held_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    query, gallery = random_codes(rng, 23, 32), random_codes(rng, 40, 32)
    asked, shown, own = rng.integers(0, 5, 23), rng.integers(0, 5, 40), rng.integers(-1, 40, 23)
    whole = groups_of_codes(query, gallery, asked, shown, own=own)
    held = []

    def spied(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        held.append(len(left) * len(right))
        return hamming_distances(left, right)

    monkeypatch.setattr(tie_groups, "hamming_distances", spied)
    for cells, largest in ((1, 40), (100, 80), (10_000, 920)):
        monkeypatch.setattr(tie_groups, "_CELLS", cells)
        held.clear()
        parts = groups_of_codes(query, gallery, asked, shown, own=own)
        assert max(held) == largest
        np.testing.assert_array_equal(parts.sizes, whole.sizes)
        np.testing.assert_array_equal(parts.right, whole.right)


def test_names_and_people_are_kept() -> None:
    codes = np.zeros((2, 1), dtype=np.uint8)
    assert groups_of_codes(codes, codes, ["a", "b"], ["a", "a"]).queries == ("0", "1")
    found = groups_of_codes(codes, codes, ["a", "b"], ["a", "a"], queries=["x.jpg", "y.jpg"], groups=["s", "t"])
    assert found.queries == ("x.jpg", "y.jpg")
    assert found.groups == ("s", "t")


def test_a_number_is_not_the_text_of_it() -> None:
    codes = np.zeros((1, 1), dtype=np.uint8)
    assert groups_of_codes(codes, codes, [1], ["1"]).relevant.tolist() == [0]
    assert groups_of_codes(codes, codes, np.array([1]), [1]).relevant.tolist() == [1]


def test_lists_that_do_not_belong_together_are_refused() -> None:
    codes = np.zeros((2, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match="2 query codes need as many labels, people, names and own rows; found 1"):
        groups_of_codes(codes, codes, ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="2 gallery codes need as many labels; found 3"):
        groups_of_codes(codes, codes, ["a", "b"], ["a", "b", "c"])
    for own in ([0, 2], [-2, 0]):
        with pytest.raises(ValueError, match="a row of the 2 gallery codes"):
            groups_of_codes(codes, codes, ["a", "b"], ["a", "b"], own=own)
    with pytest.raises(ValueError, match="codes of 16 and 8 bits"):
        groups_of_codes(codes, codes[:, :1], ["a", "b"], ["a", "b"])


def test_impossible_groups_are_refused() -> None:
    ones, levels = np.ones((1, 2), dtype=np.int64), np.zeros((1, 2), dtype=np.float32)
    TieGroups(("q",), ("p",), levels, ones, ones)
    with pytest.raises(ValueError, match="no more right photos than photos"):
        TieGroups(("q",), ("p",), levels, ones, ones * 2)
    with pytest.raises(ValueError, match="no more right photos than photos"):
        TieGroups(("q",), ("p",), levels, ones, -ones)
    for wrong in (
        (("q",), ("p",), levels, ones, ones[:, :1]),
        (("q", "r"), ("p",), levels, ones, ones),
        (("q",), ("p", "s"), levels, ones, ones),
        (("q",), ("p",), levels[:, :0], ones[:, :0], ones[:, :0]),
    ):
        with pytest.raises(ValueError, match="Q×G arrays of one shape"):
            TieGroups(*wrong)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 15), st.integers(1, 20))
def test_a_judged_ranking_ties_where_distances_are_equal(seed: int, queries: int, photos: int, levels: int) -> None:
    judged = random_judged(seed, queries, photos, levels=levels)
    found = groups_of_judged(judged)
    assert found.queries == judged.queries
    assert found.groups == judged.groups
    for q, (right, relevant) in enumerate(rows(judged)):
        distances = judged.distances[q].tolist()
        expected = [
            (d, distances.count(d), sum(r for r, at in zip(right, distances, strict=True) if at == d))
            for d in sorted(set(distances))
        ]
        triples = list(zip(found.distances[q].tolist(), found.sizes[q].tolist(), found.right[q].tolist(), strict=True))
        assert triples[: len(expected)] == expected
        assert all(each == (np.inf, 0, 0) for each in triples[len(expected) :])
        assert found.relevant[q] == relevant


def test_rankings_of_unlike_length_are_grouped_together() -> None:
    parts = [random_judged(seed, 4, 5 + 3 * seed) for seed in range(3)]
    together, each = groups_of_judged(pooled(parts)), [groups_of_judged(part) for part in parts]
    for number, part in enumerate(each):
        width, at = part.sizes.shape[1], slice(4 * number, 4 * number + 4)
        np.testing.assert_array_equal(together.sizes[at, :width], part.sizes)
        np.testing.assert_array_equal(together.right[at, :width], part.right)
        assert not together.sizes[at, width:].any()


def test_codes_and_their_judged_ranking_give_the_same_groups() -> None:
    rng = np.random.default_rng(2)
    query, gallery = random_codes(rng, 12, 16), random_codes(rng, 60, 16, kinds=25)
    asked, shown = rng.integers(0, 6, 12), rng.integers(0, 5, 60)
    counted = groups_of_codes(query, gallery, asked, shown)
    distances = np.bitwise_count(query[:, None] ^ gallery).sum(axis=2)
    judged = groups_of_judged(judged_by_identity(distances, asked.tolist(), shown.tolist()))
    for q in range(12):
        there, ranked = counted.sizes[q] > 0, judged.sizes[q] > 0
        for name in ("distances", "sizes", "right"):
            assert getattr(counted, name)[q][there].tolist() == getattr(judged, name)[q][ranked].tolist()


def test_a_short_ranking_has_no_tie_groups() -> None:
    with pytest.raises(FacematchError, match="over all orders of ties needs the whole ranking; that of q000"):
        groups_of_judged(random_judged(0, 3, 20, people=2, k=4))
