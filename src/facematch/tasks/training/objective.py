"""What a network learns from: the value to minimise, and all that is trainable beside the network.

The loop knows nothing of which objective it has. Each is an `nn.Module`, so its parameters are optimised with
the network's head and its state is saved and resumed with the run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facematch.core.kinds import find_kind, make
from facematch.losses.by_name import build_loss
from facematch.losses.distillation import cosine_distillation, relational_distillation
from facematch.losses.mining import Margin
from facematch.losses.triplet import quantisation_penalty, spread, triplet_loss
from facematch.settings.training import LossSettings, TrainingSettings
from facematch.tasks.training.collapse import CollapseGuard, Observation

Line = dict[str, float]
Domains = Tensor | None  # of B faces, as integers, for triplets that are mined across them


@dataclass(frozen=True, eq=False)
class Value:
    """One batch's loss, a scalar with its gradient, and diagnostics, scalars without one, by name."""

    loss: Tensor
    diagnostics: dict[str, Tensor]


class Objective(nn.Module):
    """Takes B×D embeddings, B labels, B×E embeddings of the same by a teacher, or None, the epoch from 1, B domains.

    By itself it learns nothing from the labels, as for a teacher alone.
    """

    def forward(
        self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int, domains: Domains = None
    ) -> Value:
        """Return the value of a batch of B embeddings (B×D), here 0."""
        return Value(embeddings.new_zeros(()), {"spread": spread(embeddings.detach())})

    @property
    def scorer(self) -> Callable[[Tensor], Tensor] | None:
        """Return what gives N×D embeddings the scores N×P of the training people, the largest for whom a photo shows.

        None where it does not classify.
        """
        return None

    def watch(self, line: Line, epoch: int) -> None:
        """Take in the numbers of one step. Raises FacematchError when the run is hopeless."""

    def summary(self, line: Line, epoch: int) -> str:
        """Return the diagnostics of an epoch's last step in a few words."""
        return f"spread {line.get('spread', 0):.2f}"


class CosineClassifier(nn.Module):
    """People as classes: logits N×P, `scale` times the cosine between an embedding and each person's weight vector.

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


class TripletObjective(Objective):
    """The triplet loss; where the settings say so, people are learned as classes first, or beside it.

    A collapse is watched for in epochs of triplets only.
    """

    def __init__(
        self, loss: LossSettings, margin: Margin, guard: CollapseGuard | None, dimensions: int, people: int
    ) -> None:
        super().__init__()
        self._loss, self._margin, self._guard = loss, margin, guard
        self.classifier: CosineClassifier | None = None
        if loss.classifier_epochs or loss.classifier_weight:
            self.classifier = CosineClassifier(dimensions, people, loss.classifier_scale)

    def forward(
        self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int, domains: Domains = None
    ) -> Value:
        """Return the triplet loss of B×D embeddings and its diagnostics, with `cross_entropy` where that counts."""
        settings = self._loss
        triplet = triplet_loss(
            embeddings,
            labels,
            mining=settings.mining_at(epoch),
            margin=self._margin,
            distance=settings.distance,
            reduction=settings.reduction,
            domains=domains if settings.positives == "across" else None,
        )
        loss = triplet.loss
        if settings.quantisation:
            loss = loss + settings.quantisation * quantisation_penalty(embeddings)
        diagnostics = {
            "triplet_loss": triplet.loss.detach(),
            "active_share": triplet.active_share,
            "mean_positive": triplet.mean_positive,
            "mean_negative": triplet.mean_negative,
            "spread": triplet.spread,
        }
        warming = epoch <= settings.classifier_epochs
        if self.classifier is None or not (warming or settings.classifier_weight):
            return Value(loss, diagnostics)
        entropy = functional.cross_entropy(self.classifier(embeddings), labels)
        loss = entropy if warming else loss + settings.classifier_weight * entropy
        return Value(loss, {**diagnostics, "cross_entropy": entropy.detach()})

    def watch(self, line: Line, epoch: int) -> None:
        """Stop a run that has collapsed."""
        if self._guard is not None and epoch > self._loss.classifier_epochs:
            self._guard.observe(Observation(line["triplet_loss"], *(line[name] for name in Observation._fields[1:])))

    def summary(self, line: Line, epoch: int) -> str:
        """Return the share of active triplets and the spread."""
        return f"active {line.get('active_share', 0):.0%}  {super().summary(line, epoch)}"

    def get_extra_state(self) -> Any:
        """Return what the guard has seen."""
        return [] if self._guard is None else self._guard.state()

    def set_extra_state(self, state: Any) -> None:
        """Take over what a guard had seen."""
        if self._guard is not None:
            self._guard.load(state)


class ClassObjective(Objective):
    """Cross-entropy of a linear classifier over the embeddings: softmax regression over the training people.

    With `loss.label_smoothing` ε the target is 1 − ε for the person shown and ε/P for each of the P (Szegedy et al.
    2016, section 7).
    """

    def __init__(self, dimensions: int, people: int, loss: LossSettings) -> None:
        super().__init__()
        self.classifier = nn.Linear(dimensions, people)
        self._smoothing = loss.label_smoothing

    def forward(
        self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int, domains: Domains = None
    ) -> Value:
        """Return the cross-entropy of B×D embeddings; `batch_accuracy` is the share that is classified right."""
        logits = self.classifier(embeddings)
        loss = functional.cross_entropy(logits, labels, label_smoothing=self._smoothing)
        right = (logits.detach().argmax(dim=1) == labels).float().mean()
        return Value(loss, {"batch_accuracy": right, "spread": spread(embeddings.detach())})

    @property
    def scorer(self) -> Callable[[Tensor], Tensor]:
        """Return the classifier."""
        return self.classifier

    def summary(self, line: Line, epoch: int) -> str:
        """Return the accuracy on the batch and the spread."""
        return f"batch accuracy {line.get('batch_accuracy', 0):.0%}  {super().summary(line, epoch)}"


class NamedObjective(Objective):
    """A loss of pytorch-metric-learning or of a plug-in; those that hold a weight for each person classify with it."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int, domains: Domains = None
    ) -> Value:
        """Return the loss of B embeddings (B×D)."""
        return Value(self.loss(embeddings, labels), {"spread": spread(embeddings.detach())})

    @property
    def scorer(self) -> Callable[[Tensor], Tensor] | None:
        """Return the loss's own scores of the people, where it has them."""
        return getattr(self.loss, "get_logits", None)


class TaughtObjective(Objective):
    """Another objective's loss plus `weight` times the distillation loss of the faces the teacher embedded.

    A row of NaN among its embeddings (B×E) is a photo it could not embed, which has no distillation loss; a label
    of −1 is a blend, which is nobody and has no other. Where E is not the network's D, the embeddings are compared
    after a linear projection D → E that is trained beside the network and is no part of it (FitNets' regressor).
    Both kinds together are added. In the first `alone` epochs the labels' objective has no part.
    """

    def __init__(
        self,
        labels: Objective,
        wide: int,
        kind: Literal["cosine", "relational", "both"],
        weight: float,
        dimensions: int,
        alone: int = 0,
    ) -> None:
        super().__init__()
        self.labels, self._kind, self._weight, self._alone = labels, kind, weight, alone
        self._nothing = Objective()
        projected = kind != "relational" and wide != dimensions
        self.projection = nn.Linear(dimensions, wide, bias=False) if projected else nn.Identity()

    def forward(
        self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int, domains: Domains = None
    ) -> Value:
        """Return the sum; `teacher_cosine` and `teacher_relation` are the distillation losses by themselves."""
        assert targets is not None
        if epoch <= self._alone:
            value: Value = self._nothing(embeddings, labels, None, epoch)
        else:
            known = labels >= 0
            value = self.labels(
                embeddings[known], labels[known], None, epoch, None if domains is None else domains[known]
            )
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


def build_objective(
    loss: LossSettings,
    training: TrainingSettings,
    margin: Margin,
    *,
    dimensions: int,
    people: int,
    seed: int,
    taught: int | None = None,
) -> Objective:
    """Return what `loss:` says is learned; its weights are random from `seed`.

    `margin` is that of the triplets, resolved; `taught` is how many numbers the teacher's embeddings have, where there
    is one. Raises FacematchError for a loss or an option that is not known.
    """
    torch.manual_seed(seed)
    labels: Objective
    if (kind := find_kind("losses", loss.name)) is None:
        labels = NamedObjective(build_loss(loss.name, loss.options, people=people, dimensions=dimensions))
    else:
        given: dict[str, Any] = {"dimensions": dimensions, "people": people}
        if kind.ours:
            guard = CollapseGuard(training.collapse_steps, margin) if training.collapse_guard else None
            given |= {"loss": loss, "margin": margin, "guard": guard}
        made = make(kind, loss.options, given, "loss.options")
        labels = made if isinstance(made, Objective) else NamedObjective(made)
    if taught is None or (teacher := loss.teacher) is None:
        return labels
    return TaughtObjective(labels, taught, teacher.kind, teacher.weight, dimensions, teacher.alone_epochs)
