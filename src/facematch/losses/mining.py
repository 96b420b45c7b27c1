"""Which triplets of a batch count, and how much each distance weighs in their loss: pure, no gradient.

Summed over triplets (anchor a, positive p, negative n), a loss that is piecewise linear in the distances
D equals `(weights * D).sum() + offset`, where `weights[a, p]` is the number of counted negatives of that
pair and `weights[a, n]` minus the number of counted positives. Both come from sorting each row, so
B×B numbers suffice for the exact value and gradient of the B³ triplets. For the soft margin the weights
are the derivatives of the loss, and `offset` completes its value.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Mining = Literal["batch-all", "semi-hard", "batch-hard"]
Margin = float | Literal["soft"]

_FEW = 16  # positives of an anchor

# Beyond this softplus(x) is x to the last bit of a float64.
_SOFTPLUS_IS_LINEAR = 40.0


@dataclass(frozen=True)
class Pairs:
    """The pairs of a batch, as B×B masks over (anchor, other): same identity, or another one."""

    positive: Tensor  # bool, an anchor is not its own positive
    negative: Tensor  # bool


@dataclass(frozen=True, eq=False)
class Mined:
    """What one mining counts. Scalars are tensors, so that nothing waits for the device."""

    weights: Tensor  # B×B: the derivative of the summed loss by each distance
    offset: Tensor  # the summed loss is (weights * distances).sum() + offset
    candidates: Tensor  # int64: triplets offered (batch-hard: one for each anchor that has both sides)
    active: Tensor  # int64: those of them with a loss > 0
    active_share: Tensor  # of all valid triplets (batch-hard: of the anchors), those with a loss > 0


def pairs_of(labels: Tensor) -> Pairs:
    """Return the positive and negative pairs of B integer labels, compared as integers."""
    same = labels[:, None] == labels[None, :]  # B×B
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return Pairs(same & ~itself, ~same)


@torch.no_grad()
def mine(distances: Tensor, pairs: Pairs, mining: Mining, margin: Margin) -> Mined:
    """Apply one mining to B×B `distances`; semi-hard needs a margin that is a number."""
    if mining == "batch-hard" and len(distances):  # nothing is hardest in an empty batch; it has no triplets
        return batch_hard(distances, pairs, margin)
    if margin == "soft":
        return batch_all_soft(distances, pairs)
    return batch_all(distances, pairs, margin) if mining == "batch-all" else semi_hard(distances, pairs, margin)


@torch.no_grad()
def batch_all(distances: Tensor, pairs: Pairs, margin: float) -> Mined:
    """Every valid triplet, loss max(0, d_ap − d_an + margin)."""
    weights, active = _nearer(distances, pairs, margin)
    valid = _valid(pairs)
    return Mined(weights, margin * active.to(distances.dtype), valid, active, _share(active, valid))


@torch.no_grad()
def semi_hard(distances: Tensor, pairs: Pairs, margin: float) -> Mined:
    """Triplets with d_ap < d_an < d_ap + margin, all of them (Schroff et al. 2015, section 3.2)."""
    every, active = _nearer(distances, pairs, margin)
    too_hard, violating = _nearer(distances, pairs, None)
    count = active - violating
    return Mined(every - too_hard, margin * count.to(distances.dtype), count, count, _share(active, _valid(pairs)))


@torch.no_grad()
def batch_hard(distances: Tensor, pairs: Pairs, margin: Margin) -> Mined:
    """For each anchor its farthest positive and nearest negative (Hermans et al. 2017, equation 5)."""
    anchors = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)  # B
    # `argmax` of an empty row points anywhere; such anchors weigh nothing.
    farthest = distances.masked_fill(~pairs.positive, -torch.inf).argmax(dim=1, keepdim=True)  # B×1
    nearest = distances.masked_fill(~pairs.negative, torch.inf).argmin(dim=1, keepdim=True)
    d_ap, d_an = distances.gather(1, farthest).squeeze(1), distances.gather(1, nearest).squeeze(1)
    if margin == "soft":
        losses, slopes = _softplus(d_ap - d_an) * anchors, torch.sigmoid(d_ap - d_an) * anchors
        active = anchors
    else:
        active = anchors & (d_an < d_ap + margin)
        losses, slopes = (d_ap - d_an + margin) * active, active.to(distances.dtype)
    weights = torch.zeros_like(distances)
    weights.scatter_add_(1, farthest, slopes[:, None]).scatter_add_(1, nearest, -slopes[:, None])
    offset = losses.sum() - (slopes * (d_ap - d_an)).sum()
    return Mined(weights, offset, anchors.sum(), active.sum(), _share(active.sum(), anchors.sum()))


@torch.no_grad()
def batch_all_soft(distances: Tensor, pairs: Pairs) -> Mined:
    """Every valid triplet, loss ln(1 + exp(d_ap − d_an)), which is never 0.

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


def _nearer(distances: Tensor, pairs: Pairs, margin: float | None) -> tuple[Tensor, Tensor]:
    # Weights (B×B) and number of the valid triplets with d_an < d_ap + margin, or d_an ≤ d_ap for None.
    return _by_positive(distances, pairs, margin) or _by_sorting(distances, pairs, margin)


def _by_positive(distances: Tensor, pairs: Pairs, margin: float | None) -> tuple[Tensor, Tensor] | None:
    # By one comparison of B×B numbers for each positive that an anchor has: for few of them, and
    # on the CPU only, since how many they are is read from the device.
    slots = int(pairs.positive.sum(dim=1).max()) if distances.device.type == "cpu" and len(distances) else 0
    if not 0 < slots <= _FEW:
        return None
    there, positives = pairs.positive.to(torch.uint8).topk(slots, dim=1)  # B×slots
    positives = torch.where(there > 0, positives, torch.arange(len(distances))[:, None])  # itself, where there is none
    bounds = distances.gather(1, positives) + (0 if margin is None else margin)
    bounds = bounds.masked_fill(there == 0, -torch.inf)
    negatives = distances.clone().scatter_(1, positives, torch.inf).fill_diagonal_(torch.inf)
    above = torch.zeros(distances.shape, dtype=torch.uint8)
    below = torch.zeros_like(bounds)
    for slot in range(slots):
        bound = bounds[:, slot, None]
        counted = negatives <= bound if margin is None else negatives < bound
        above += counted
        below[:, slot] = counted.sum(dim=1)
    weights = above.float().to(distances.dtype).neg_()  # straight to float64 takes twenty times as long
    return weights.scatter_add_(1, positives, below), below.sum().long()


def _by_sorting(distances: Tensor, pairs: Pairs, margin: float | None) -> tuple[Tensor, Tensor]:
    # Both sides compare the same numbers, so that every triplet is counted in both or in neither.
    bounds = distances if margin is None else distances + margin
    negatives = distances.masked_fill(~pairs.negative, torch.inf).sort(dim=1).values
    positives = bounds.masked_fill(~pairs.positive, -torch.inf).sort(dim=1).values
    equal_counts = margin is None
    below = torch.searchsorted(negatives, bounds.contiguous(), right=equal_counts)
    above = len(distances) - torch.searchsorted(positives, distances.contiguous(), right=not equal_counts)
    below, above = below * pairs.positive, above * pairs.negative
    return (below - above).to(distances.dtype), below.sum()


def _valid(pairs: Pairs) -> Tensor:
    return (pairs.positive.sum(dim=1) * pairs.negative.sum(dim=1)).sum()


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return part / whole.clamp(min=1)


def _softplus(x: Tensor) -> Tensor:
    return functional.softplus(x, threshold=_SOFTPLUS_IS_LINEAR)
