"""The optimiser: one learning rate for the backbone, one for everything that is new."""

from typing import Any

import torch
from torch import nn

from facematch.core.errors import FacematchError
from facematch.networks.embedding import EmbeddingNetwork
from facematch.settings.training import TrainingSettings


def build_optimiser(
    network: EmbeddingNetwork, objective: nn.Module | None, training: TrainingSettings
) -> torch.optim.Optimizer:
    """Return Adam or AdamW with one learning rate for the backbone and one for the head and the objective's weights.

    Raises FacematchError when nothing is left to train.
    """
    backbone = [parameter for parameter in network.backbone.parameters() if parameter.requires_grad]
    head = [*network.head.parameters(), *(objective.parameters() if objective is not None else ())]
    rates = training.learning_rate
    groups: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "base_lr": rate}
        for parameters, rate in ((backbone, rates.backbone), (head, rates.head))
        if parameters
    ]
    if not groups:
        raise FacematchError("every weight is frozen, so there is nothing to train.", "Shorten network.freeze.")
    kind = torch.optim.AdamW if training.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, weight_decay=training.weight_decay, betas=training.betas)


def load_optimiser(optimiser: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Take over the moments of an optimiser's `state_dict`; its rates come from the settings, as before.

    Raises ValueError where they belong to other weights.
    """
    now = optimiser.state_dict()
    weights = [each for group in optimiser.param_groups for each in group["params"]]
    for number, moments in saved["state"].items():
        shape = weights[number].shape
        if {name: each.shape for name, each in moments.items()} != {"step": (), "exp_avg": shape, "exp_avg_sq": shape}:
            raise ValueError("the optimiser's moments belong to other weights")
    optimiser.load_state_dict({"state": saved["state"], "param_groups": now["param_groups"]})
