"""The optimiser: one learning rate for the backbone, one for everything that is new."""

from typing import Any

import torch
from torch import nn

from facematch.networks.embedding import EmbeddingNetwork
from facematch.settings import TrainingSettings


def build_optimiser(
    network: EmbeddingNetwork, classifier: nn.Module | None, training: TrainingSettings
) -> torch.optim.Optimizer:
    """Return Adam or AdamW with one learning rate for the backbone and one for the embedding."""
    head = [*network.head.parameters(), *(classifier.parameters() if classifier is not None else ())]
    backbone = [parameter for parameter in network.backbone.parameters() if parameter.requires_grad]
    rates = training.learning_rate
    groups: list[dict[str, Any]] = [{"params": head, "lr": rates.head, "base_lr": rates.head}]
    if backbone:
        groups.insert(0, {"params": backbone, "lr": rates.backbone, "base_lr": rates.backbone})
    kind = torch.optim.AdamW if training.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, weight_decay=training.weight_decay, betas=training.betas)
