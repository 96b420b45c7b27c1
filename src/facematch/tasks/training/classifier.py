"""People as classes: a cosine classifier over embeddings, for warming up and beside the triplet loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class CosineClassifier(nn.Module):
    """Logits N×P: `scale` times the cosine between an embedding and each person's weight vector.

    Normalised softmax (Wang et al. 2017, NormFace), so what it teaches is what a ranking by angle uses.
    """

    def __init__(self, embedding: int, people: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(people, embedding) / embedding**0.5)
        self.scale = scale

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the logits of N×D embeddings."""
        return self.scale * functional.linear(
            functional.normalize(embeddings, dim=1), functional.normalize(self.weight, dim=1)
        )
