"""The triplet loss as a module of PyTorch, for any loop and with the miners of pytorch-metric-learning."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from facematch.core.errors import FacematchError
from facematch.losses.distances import Distance, pairwise_distances, working_dtype
from facematch.losses.mining import Margin, Mining
from facematch.losses.triplet import Reduction, TripletResult, check_choices, triplet_loss


class TripletLoss(nn.Module):
    """The triplet loss of a batch, `loss(embeddings, labels)`: a scalar, over all valid triplets without listing them.

    `mining` (`semi-hard`, `batch-hard`, `batch-all`), `margin` (a number, or `soft`), `distance` and `reduction` are
    those of `triplet_loss`. `diagnostics` is its whole answer for the last batch: triplets, share of active ones, mean
    distances, spread; None before the first, and after a batch whose triplets were given. Raises FacematchError for
    choices that are not known.

    >>> loss = TripletLoss(margin=0.2, mining="batch-hard")
    >>> vectors = torch.tensor([[0.0], [0.1], [0.2], [1.0]], requires_grad=True)
    >>> value = loss(vectors, torch.tensor([0, 0, 1, 1]))
    >>> value.backward()
    >>> f"{value:.3f}"
    '0.325'
    """

    def __init__(
        self,
        margin: Margin = 0.2,
        mining: Mining = "semi-hard",
        distance: Distance = "euclidean",
        reduction: Reduction = "active",
    ) -> None:
        super().__init__()
        check_choices(mining, margin, reduction)
        self.margin, self.mining, self.distance, self.reduction = margin, mining, distance, reduction
        self.diagnostics: TripletResult | None = None

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: tuple[Tensor, ...] | None = None) -> Tensor:
        """Return the loss of B×D embeddings with B integer labels.

        `indices_tuple` is what a miner of pytorch-metric-learning returns: rows of anchors, positives and negatives,
        or of pairs, (anchors, positives, anchors, negatives), of which each makes a triplet with each of its anchor's.
        The mean is over these, with the same margin. Raises FacematchError as `triplet_loss`.
        """
        if indices_tuple is None:
            self.diagnostics = triplet_loss(
                embeddings,
                labels,
                mining=self.mining,
                margin=self.margin,
                distance=self.distance,
                reduction=self.reduction,
            )
            return self.diagnostics.loss
        self.diagnostics = None
        return self._of_triplets(embeddings, _triplets(indices_tuple))

    def extra_repr(self) -> str:
        """Return the choices, as `print` shows a module."""
        return (
            f"margin={self.margin!r}, mining={self.mining!r}, distance={self.distance!r}, reduction={self.reduction!r}"
        )

    def _of_triplets(self, embeddings: Tensor, triplets: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        anchor, positive, negative = triplets
        distances = pairwise_distances(embeddings, self.distance)
        apart = (distances[anchor, positive] - distances[anchor, negative]).to(working_dtype(embeddings.device))
        losses = functional.softplus(apart) if isinstance(self.margin, str) else (apart + self.margin).clamp(min=0)
        count = (losses > 0).sum() if self.reduction == "active" else losses.new_tensor(len(losses))
        return (losses.sum() / count.clamp(min=1)).float()


def _triplets(found: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    if len(found) == 3:
        return found[0], found[1], found[2]
    if len(found) != 4:
        raise FacematchError(f"indices_tuple holds {len(found)} tensors; 3 for triplets or 4 for pairs are needed.")
    anchor, positive, other, negative = found
    pair, with_negative = torch.where(anchor[:, None] == other[None, :])
    return anchor[pair], positive[pair], negative[with_negative]
