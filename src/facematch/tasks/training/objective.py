"""What a network learns from: the value to minimise, and all that is trainable beside the network.

The loop knows nothing of which objective it has. Each is an `nn.Module`, so its parameters are optimised with
the network's head and its state is saved and resumed with the run.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facematch.losses.by_name import build_loss
from facematch.losses.mining import Margin
from facematch.losses.quantisation import quantisation_penalty
from facematch.losses.triplet import spread, triplet_loss
from facematch.settings.training import LossSettings, TrainingSettings
from facematch.tasks.training.classifier import CosineClassifier
from facematch.tasks.training.collapse import CollapseGuard

Line = dict[str, float]


@dataclass(frozen=True, eq=False)
class Value:
    """One batch's loss, a scalar with its gradient, and diagnostics, scalars without one, by name."""

    loss: Tensor
    diagnostics: dict[str, Tensor]


class Objective(nn.Module):
    """Takes B×D embeddings, B labels, B×E embeddings of the same by a teacher, or None, and the epoch from 1."""

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int) -> Value:
        """Return the batch's value."""
        raise NotImplementedError

    @property
    def classifies(self) -> bool:
        """Return whether it scores the training people, so that an accuracy can be told."""
        return False

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return the scores N×P of the training people, the largest for whom a photo shows."""
        raise NotImplementedError

    def watch(self, line: Line, epoch: int) -> None:
        """Take in the numbers of one step. Raises FacematchError when the run is hopeless."""

    def told(self, line: Line, epoch: int) -> str:
        """Return the diagnostics of an epoch's last step in a few words."""
        return f"spread {line.get('spread', 0):.2f}"


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

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int) -> Value:
        """Return the triplet loss and its diagnostics, with `cross_entropy` where that counts."""
        settings = self._loss
        triplet = triplet_loss(
            embeddings,
            labels,
            mining=settings.mining_at(epoch),
            margin=self._margin,
            distance=settings.distance,
            reduction=settings.reduction,
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
            self._guard.observe(
                loss=line["triplet_loss"],
                active_share=line["active_share"],
                mean_positive=line["mean_positive"],
                mean_negative=line["mean_negative"],
                spread=line["spread"],
            )

    def told(self, line: Line, epoch: int) -> str:
        """Return the share of active triplets and the spread."""
        return f"active {line.get('active_share', 0):.0%}  {super().told(line, epoch)}"

    def get_extra_state(self) -> Any:
        """Return what the guard has seen."""
        return [] if self._guard is None else self._guard.state()

    def set_extra_state(self, state: Any) -> None:
        """Take over what a guard had seen."""
        if self._guard is not None:
            self._guard.load(state)


class ClassObjective(Objective):
    """Cross-entropy of a linear classifier over the embeddings: softmax regression over the training people.

    With `smoothing` ε the target is 1 − ε for the person shown and ε/P for each of the P (Szegedy et al. 2016,
    section 7).
    """

    def __init__(self, dimensions: int, people: int, smoothing: float) -> None:
        super().__init__()
        self.classifier = nn.Linear(dimensions, people)
        self._smoothing = smoothing

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int) -> Value:
        """Return the cross-entropy; `batch_accuracy` is the share of the augmented batch that is classified right."""
        logits = self.classifier(embeddings)
        loss = functional.cross_entropy(logits, labels, label_smoothing=self._smoothing)
        right = (logits.detach().argmax(dim=1) == labels).float().mean()
        return Value(loss, {"batch_accuracy": right, "spread": spread(embeddings.detach())})

    @property
    def classifies(self) -> bool:
        """Return True."""
        return True

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return the classifier's scores."""
        scores: Tensor = self.classifier(embeddings)
        return scores

    def told(self, line: Line, epoch: int) -> str:
        """Return the accuracy on the batch and the spread."""
        return f"batch accuracy {line.get('batch_accuracy', 0):.0%}  {super().told(line, epoch)}"


class NamedObjective(Objective):
    """A loss of pytorch-metric-learning; those that hold a weight for each person classify with it."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int) -> Value:
        """Return the loss of the batch."""
        return Value(self.loss(embeddings, labels), {"spread": spread(embeddings.detach())})

    @property
    def classifies(self) -> bool:
        """Return whether the loss scores people."""
        return hasattr(self.loss, "get_logits")

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return the loss's own scores of the people."""
        scorer: Any = self.loss
        scores: Tensor = scorer.get_logits(embeddings)
        return scores


class NoObjective(Objective):
    """Nothing to learn from the labels: for a teacher alone."""

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None, epoch: int) -> Value:
        """Return 0."""
        return Value(embeddings.new_zeros(()), {"spread": spread(embeddings.detach())})


def build_objective(
    loss: LossSettings, training: TrainingSettings, margin: Margin, *, dimensions: int, people: int, seed: int
) -> Objective:
    """Return what `loss:` says about learning from the labels; its weights are random from `seed`.

    `margin` is that of the triplets, resolved. Raises FacematchError for a loss or an option that is not known.
    """
    torch.manual_seed(seed)
    if loss.name == "triplet":
        guard = CollapseGuard(training.collapse_steps, margin) if training.collapse_guard else None
        return TripletObjective(loss, margin, guard, dimensions, people)
    if loss.name == "cross-entropy":
        return ClassObjective(dimensions, people, loss.label_smoothing)
    if loss.name == "none":
        return NoObjective()
    return NamedObjective(build_loss(loss.name, loss.options, people=people, dimensions=dimensions))
