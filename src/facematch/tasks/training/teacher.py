"""Distillation: another embedder's embeddings of the training photos, beside what the labels teach."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from facematch.losses.distillation import cosine_distillation, relational_distillation
from facematch.tasks.training.objective import Line, NoObjective, Objective, Value

Kind = Literal["cosine", "relational", "both"]


class TaughtObjective(Objective):
    """Another objective's loss plus `weight` times the distillation loss of the faces the teacher embedded.

    A row of NaN among its embeddings (B×E) is a photo it could not embed, which has no distillation loss; a label
    of −1 is a blend, which is nobody and has no other. Where E is not the network's D, the embeddings are compared
    after a linear projection D → E that is trained beside the network and is no part of it (FitNets' regressor).
    Both kinds together are added. In the first `alone` epochs the labels' objective has no part.
    """

    def __init__(
        self, labels: Objective, wide: int, kind: Kind, weight: float, dimensions: int, alone: int = 0
    ) -> None:
        super().__init__()
        self.labels, self._kind, self._weight, self._alone = labels, kind, weight, alone
        self._nothing = NoObjective()
        projected = kind != "relational" and wide != dimensions
        self.projection = nn.Linear(dimensions, wide, bias=False) if projected else nn.Identity()

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int) -> Value:
        """Return the sum; `teacher_cosine` and `teacher_relation` are the distillation losses by themselves."""
        assert targets is not None
        if epoch <= self._alone:
            value: Value = self._nothing(embeddings, labels, None, epoch)
        else:
            known = labels >= 0
            value = self.labels(embeddings[known], labels[known], None, epoch)
        present = targets.isfinite().all(dim=1)
        teacher = targets.masked_fill(~present[:, None], 0)
        parts: dict[str, Tensor] = {}
        if self._kind != "relational":
            parts["teacher_cosine"] = cosine_distillation(self.projection(embeddings), teacher, present)
        if self._kind != "cosine":
            parts["teacher_relation"] = relational_distillation(embeddings, teacher, present)
        loss = value.loss + self._weight * torch.stack(list(parts.values())).sum()
        return Value(loss, value.diagnostics | {name: part.detach() for name, part in parts.items()})

    @property
    def scorer(self) -> Callable[[Tensor], Tensor] | None:
        """Return that of what learns from the labels."""
        return self.labels.scorer

    def watch(self, line: Line, epoch: int) -> None:
        """Watch for what the labels' objective watches for."""
        if epoch > self._alone:
            self.labels.watch(line, epoch)

    def summary(self, line: Line, epoch: int) -> str:
        """Return the words of the labels' objective and the distillation losses."""
        losses = "  ".join(
            f"{shown} {line[name]:.3f}"
            for name, shown in (("teacher_cosine", "teacher 1−cos"), ("teacher_relation", "relations"))
            if name in line
        )
        return f"{(self._nothing if epoch <= self._alone else self.labels).summary(line, epoch)}  {losses}"
