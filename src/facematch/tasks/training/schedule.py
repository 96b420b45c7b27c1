"""The learning rate over a run, as a factor of the one in the settings."""

import math
from typing import Literal

Schedule = Literal["constant", "step", "cosine", "inverse-sqrt"]


def learning_rate_factor(
    kind: Schedule,
    step: int,
    *,
    total_steps: int,
    warmup_steps: int,
    step_size: int,
    step_factor: float,
    warmup_from: float = 0.0,
) -> float:
    """Return what the learning rate of a step, counted from 0, is multiplied by.

    The first `warmup_steps` rise in a line, (step + 1) / warmup_steps, so that the first is not lost;
    then follows

    - `constant`: 1;
    - `step`: `step_factor` for each whole `step_size` steps since the start of the run, warm-up
      included, so that "every 5 epochs" means epochs 5, 10, …;
    - `cosine`: half a cosine from 1 after the warm-up to 0 at `total_steps` (Loshchilov and Hutter 2017,
      equation 5, without restarts), and 0 beyond it;
    - `inverse-sqrt`: √(warmup_steps / step), which meets the warm-up at 1 (Vaswani et al. 2017, equation 3);
      without warm-up 1 / √step. Its warm-up is that of AdamInverseSqrtWithWarmup (fairseq, XLM): in a line
      from `warmup_from` at step 0 to 1 at step `warmup_steps`.
    """
    if kind == "inverse-sqrt":
        if step < warmup_steps:
            return warmup_from + step * (1 - warmup_from) / warmup_steps
        return math.sqrt(max(1, warmup_steps) / max(1, step))
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if kind == "step":
        return float(step_factor ** (step // step_size))
    if kind == "cosine":
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return 1.0
