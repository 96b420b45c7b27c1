"""The triplet loss against three nested loops, value and gradient."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from facematch.core.errors import FacematchError
from facematch.losses import distances as distances_room
from facematch.losses import triplet as triplet_room
from facematch.losses import triplet_loss
from facematch.losses.distances import Distance
from facematch.losses.mining import Margin, Mining
from facematch.losses.triplet import Reduction, TripletResult, spread

WAYS: list[tuple[Mining, Margin]] = [
    ("batch-all", 0.3),
    ("batch-all", "soft"),
    ("semi-hard", 0.3),
    ("batch-hard", 0.3),
    ("batch-hard", "soft"),
]
KINDS: tuple[Distance, ...] = ("euclidean", "squared", "cosine")
REDUCTIONS: tuple[Reduction, ...] = ("active", "valid")

# ---- the reference: one triplet after the other, in float64, differentiated by autograd -------------


def pair_distance(a: Tensor, b: Tensor, kind: Distance) -> Tensor:
    if kind == "cosine":
        a, b = a / a.norm(), b / b.norm()
        return (a - b).square().sum() / 2
    squared = (a - b).square().sum()
    return squared if kind == "squared" or squared == 0 else squared.sqrt()


def valid_triplets(labels: list[int]) -> list[tuple[int, int, int]]:
    rows = range(len(labels))
    return [
        (a, p, n)
        for a, p, n in itertools.product(rows, rows, rows)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def hardest(values: list[list[float]], labels: list[int]) -> list[tuple[int, int, int]]:
    found = []
    for a, own in enumerate(labels):
        positives = [p for p, other in enumerate(labels) if other == own and p != a]
        negatives = [n for n, other in enumerate(labels) if other != own]
        if positives and negatives:
            farthest = max(positives, key=lambda p: values[a][p])
            found.append((a, farthest, min(negatives, key=lambda n: values[a][n])))
    return found


def naive(
    x: Tensor, labels: list[int], mining: Mining, margin: Margin, kind: Distance, reduction: Reduction
) -> tuple[Tensor, int, float]:
    """Loss, number of triplets in the mean, and active share."""
    d = [[pair_distance(a, b, kind) for b in x] for a in x]
    v = [[float(entry.detach()) for entry in row] for row in d]

    def has_a_loss(a: int, p: int, n: int) -> bool:
        return margin == "soft" or v[a][p] - v[a][n] + margin > 0

    chosen = valid = hardest(v, labels) if mining == "batch-hard" else valid_triplets(labels)
    if mining == "semi-hard":
        assert margin != "soft"
        chosen = [(a, p, n) for a, p, n in valid if v[a][p] < v[a][n] < v[a][p] + margin]
    entered = [t for t in chosen if has_a_loss(*t)] if reduction == "active" else chosen
    terms = [
        functional.softplus(d[a][p] - d[a][n], threshold=50)
        if margin == "soft"
        else functional.relu(d[a][p] - d[a][n] + margin)
        for a, p, n in entered
    ]
    share = sum(has_a_loss(*t) for t in valid) / max(1, len(valid))
    loss = torch.stack(terms).mean() if terms else (x * 0).sum()
    return loss, len(entered), share  # `loss` carries its graph


# ---- batches ----------------------------------------------------------------------------------------


def rows(count: int, dimensions: int, seed: int, size: float = 0.4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(count, dimensions, generator=generator, dtype=torch.float64)


def lattice(count: int, seed: int) -> Tensor:
    # Few points of a small grid: equal embeddings and ties of distances everywhere, none of them 0.
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 3, (count, 3), generator=generator).double()


BATCHES: dict[str, tuple[Tensor, list[int]]] = {
    "balanced": (rows(12, 5, seed=1), [0, 1, 2, 3] * 3),
    "unbalanced": (rows(13, 4, seed=2), [7, 7, 7, 7, 7, 7, 1, 1, 1, 4, 4, 9, -2]),
    "one identity": (rows(6, 4, seed=3), [5] * 6),
    "all distinct": (rows(6, 4, seed=4), [0, 1, 2, 3, 4, 5]),
    "one pair": (rows(3, 4, seed=5), [1, 1, 2]),
    "one photo": (rows(1, 4, seed=6), [3]),
    "far apart": (torch.eye(6, dtype=torch.float64).repeat_interleave(2, 0) * 9, [0, 0, 1, 1, 2, 2] * 2),
    "equal photos": (rows(6, 4, seed=7).repeat(2, 1), [0, 0, 1, 1, 2, 2] * 2),
    "equal across identities": (rows(6, 4, seed=8).repeat(2, 1), [0, 0, 1, 1, 2, 2, 1, 2, 3, 3, 0, 0]),
    "all equal": (torch.ones(8, 3, dtype=torch.float64), [0, 0, 1, 1, 2, 2, 3, 3]),
    "ties": (lattice(14, seed=9), [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5]),
    "wide": (rows(12, 200, seed=10, size=0.03), [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3]),
}


def value_and_gradient(x: Tensor, labels: list[int], **arguments: Any) -> tuple[TripletResult, Tensor]:
    leaf = x.clone().requires_grad_()
    result = triplet_loss(leaf, torch.tensor(labels, dtype=torch.int64), **arguments)
    (gradient,) = torch.autograd.grad(result.loss, leaf)
    return result, gradient


# ---- value and gradient -----------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("mining", "margin"), WAYS)
def test_value_and_gradient_are_those_of_the_loop(batch: str, kind: Distance, mining: Mining, margin: Margin) -> None:
    x, labels = BATCHES[batch]
    for reduction in REDUCTIONS:
        leaf = x.clone().requires_grad_()
        wanted, triplets, share = naive(leaf, labels, mining, margin, kind, reduction)
        (wanted_gradient,) = torch.autograd.grad(wanted, leaf)
        found, gradient = value_and_gradient(
            x, labels, mining=mining, margin=margin, distance=kind, reduction=reduction
        )
        assert int(found.triplets) == triplets
        assert float(found.active_share) == pytest.approx(share, abs=1e-6)
        assert found.loss.item() == pytest.approx(wanted.item(), abs=1e-6, rel=1e-6)
        torch.testing.assert_close(gradient, wanted_gradient, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("margin", [1.0, 2.0])
@pytest.mark.parametrize("mining", ["batch-all", "semi-hard", "batch-hard"])
def test_a_negative_exactly_at_the_margin_has_no_loss(mining: Mining, margin: float) -> None:
    # Points on a line at whole numbers: d_ap + margin meets d_an exactly, again and again.
    x = torch.tensor([[0], [1], [2], [3], [4], [2], [5], [1]], dtype=torch.float64)
    labels = [0, 0, 1, 1, 2, 2, 3, 3]
    wanted, triplets, share = naive(x, labels, mining, margin, "euclidean", "active")
    for reduction in REDUCTIONS:
        found, _ = value_and_gradient(x, labels, mining=mining, margin=margin, reduction=reduction)
        if reduction == "active":
            assert int(found.triplets) == triplets
            assert found.loss.item() == pytest.approx(wanted.item(), abs=1e-6)
        assert float(found.active_share) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 8e-3), (torch.half, 1e-3)])
@pytest.mark.parametrize(("mining", "margin"), WAYS)
def test_other_types_lose_only_the_rounding_of_their_gradient(
    dtype: torch.dtype, tolerance: float, mining: Mining, margin: Margin
) -> None:
    x, labels = BATCHES["balanced"]
    x = x.to(dtype)
    leaf = x.double().requires_grad_()
    wanted, triplets, _ = naive(leaf, labels, mining, margin, "euclidean", "active")
    (wanted_gradient,) = torch.autograd.grad(wanted, leaf)
    found, gradient = value_and_gradient(x, labels, mining=mining, margin=margin)
    assert found.loss.dtype == torch.float32
    assert gradient.dtype == dtype
    assert int(found.triplets) == triplets
    assert found.loss.item() == pytest.approx(wanted.item(), abs=1e-6)
    torch.testing.assert_close(gradient.double(), wanted_gradient, atol=1e-6, rtol=tolerance)


@pytest.mark.parametrize(("mining", "margin"), WAYS)
def test_a_device_without_float64_comes_close(mining: Mining, margin: Margin, monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = BATCHES["unbalanced"]
    wanted, wanted_gradient = value_and_gradient(x, labels, mining=mining, margin=margin)
    for room in (distances_room, triplet_room):
        monkeypatch.setattr(room, "working_dtype", lambda device: torch.float32)
    found, gradient = value_and_gradient(x.float(), labels, mining=mining, margin=margin)
    assert found.loss.item() == pytest.approx(wanted.loss.item(), abs=1e-5)
    torch.testing.assert_close(gradient.double(), wanted_gradient, atol=1e-5, rtol=1e-4)


def test_a_large_soft_gap_neither_overflows_nor_rounds() -> None:
    x = torch.tensor([[0.0], [1000.0], [0.0], [30.0]])
    for mining in ("batch-all", "batch-hard"):
        found, gradient = value_and_gradient(x, [0, 0, 1, 1], mining=mining, margin="soft")
        wanted, _, _ = naive(x.double(), [0, 0, 1, 1], mining, "soft", "euclidean", "valid")
        assert found.loss.item() == pytest.approx(wanted.item(), rel=1e-6)
        assert gradient.isfinite().all()


# ---- nothing to learn from --------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["one identity", "all distinct", "one photo", "far apart"])
@pytest.mark.parametrize("mining", ["batch-all", "semi-hard", "batch-hard"])
def test_without_triplets_the_loss_is_zero_and_so_is_its_gradient(batch: str, mining: Mining) -> None:
    x, labels = BATCHES[batch]
    labels = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5] if batch == "far apart" else labels
    for reduction in REDUCTIONS:
        found, gradient = value_and_gradient(x, labels, mining=mining, margin=0.5, reduction=reduction)
        assert found.loss.item() == 0
        assert torch.equal(gradient, torch.zeros_like(x))
        assert float(found.active_share) == 0
        numbers = (found.mean_positive, found.mean_negative, found.spread, found.triplets)
        assert all(math.isfinite(float(number)) for number in numbers)


@pytest.mark.parametrize(("mining", "margin"), WAYS)
def test_an_empty_batch(mining: Mining, margin: Margin) -> None:
    found, gradient = value_and_gradient(torch.zeros(0, 4), [], mining=mining, margin=margin)
    assert found.loss.item() == 0
    assert gradient.shape == (0, 4)
    assert [float(v) for v in (found.mean_positive, found.mean_negative, found.spread)] == [0, 0, 0]


@pytest.mark.parametrize(("mining", "margin"), WAYS)
@pytest.mark.parametrize("batch", ["balanced", "all distinct"])
def test_nan_reaches_the_loss(batch: str, mining: Mining, margin: Margin) -> None:
    x, labels = BATCHES[batch]
    x = x.clone()
    x[1, 2] = torch.nan
    assert triplet_loss(x, torch.tensor(labels), mining=mining, margin=margin).loss.isnan()


@pytest.mark.parametrize(("mining", "margin"), WAYS)
def test_a_collapsed_batch_stands_at_the_margin(mining: Mining, margin: Margin) -> None:
    x, labels = BATCHES["all equal"]
    found, gradient = value_and_gradient(x, labels, mining=mining, margin=margin)
    at = math.log(2) if margin == "soft" else margin
    assert found.loss.item() == pytest.approx(0 if mining == "semi-hard" else at)
    assert torch.equal(gradient, torch.zeros_like(x))
    assert float(found.spread) == 0
    assert float(found.active_share) == 1


# ---- diagnostics ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_diagnostics_are_those_of_the_pairs(kind: Distance) -> None:
    x, labels = BATCHES["unbalanced"]
    found, _ = value_and_gradient(x, labels, mining="batch-all", margin=0.2, distance=kind)
    sides: dict[bool, list[float]] = {True: [], False: []}
    for i, j in itertools.permutations(range(len(labels)), 2):
        sides[labels[i] == labels[j]].append(float(pair_distance(x[i], x[j], kind)))
    assert float(found.mean_positive) == pytest.approx(sum(sides[True]) / len(sides[True]), rel=1e-6)
    assert float(found.mean_negative) == pytest.approx(sum(sides[False]) / len(sides[False]), rel=1e-6)
    numbers = (found.triplets, found.active_share, found.mean_positive, found.mean_negative, found.spread)
    assert not any(number.requires_grad for number in numbers)
    assert all(number.ndim == 0 for number in (found.loss, *numbers))


def test_spread_is_one_for_even_unit_embeddings_and_falls_with_their_crowding() -> None:
    x = functional.normalize(rows(4000, 32, seed=11), dim=1)
    assert float(spread(x)) == pytest.approx(1, abs=0.01)
    assert float(spread(x * 50)) == pytest.approx(float(spread(x)), rel=1e-5)
    crowded = torch.ones(32, dtype=torch.float64) + 0.01 * x
    deviations = [math.sqrt(float(((c - c.mean()) ** 2).mean())) for c in crowded.T]
    norms = [float(row.norm()) for row in crowded]
    by_hand = sum(deviations) / 32 * math.sqrt(32) / (sum(norms) / len(norms))
    assert float(spread(crowded)) == pytest.approx(by_hand, rel=1e-5)
    assert float(spread(torch.zeros(5, 4))) == 0
    assert float(spread(torch.ones(5, 4, dtype=torch.bfloat16))) == 0


# ---- labels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [2**24, 2**53, 2**63 - 9, -(2**63)])
def test_neighbouring_large_labels_stay_distinct(base: int) -> None:
    x, _ = BATCHES["balanced"]
    small = [0, 1, 2, 3] * 3
    wanted, _ = value_and_gradient(x, small, mining="batch-all", margin=0.3)
    found, _ = value_and_gradient(x, [base + label for label in small], mining="batch-all", margin=0.3)
    assert float(wanted.triplets) > 0
    assert found.triplets == wanted.triplets
    assert found.loss == wanted.loss


# ---- laws -------------------------------------------------------------------------------------------

batches = st.integers(2, 9).flatmap(
    lambda count: st.tuples(
        st.lists(st.lists(st.integers(-4, 4), min_size=3, max_size=3), min_size=count, max_size=count),
        st.lists(st.integers(0, 3), min_size=count, max_size=count),
        st.permutations(range(count)),
    )
)
ways = st.sampled_from(WAYS)


@settings(max_examples=60, deadline=None)
@given(batches, ways, st.sampled_from(KINDS), st.sampled_from(REDUCTIONS))
def test_the_order_of_the_batch_does_not_matter(
    batch: Any, way: tuple[Mining, Margin], kind: Distance, reduction: Reduction
) -> None:
    points, labels, order = batch
    x, y = torch.tensor(points).float(), torch.tensor(labels)
    mining, margin = way
    one = triplet_loss(x, y, mining=mining, margin=margin, distance=kind, reduction=reduction)
    two = triplet_loss(x[order], y[order], mining=mining, margin=margin, distance=kind, reduction=reduction)
    for name in ("loss", "triplets", "active_share", "mean_positive", "mean_negative", "spread"):
        assert float(getattr(one, name)) == pytest.approx(float(getattr(two, name)), rel=1e-5, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(batches, ways, st.integers(-50, 50))
def test_moving_all_embeddings_changes_nothing(batch: Any, way: tuple[Mining, Margin], shift: int) -> None:
    points, labels, _ = batch
    x, y = torch.tensor(points).double(), torch.tensor(labels)
    here = triplet_loss(x, y, mining=way[0], margin=way[1])
    there = triplet_loss(x + shift, y, mining=way[0], margin=way[1])
    assert here.triplets == there.triplets
    assert float(here.loss) == pytest.approx(float(there.loss), rel=1e-6, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(batches, st.sampled_from([0.1, 0.5, 1.5]))
def test_minings_are_nested(batch: Any, margin: float) -> None:
    points, labels, _ = batch
    x, y = torch.tensor(points).double(), torch.tensor(labels)
    everything = triplet_loss(x, y, mining="batch-all", margin=margin)
    half = triplet_loss(x, y, mining="semi-hard", margin=margin)
    valid = triplet_loss(x, y, mining="batch-all", margin=margin, reduction="valid")
    hard = triplet_loss(x, y, mining="batch-hard", margin=margin)
    assert half.triplets <= everything.triplets <= valid.triplets
    assert float(half.loss) < margin + 1e-6
    assert float(valid.loss) <= float(everything.loss) + 1e-6
    assert (hard.triplets == 0) == (everything.triplets == 0)
    assert half.active_share == everything.active_share


# ---- cost -------------------------------------------------------------------------------------------


class Watch(TorchDispatchMode):
    """Sees every operation: the largest result, and whether a number was read from the device."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        for part in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(part, Tensor):
                self.largest = max(self.largest, part.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("device", ["cpu", "another"])
@pytest.mark.parametrize(("mining", "margin"), WAYS)
def test_no_tensor_is_larger_than_the_pairs_and_nothing_waits_for_the_device(
    mining: Mining, margin: Margin, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device == "another":
        monkeypatch.setattr("facematch.losses.mining._slots", lambda _: 0)
    x, labels = rows(96, 8, seed=12).requires_grad_(), torch.arange(96) // 4
    with Watch() as watch:
        triplet_loss(x, labels, mining=mining, margin=margin).loss.backward()
    assert watch.largest == 96 * 96 * 8  # B×B of float64
    if device == "another":
        assert watch.reads == (1 if (mining, margin) == ("batch-all", "soft") else 0)


@pytest.mark.parametrize(("mining", "margin"), [("batch-all", 0.3), ("batch-all", "soft")])
def test_a_batch_of_2048_fits(mining: Mining, margin: Margin) -> None:
    # All B³ triplets in float32 would be 34 GB.
    x, labels = rows(2048, 16, seed=13).float().requires_grad_(), torch.arange(2048) // 4
    found = triplet_loss(x, labels, mining=mining, margin=margin, reduction="valid")
    found.loss.backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert int(found.triplets) == 2048 * 3 * 2044


# ---- wrong arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mining": "semihard"}, r"mining 'semihard' is not known \(did you mean 'semi-hard'\?\)"),
        ({"reduction": "mean"}, "reduction 'mean' is not known.*known are active, valid"),
        ({"distance": "manhattan"}, "distance 'manhattan' is not known"),
        ({"margin": 0.0}, r"margin is 0\.0; a number above 0 or soft"),
        ({"margin": math.nan}, "margin is nan"),
        ({"margin": math.inf}, "margin is inf"),
        ({"margin": "hard"}, "margin is 'hard'"),
        ({"mining": "semi-hard", "margin": "soft"}, "semi-hard mining needs a margin that is a number"),
        ({"labels": torch.zeros(4)}, r"labels are torch\.float32; integers"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels are \(3,\) for embeddings of \(4, 2\)"),
    ],
)
def test_a_wrong_argument_is_named(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"labels": torch.tensor([0, 0, 1, 1]), "mining": "batch-all", "margin": 0.2}
    with pytest.raises(FacematchError, match=message) as caught:
        triplet_loss(torch.zeros(4, 2), **{**arguments, **changed})
    assert "Set loss." not in caught.value.hint  # whoever calls it may have no settings file


@pytest.mark.parametrize("mining", ["batch-all", "semi-hard", "batch-hard"])
@given(seed=st.integers(0, 10_000))
def test_across_domains_positives_are_of_another_one_where_there_is_one(mining: Mining, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, domains = rng.integers(0, 3, 9), rng.integers(-1, 2, 9)
    vectors = torch.from_numpy(rng.normal(size=(9, 4)))
    distances = torch.cdist(vectors, vectors).numpy()
    losses = []
    for anchor in range(9):
        positives = [p for p in range(9) if p != anchor and labels[p] == labels[anchor]]
        positives = [p for p in positives if domains[p] != domains[anchor]] or positives
        negatives = [n for n in range(9) if labels[n] != labels[anchor]]
        every = [(distances[anchor, p], distances[anchor, n]) for p in positives for n in negatives]
        if mining == "batch-hard" and every:
            every = [(max(p for p, _ in every), min(n for _, n in every))]
        if mining == "semi-hard":
            every = [(p, n) for p, n in every if p < n < p + 0.5]
        losses += [p - n + 0.5 for p, n in every if p - n + 0.5 > 0]
    given_labels, given_domains = torch.from_numpy(labels), torch.from_numpy(domains)
    found = triplet_loss(vectors, given_labels, mining=mining, margin=0.5, domains=given_domains)
    assert int(found.triplets) == len(losses)
    assert float(found.loss) == pytest.approx(np.mean(losses) if losses else 0, abs=1e-5)


def test_domains_of_another_length_are_refused() -> None:
    with pytest.raises(FacematchError, match=r"domains are \(2,\) for labels of \(3,\)"):
        triplet_loss(
            torch.zeros(3, 2),
            torch.arange(3),
            mining="batch-all",
            margin=0.2,
            domains=torch.zeros(2, dtype=torch.int64),
        )
