"""Which triplets of a batch count, and how much each distance weighs in their loss: pure, no gradient.

Summed over triplets (anchor a, positive p, negative n), a loss that is piecewise linear in the distances
D equals `(weights * D).sum() + offset`, where `weights[a, p]` is the number of counted negatives of that
pair and `weights[a, n]` minus the number of counted positives. Both come from sorting each row, so
B×B numbers suffice for the exact value and gradient of the B³ triplets. For the soft margin the weights
are the derivatives of the loss, and `offset` completes its value.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from facematch.losses.distances import working_dtype

Mining = Literal["batch-all", "semi-hard", "batch-hard"]
Margin = float | Literal["soft"]

_FEW = 16  # positives of an anchor

# Beyond this softplus(x) is x to the last bit of a float64.
_SOFTPLUS_IS_LINEAR = 40.0


@dataclass(frozen=True)
class Pairs:
    """The pairs of a batch, as B×B masks over (anchor, other): same identity, or another one."""

    positive: Tensor  # bool, an anchor is not its own positive; where domains count, an anchor's may lack its own
    negative: Tensor  # bool


@dataclass(frozen=True, eq=False)
class Mined:
    """What one mining counts. Scalars are tensors, so that nothing waits for the device."""

    weights: Tensor  # B×B: the derivative of the summed loss by each distance
    offset: Tensor  # the summed loss is (weights * distances).sum() + offset
    candidates: Tensor  # int64: triplets offered (batch-hard: one for each anchor that has both sides)
    active: Tensor  # int64: those of them with a loss > 0
    active_share: Tensor  # of all valid triplets (batch-hard: of the anchors), those with a loss > 0


def pairs_of(labels: Tensor, domains: Tensor | None = None) -> Pairs:
    """Return the positive and negative pairs of B integer labels, compared as integers.

    With `domains`, B integers, the positives of an anchor are those of other domains than its own, where it has any.
    """
    same = labels[:, None] == labels[None, :]  # B×B
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = same & ~itself
    if domains is not None:
        across = positive & (domains[:, None] != domains[None, :])
        positive = torch.where(across.any(dim=1, keepdim=True), across, positive)
    return Pairs(positive, ~same)


@torch.no_grad()
def mine(distances: Tensor, pairs: Pairs, mining: Mining, margin: Margin) -> Mined:
    """Apply one mining to B×B `distances`; semi-hard needs a margin that is a number."""
    if mining == "batch-hard" and len(distances):  # nothing is hardest in an empty batch; it has no triplets
        return batch_hard(distances, pairs, margin)
    if margin == "soft":
        return batch_all_soft(distances.to(working_dtype(distances.device)), pairs)
    return batch_all(distances, pairs, margin) if mining == "batch-all" else semi_hard(distances, pairs, margin)


@torch.no_grad()
def batch_all(distances: Tensor, pairs: Pairs, margin: float) -> Mined:
    """Every valid triplet of a B×B distance matrix, loss max(0, d_ap − d_an + margin)."""
    ((weights, active),) = _nearer(distances, pairs, margin)
    valid = _valid(pairs)
    return Mined(weights, margin * active.to(working_dtype(active.device)), valid, active, _share(active, valid))


@torch.no_grad()
def semi_hard(distances: Tensor, pairs: Pairs, margin: float) -> Mined:
    """Triplets of a B×B matrix with d_ap < d_an < d_ap + margin, all of them (Schroff et al. 2015, section 3.2)."""
    (every, active), (too_hard, violating) = _nearer(distances, pairs, margin, None)
    count = active - violating
    offset = margin * count.to(working_dtype(count.device))
    return Mined(every - too_hard, offset, count, count, _share(active, _valid(pairs)))


@torch.no_grad()
def batch_hard(distances: Tensor, pairs: Pairs, margin: Margin) -> Mined:
    """For each of B anchors its farthest positive and nearest negative (Hermans et al. 2017, equation 5)."""
    anchors = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)  # B
    # `argmax` of an empty row points anywhere; such anchors weigh nothing.
    farthest = distances.masked_fill(~pairs.positive, -torch.inf).argmax(dim=1, keepdim=True)  # B×1
    nearest = distances.masked_fill(~pairs.negative, torch.inf).argmin(dim=1, keepdim=True)
    exact = working_dtype(distances.device)
    d_ap, d_an = (distances.gather(1, place).squeeze(1).to(exact) for place in (farthest, nearest))
    if margin == "soft":
        losses, slopes = _softplus(d_ap - d_an) * anchors, torch.sigmoid(d_ap - d_an) * anchors
        active = anchors
    else:
        active = anchors & (d_an < d_ap + margin)
        losses, slopes = (d_ap - d_an + margin) * active, active.to(exact)
    weights = torch.zeros(distances.shape, dtype=exact, device=distances.device)
    weights.scatter_add_(1, farthest, slopes[:, None]).scatter_add_(1, nearest, -slopes[:, None])
    offset = losses.sum() - (slopes * (d_ap - d_an)).sum()
    return Mined(weights, offset, anchors.sum(), active.sum(), _share(active.sum(), anchors.sum()))


@torch.no_grad()
def batch_all_soft(distances: Tensor, pairs: Pairs) -> Mined:
    """Every valid triplet of a B×B distance matrix, loss ln(1 + exp(d_ap − d_an)), which is never 0.

    One pass over B×B numbers for each positive that the largest identity gives an anchor. How many
    that are is read from the device: the one place where it is waited for.
    """
    rows = torch.arange(len(distances), device=distances.device)
    positives = pairs.positive.sum(dim=1)  # B
    slots = int(positives.max()) if len(positives) else 0
    order = pairs.positive.to(torch.int8).argsort(dim=1, descending=True)  # an anchor's positives first
    weights = torch.zeros_like(distances)
    total = distances.new_zeros(())
    for slot in range(slots):
        positive = order[:, slot]  # B
        counted = pairs.negative & (slot < positives)[:, None]  # B×B
        gap = distances[rows, positive][:, None] - distances
        slopes = torch.sigmoid(gap) * counted
        total += (_softplus(gap) * counted).sum()
        weights -= slopes
        weights[rows, positive] += slopes.sum(dim=1)
    valid = _valid(pairs)
    return Mined(weights, total - (weights * distances).sum(), valid, valid, _share(valid, valid))


def _nearer(distances: Tensor, pairs: Pairs, *margins: float | None) -> Iterator[tuple[Tensor, Tensor]]:
    # For each margin weights (B×B) and number of the valid triplets with d_an < d_ap + margin, or d_an ≤ d_ap for None.
    if slots := _slots(pairs):
        return _by_positive(distances, pairs, slots, margins)
    return (_by_sorting(distances, pairs, margin) for margin in margins)


def _slots(pairs: Pairs) -> int:
    # The most positives that an anchor has, where they are so few that comparing each is quicker than sorting. Read on
    # the CPU only: another device would be waited for.
    if pairs.positive.device.type != "cpu" or not len(pairs.positive):
        return 0
    most = int(_counts(pairs.positive).max())
    return most if most <= _FEW else 0


def _by_positive(
    distances: Tensor, pairs: Pairs, slots: int, margins: Sequence[float | None]
) -> Iterator[tuple[Tensor, Tensor]]:
    # By one comparison of B×B numbers for each of the `slots` positives that an anchor has at most.
    there, positives = pairs.positive.view(torch.uint8).topk(slots, dim=1)  # B×slots
    positives = torch.where(there > 0, positives, torch.arange(len(distances))[:, None])  # itself, where there is none
    negatives = distances.masked_fill(~pairs.negative, torch.inf)
    counted = torch.empty_like(distances)  # 1 or 0: counts are exact in float32, and truth values are slow to add up
    for margin in margins:
        bounds = _bounds(distances.gather(1, positives), margin).masked_fill(there == 0, -torch.inf)
        below, above = torch.empty_like(bounds), torch.zeros_like(distances)
        for slot in range(slots):
            compare = torch.le if margin is None else torch.lt
            above += compare(negatives, bounds[:, slot, None], out=counted)
            below[:, slot] = counted.sum(dim=1)
        yield above.neg_().scatter_add_(1, positives, below), below.double().sum().long()


def _by_sorting(distances: Tensor, pairs: Pairs, margin: float | None) -> tuple[Tensor, Tensor]:
    # Both sides compare the same numbers, so that every triplet is counted in both or in neither.
    bounds = _bounds(distances, margin)
    negatives = distances.masked_fill(~pairs.negative, torch.inf).sort(dim=1).values
    positives = bounds.masked_fill(~pairs.positive, -torch.inf).sort(dim=1).values
    equal_counts = margin is None
    below = torch.searchsorted(negatives, bounds.contiguous(), right=equal_counts)
    above = len(distances) - torch.searchsorted(positives, distances.contiguous(), right=not equal_counts)
    below, above = below * pairs.positive, above * pairs.negative
    return (below - above).float(), below.sum()


def _bounds(positives: Tensor, margin: float | None) -> Tensor:
    # What a negative lies below (for None: not above) to count, in the type of the distances: d_an < d_ap + margin,
    # summed in float64, holds of the same float32 numbers as d_an < the least float32 that is not below that sum.
    if margin is None:
        return positives
    exact = positives.to(working_dtype(positives.device)) + margin
    if exact.dtype == positives.dtype:
        return exact
    rounded = exact.to(positives.dtype)
    return torch.where(rounded < exact, rounded.nextafter(rounded.new_tensor(torch.inf)), rounded)


def _valid(pairs: Pairs) -> Tensor:
    return (_counts(pairs.positive) * _counts(pairs.negative)).sum()


def _counts(mask: Tensor) -> Tensor:
    # How many of each row of truth values are true, int64: read as bytes, which is three times as fast.
    return mask.view(torch.uint8).sum(dim=1, dtype=torch.int32).long()


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return part / whole.clamp(min=1)


def _softplus(x: Tensor) -> Tensor:
    return functional.softplus(x, threshold=_SOFTPLUS_IS_LINEAR)
