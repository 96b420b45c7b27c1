"""How a learning rate changes over a run."""

import math

from facematch.settings.training import TrainingSettings


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
