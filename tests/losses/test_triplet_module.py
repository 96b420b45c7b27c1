"""The loss as a module: the same value as the function, and with miners the mean of plain loops over their triplets."""

import pytest
import torch
from pytorch_metric_learning.miners import BatchEasyHardMiner, TripletMarginMiner
from torch import Tensor, nn

from facematch.core.errors import FacematchError
from facematch.losses import TripletLoss, triplet_loss


def batch(seed: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.randn(12, 5, requires_grad=True), torch.arange(12) // 3


@pytest.mark.parametrize("mining", ["semi-hard", "batch-hard", "batch-all"])
def test_it_is_the_function_with_its_diagnostics_beside_it(mining: str) -> None:
    vectors, labels = batch(1)
    loss = TripletLoss(0.5, mining)  # type: ignore[arg-type]
    assert loss.diagnostics is None
    value = loss(vectors, labels)
    expected = triplet_loss(vectors, labels, mining=mining, margin=0.5)  # type: ignore[arg-type]
    assert value.shape == ()
    assert value == expected.loss
    assert loss.diagnostics is not None
    assert loss.diagnostics.triplets == expected.triplets
    (given,) = torch.autograd.grad(value, vectors)
    torch.testing.assert_close(given, torch.autograd.grad(expected.loss, vectors)[0])


@pytest.mark.parametrize("margin", [0.3, "soft"])
@pytest.mark.parametrize("reduction", ["active", "valid"])
def test_triplets_and_pairs_of_a_miner_are_averaged(margin: float, reduction: str) -> None:
    vectors, labels = batch(2)
    loss = TripletLoss(margin, "batch-hard", reduction=reduction)  # type: ignore[arg-type]
    triplets = TripletMarginMiner(margin=1.0, type_of_triplets="all")(vectors, labels)
    pairs = BatchEasyHardMiner(pos_strategy="all", neg_strategy="hard")(vectors, labels)
    anchors, positives, others, negatives = (each.tolist() for each in pairs)
    of_pairs = [
        (a, p, n)
        for a, p in zip(anchors, positives, strict=True)
        for b, n in zip(others, negatives, strict=True)
        if a == b
    ]
    of_triplets = list(zip(*(each.tolist() for each in triplets), strict=True))
    for given, listed in ((triplets, of_triplets), (pairs, of_pairs)):
        found = []
        for a, p, n in listed:
            apart = (vectors[a] - vectors[p]).norm() - (vectors[a] - vectors[n]).norm()
            found.append(torch.log1p(apart.exp()) if margin == "soft" else (apart + margin).clamp(min=0))
        every = torch.stack(found)
        expected = every.mean() if reduction == "valid" else every.sum() / (every > 0).sum()
        value = loss(vectors, labels, given)
        torch.testing.assert_close(value, expected)
        assert loss.diagnostics is None
        (gradient,) = torch.autograd.grad(value, vectors, retain_graph=True)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, vectors, retain_graph=True)[0])


def test_no_triplet_is_no_loss_and_no_gradient() -> None:
    vectors, labels = batch(3)
    none = (torch.tensor([], dtype=torch.long),) * 3
    value = TripletLoss()(vectors, labels, none)
    value.backward()  # type: ignore[no-untyped-call]
    assert value == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


def test_a_loop_learns_with_it() -> None:
    torch.manual_seed(0)
    people = torch.arange(40) // 4
    photos = torch.randn(10, 8)[people] + 0.5 * torch.randn(40, 8)
    network, loss = nn.Linear(8, 4), TripletLoss(mining="batch-hard")
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    values = []
    for _ in range(60):
        optimiser.zero_grad()
        value = loss(nn.functional.normalize(network(photos)), people)
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]


def test_choices_that_are_not_known_are_named_when_it_is_made() -> None:
    with pytest.raises(FacematchError, match="mining 'hard'"):
        TripletLoss(mining="hard")  # type: ignore[arg-type]
    with pytest.raises(FacematchError, match="margin is -1"):
        TripletLoss(-1)
    vectors, labels = batch(4)
    with pytest.raises(FacematchError, match="2 tensors; 3 for triplets or 4 for pairs"):
        TripletLoss()(vectors, labels, (labels, labels))
    assert repr(TripletLoss(0.3)) == (
        "TripletLoss(margin=0.3, mining='semi-hard', distance='euclidean', reduction='active')"
    )
