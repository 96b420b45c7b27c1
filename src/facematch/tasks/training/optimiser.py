"""The optimiser: one learning rate for the backbone, one for everything that is new; and how both change over a run."""

import math
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


def learning_rate(training: TrainingSettings, base: float, step: int, epochs_done: float, per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0, where the settings' rate is `base`.

    Schedules count steps; epochs may differ by a batch or two, so steps come from `epochs_done` of about `per_epoch`
    steps, but for `inverse-sqrt`, which is published in updates. The first steps, `warmup_epochs` or `warmup_updates`,
    rise in a line, (step + 1) / warmup, so that the first is not lost; then follows

    - `constant`: `base`;
    - `step`: times `step_factor` for each whole `step_epochs` since the start of the run, warm-up included, so that
      "every 5 epochs" means epochs 5, 10, …;
    - `cosine`: half a cosine from `base` after the warm-up to 0 at the end of the run (Loshchilov and Hutter 2017,
      equation 5, without restarts), and 0 beyond it;
    - `inverse-sqrt`: times √(warmup / step), which meets the warm-up at 1 (Vaswani et al. 2017, equation 3); without
      warm-up 1 / √step. Its warm-up is that of AdamInverseSqrtWithWarmup (fairseq, XLM): in a line from `warmup_from`
      at step 0 to `base` at the last of its steps.
    """
    updates = training.warmup_updates
    warmup = round(training.warmup_epochs * per_epoch) if updates is None else updates
    if training.schedule == "inverse-sqrt":
        first = training.warmup_from / base if base else 0.0
        rising = step < warmup
        return base * (first + step * (1 - first) / warmup if rising else math.sqrt(max(1, warmup) / max(1, step)))
    step = round(epochs_done * per_epoch)
    if step < warmup:
        return base * ((step + 1) / warmup)
    if training.schedule == "step":
        return base * float(training.step_factor ** (step // (training.step_epochs * per_epoch)))
    if training.schedule == "cosine":
        progress = (step - warmup) / max(1, training.epochs * per_epoch - warmup)
        return base * ((1 + math.cos(math.pi * min(1.0, progress))) / 2)
    return base
