"""The weights of each mining against counting triplet by triplet."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from facematch.losses.mining import (
    Mined,
    _by_positive,
    _by_sorting,
    _slots,
    batch_all,
    batch_all_soft,
    batch_hard,
    mine,
    pairs_of,
    semi_hard,
)

# Distances are whole numbers and so is the margin: ties and "exactly at the margin" come up all the time.
# Nothing here needs them to be symmetric.
matrices = st.integers(1, 7).flatmap(
    lambda count: st.tuples(
        st.lists(st.lists(st.integers(0, 6), min_size=count, max_size=count), min_size=count, max_size=count),
        st.lists(st.integers(0, 2), min_size=count, max_size=count),
    )
)
Case = tuple[list[list[int]], list[int]]


def triplets(labels: list[int]) -> list[tuple[int, int, int]]:
    rows = range(len(labels))
    return [
        (a, p, n)
        for a, p, n in itertools.product(rows, rows, rows)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def counted(chosen: list[tuple[int, int, int]], count: int) -> Tensor:
    weights = torch.zeros(count, count, dtype=torch.float64)
    for a, p, n in chosen:
        weights[a, p] += 1
        weights[a, n] -= 1
    return weights


def tensors(case: Case) -> tuple[Tensor, Tensor]:
    distances, labels = case
    return torch.tensor(distances, dtype=torch.float64).reshape(len(labels), len(labels)), torch.tensor(labels)


def total(mined: Mined, distances: Tensor) -> float:
    return float((mined.weights * distances).sum() + mined.offset)


def test_pairs_are_of_the_labels_and_nobody_is_their_own_positive() -> None:
    pairs = pairs_of(torch.tensor([4, -1, 4]))
    assert pairs.positive.tolist() == [[False, False, True], [False, False, False], [True, False, False]]
    assert pairs.negative.tolist() == [[False, True, False], [True, False, True], [False, True, False]]


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(1, 3))
def test_batch_all_counts_every_triplet_with_a_loss(case: Case, margin: int) -> None:
    distances, labels = tensors(case)
    d = case[0]
    valid = triplets(case[1])
    active = [(a, p, n) for a, p, n in valid if d[a][p] - d[a][n] + margin > 0]
    mined = batch_all(distances, pairs_of(labels), float(margin))
    assert torch.equal(mined.weights, counted(active, len(labels)))
    assert total(mined, distances) == sum(d[a][p] - d[a][n] + margin for a, p, n in active)
    assert (int(mined.candidates), int(mined.active)) == (len(valid), len(active))
    assert float(mined.active_share) == pytest.approx(len(active) / max(1, len(valid)))


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(1, 3))
def test_semi_hard_counts_negatives_between_the_positive_and_the_margin(case: Case, margin: int) -> None:
    distances, labels = tensors(case)
    d = case[0]
    valid = triplets(case[1])
    chosen = [(a, p, n) for a, p, n in valid if d[a][p] < d[a][n] < d[a][p] + margin]
    mined = semi_hard(distances, pairs_of(labels), float(margin))
    assert torch.equal(mined.weights, counted(chosen, len(labels)))
    assert total(mined, distances) == sum(d[a][p] - d[a][n] + margin for a, p, n in chosen)
    assert int(mined.candidates) == int(mined.active) == len(chosen)
    with_loss = sum(d[a][n] < d[a][p] + margin for a, p, n in valid)
    assert float(mined.active_share) == pytest.approx(with_loss / max(1, len(valid)))


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(1, 3))
def test_batch_hard_takes_one_farthest_and_one_nearest_for_each_anchor(case: Case, margin: int) -> None:
    distances, labels = tensors(case)
    d, names = case
    losses: list[int] = []
    chosen: list[tuple[int, int, int]] = []
    for a, own in enumerate(names):
        positives = [p for p, other in enumerate(names) if other == own and p != a]
        negatives = [n for n, other in enumerate(names) if other != own]
        if positives and negatives:
            p = max(positives, key=lambda j: d[a][j])
            n = min(negatives, key=lambda j: d[a][j])
            losses.append(max(0, d[a][p] - d[a][n] + margin))
            chosen += [(a, p, n)] if losses[-1] else []
    mined = batch_hard(distances, pairs_of(labels), float(margin))
    assert torch.equal(mined.weights, counted(chosen, len(names)))
    assert total(mined, distances) == sum(losses)
    assert (int(mined.candidates), int(mined.active)) == (len(losses), len(chosen))
    assert float(mined.active_share) == pytest.approx(len(chosen) / max(1, len(losses)))


@settings(max_examples=80, deadline=None)
@given(matrices)
def test_the_soft_weights_are_the_slopes_of_every_triplet(case: Case) -> None:
    distances, labels = tensors(case)
    d = case[0]
    weights = torch.zeros_like(distances)
    for a, p, n in triplets(case[1]):
        slope = 1 / (1 + math.exp(d[a][n] - d[a][p]))
        weights[a, p] += slope
        weights[a, n] -= slope
    mined = batch_all_soft(distances, pairs_of(labels))
    losses = [math.log1p(math.exp(d[a][p] - d[a][n])) for a, p, n in triplets(case[1])]
    torch.testing.assert_close(mined.weights, weights, atol=1e-12, rtol=1e-12)
    assert total(mined, distances) == pytest.approx(math.fsum(losses), abs=1e-12)
    assert int(mined.candidates) == int(mined.active) == len(losses)


def test_soft_batch_hard_by_hand() -> None:
    distances = torch.tensor([[0, 3, 1, 2], [3, 0, 5, 4], [1, 5, 0, 9], [2, 4, 9, 0]], dtype=torch.float64)
    mined = batch_hard(distances, pairs_of(torch.tensor([0, 0, 1, 2])), "soft")
    first, second = 1 / (1 + math.exp(1 - 3)), 1 / (1 + math.exp(4 - 3))
    wanted = torch.zeros_like(distances)
    wanted[0, 1], wanted[0, 2], wanted[1, 0], wanted[1, 3] = first, -first, second, -second
    torch.testing.assert_close(mined.weights, wanted)
    value = math.log1p(math.exp(3 - 1)) + math.log1p(math.exp(3 - 4))
    assert total(mined, distances) == pytest.approx(value)
    assert (int(mined.candidates), int(mined.active), float(mined.active_share)) == (2, 2, 1)


def test_a_sum_over_many_triplets_keeps_its_small_losses() -> None:
    # 54 million triplets, each with a loss of 10⁻⁶ beside distances near 1: sums in float32 would lose it.
    margin, count = 0.2123456789, 600 * 299 * 300
    pairs = pairs_of(torch.arange(600) % 2)
    distances = torch.where(pairs.negative, 1 + margin - 1e-6, 1.0).double()
    mined = batch_all(distances, pairs, margin)
    assert int(mined.active) == count
    exact = float(distances[0, 2] - distances[0, 1] + margin) * count
    assert total(mined, distances) == pytest.approx(exact, rel=1e-4)


def test_mine_chooses_by_name_and_margin() -> None:
    distances = torch.tensor([[0, 1.0, 1.5], [1.0, 0, 0.5], [1.5, 0.5, 0]], dtype=torch.float64)
    pairs = pairs_of(torch.tensor([0, 0, 1]))
    for found, wanted in (
        (mine(distances, pairs, "batch-all", 1.0), batch_all(distances, pairs, 1.0)),
        (mine(distances, pairs, "batch-all", "soft"), batch_all_soft(distances, pairs)),
        (mine(distances, pairs, "semi-hard", 1.0), semi_hard(distances, pairs, 1.0)),
        (mine(distances, pairs, "batch-hard", 1.0), batch_hard(distances, pairs, 1.0)),
        (mine(distances, pairs, "batch-hard", "soft"), batch_hard(distances, pairs, "soft")),
    ):
        assert torch.equal(found.weights, wanted.weights)
        assert found.offset == wanted.offset
        assert found.active == wanted.active
    assert int(mine(distances, pairs, "batch-all", 1.0).active) == 2
    assert int(mine(distances, pairs, "semi-hard", 1.0).active) == 1


@settings(max_examples=150, deadline=None)
@given(matrices, st.sampled_from([None, 1.0, 2.0]))
def test_positives_counted_one_by_one_give_what_sorting_gives(case: Case, margin: float | None) -> None:
    distances, labels = tensors(case)
    pairs = pairs_of(labels)
    slots = _slots(pairs)
    assert slots == (int(pairs.positive.sum(dim=1).max()) if len(labels) else 0)
    if slots:
        ((weights, count),) = _by_positive(distances, pairs, slots, [margin])
        expected, number = _by_sorting(distances, pairs, margin)
        assert torch.equal(weights.double(), expected.double())
        assert count == number


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([None, 0.1, 0.2, 0.7]))
def test_float32_distances_count_what_their_exact_sums_with_the_margin_say(seed: int, margin: float | None) -> None:
    labels = torch.arange(12) % 3
    steps = torch.randint(0, 40, (12, 12), generator=torch.Generator().manual_seed(seed)).float()
    distances = steps * torch.tensor(0.1)  # many sums with the margin lie within a rounding of a distance
    pairs = pairs_of(labels)
    expected = sum(
        distances[a, n].item() <= distances[a, p].item()
        if margin is None
        else distances[a, n].item() < distances[a, p].item() + margin
        for a, p, n in triplets(labels.tolist())
    )
    ((_, one_by_one),) = _by_positive(distances, pairs, _slots(pairs), [margin])
    _, sorted_ = _by_sorting(distances, pairs, margin)
    assert (int(one_by_one), int(sorted_)) == (expected, expected)


def test_many_positives_are_sorted() -> None:
    labels = torch.zeros(18, dtype=torch.int64)
    assert (_slots(pairs_of(labels)), _slots(pairs_of(labels[:17]))) == (0, 16)
