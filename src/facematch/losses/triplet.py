"""The triplet loss of a batch, exact and in O(B²) memory, with diagnostics of whether it learns."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from facematch.core.errors import FacematchError
from facematch.losses.distances import Distance, pairwise_distances, require_known, working_dtype
from facematch.losses.mining import Margin, Mining, mine, pairs_of

Reduction = Literal["active", "valid"]


@dataclass(frozen=True, eq=False)
class TripletResult:
    """A batch's loss and its diagnostics, as scalar tensors on the embeddings' device.

    Only `loss` carries a gradient. Reading a diagnostic (`.item()`) waits for the device; making one
    does not. Everything is 0 where it has nothing to measure.
    """

    loss: Tensor  # float32
    triplets: Tensor  # int64: triplets (batch-hard: anchors) that entered the mean
    active_share: Tensor  # of all valid triplets (batch-hard: of the anchors), those with a loss > 0
    mean_positive: Tensor  # mean distance of the anchors to their positives
    mean_negative: Tensor  # mean distance of two photos of different identities
    spread: Tensor  # std·√D / mean norm: 1 for well spread unit embeddings, 0 when all are equal


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    mining: Mining,
    margin: Margin,
    distance: Distance = "euclidean",
    reduction: Reduction = "active",
    domains: Tensor | None = None,
) -> TripletResult:
    """Return the triplet loss of B×D `embeddings` (any floating type) with B integer `labels`.

    A valid triplet is an anchor a, a positive p ≠ a of its identity and a negative n of another; its
    loss is max(0, d_ap − d_an + margin), or softplus(d_ap − d_an) with margin `soft`. Mining:

    - `batch-all`: every valid triplet.
    - `semi-hard`: those with d_ap < d_an < d_ap + margin, all of them (Schroff et al. 2015).
    - `batch-hard`: for each anchor its farthest positive and nearest negative (Hermans et al. 2017).

    The loss is the mean over the mined triplets with a loss > 0 (`active`) or over all of them (`valid`);
    the two are the same for semi-hard and for the soft margin, whose loss is never 0. Without any, the
    loss is 0 and so is its gradient. A NaN embedding makes the loss NaN. First derivatives only.

    With `domains`, B integers, triplets are mined across them: an anchor that has positives of other domains in the
    batch has no others, so that a photograph and a drawing of a person are brought together before two photographs.

    Raises FacematchError for shapes that do not fit, labels that are not integers, unknown names, a
    margin that is not positive and a soft margin with semi-hard.
    """
    _check(embeddings, labels)
    check_choices(mining, margin, reduction)
    if domains is not None and domains.shape != labels.shape:
        raise FacematchError(f"domains are {tuple(domains.shape)} for labels of {tuple(labels.shape)}.")
    distances = pairwise_distances(embeddings, distance)  # B×B
    pairs = pairs_of(labels, domains)
    mined = mine(distances.detach(), pairs, mining, margin)
    entered = mined.active if reduction == "active" else mined.candidates
    total = (mined.weights * distances).sum(dtype=working_dtype(embeddings.device)) + mined.offset
    apart, same = distances.detach(), pairs.positive.view(torch.uint8)
    of_positives = (apart * same).sum()
    return TripletResult(
        loss=(total / entered.clamp(min=1)).float(),
        triplets=entered,
        active_share=mined.active_share.float(),
        mean_positive=of_positives / same.sum().clamp(min=1),
        mean_negative=(apart.sum() - of_positives) / pairs.negative.view(torch.uint8).sum().clamp(min=1),
        spread=spread(embeddings),
    )


@torch.no_grad()
def spread(embeddings: Tensor) -> Tensor:
    """Return how far B×D embeddings fill their space: 0 when all are equal, about 1 when spread evenly.

    The standard deviation over the batch, averaged over the dimensions, times √D and divided by the mean
    norm (Chen and He 2021, section 4.1, watch std against 1/√D in the same way). 0 for an empty batch.
    """
    count, dimensions = embeddings.shape
    if not count or not dimensions:
        return torch.zeros((), device=embeddings.device)
    x = embeddings.to(working_dtype(embeddings.device))
    norm = x.square().sum(dim=1).sqrt().mean()
    deviation = (x - x.mean(dim=0)).square().mean(dim=0).sqrt().mean() * math.sqrt(dimensions)
    return (deviation / norm.masked_fill(norm == 0, 1)).float()


def quantisation_penalty(values: Tensor) -> Tensor:
    """Return the mean of (1 − |v|)² over B×D `values` between −1 and 1, a scalar from 0 to 1.

    The squared distance of each value to its sign, averaged: the quantisation error of deep hashing (Li, Wang
    and Kang, Feature learning based deep supervised hashing with pairwise labels, IJCAI 2016, equation 5),
    divided by the number of values so that its weight does not depend on the code size. The gradient at 0, where
    the sign is a convention, is 0.
    """
    return (1 - values.float().abs()).square().mean()


def _check(embeddings: Tensor, labels: Tensor) -> None:
    if labels.shape != embeddings.shape[:1]:
        raise FacematchError(
            f"labels are {tuple(labels.shape)} for embeddings of {tuple(embeddings.shape)}; "
            "one label for each row is needed."
        )
    if labels.is_floating_point() or labels.is_complex():
        raise FacematchError(
            f"labels are {labels.dtype}; integers are needed.",
            "Number the identities: a float32 cannot hold whole numbers above 16,777,216.",
        )


def check_choices(mining: str, margin: float | str, reduction: str) -> None:
    """Raise FacematchError for choices that are not known, or do not go together."""
    require_known("mining", mining, get_args(Mining))
    require_known("reduction", reduction, get_args(Reduction))
    if margin == "soft":
        if mining == "semi-hard":
            raise FacematchError(
                "semi-hard mining needs a margin that is a number; a soft margin has no end.",
                "Give a margin such as 0.2, or mining batch-hard or batch-all (in a file: loss.margin, loss.mining).",
            )
    elif isinstance(margin, str) or not 0 < margin < math.inf:
        raise FacematchError(
            f"margin is {margin!r}; a number above 0 or soft is needed.", "In a settings file it is loss.margin."
        )
