"""A loss: a module that takes embeddings and labels. `people` and `dimensions` are given to one that asks for them."""

import torch
from torch import Tensor, nn


class Contrastive(nn.Module):
    """Contrastive loss (Hadsell, Chopra & LeCun 2006): d² of two photos of one person, (margin − d)₊² of two people."""

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over all pairs of B×D embeddings, a scalar."""
        first, second = torch.triu_indices(len(labels), len(labels), offset=1)
        distances = (embeddings[first] - embeddings[second] + 1e-8).norm(dim=1)
        same = labels[first] == labels[second]
        return torch.where(same, distances**2, (self.margin - distances).clamp(min=0) ** 2).mean()
