"""The values of a training run: what goes in, how far it is, how it ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.topk import Figures, figures_from_dict
from facematch.networks.embedding import EmbeddingNetwork
from facematch.tasks.training.blending import FaceFrame

_ESTIMATE = TypeAdapter(Estimate)


@dataclass(frozen=True, eq=False)
class Blends:
    """New faces, `share` of every batch; `embed` is the teacher, for aligned ones."""

    frames: Sequence[FaceFrame]
    aligned: int  # the side of what the teacher is shown, in pixels
    share: float
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Crops (N×S×S×3 `uint8`), the number of each one's person, and how many people there are.

    With a teacher, its embeddings of the photos (N×E, a row of NaN where there is none), and perhaps blends.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: int
    targets: NDArray[np.float32] | None = None
    blends: Blends | None = None


@dataclass(frozen=True)
class Callbacks:
    """What the loop calls.

    `validate` measures retrieval on what `measured_on` names, unseen people or held-out photos, and `seen`, where there
    is one, the accuracy on held-out photos of the training people; `save` writes a checkpoint (file name, network,
    epoch, figures); `report` shows one line for each epoch and `progress` gets (epoch, progress 0–1, loss) for each
    step.
    Both measures are given the side in pixels to which training reduces its crops now, or None.
    """

    validate: Callable[[EmbeddingNetwork, int | None], Figures]
    save: Callable[[str, EmbeddingNetwork, int, Figures | None], None]
    report: Callable[[str], None]
    progress: Callable[[int, float, float], None]
    measured_on: str = "unseen people"
    seen: Callable[[EmbeddingNetwork, int | None], Estimate] | None = None


@dataclass
class Progress:
    """How far a run is. Saved with the state."""

    epoch: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = 0
    best: dict[str, object] | None = None
    best_epoch: int = 0
    without_better: int = 0
    seen: dict[str, object] | None = None  # the accuracy on seen people at the best validation
    last: dict[str, float] = field(default_factory=dict)  # the figures of the epoch's last step so far

    @property
    def begun(self) -> int:
        """Return how many epochs were begun."""
        return self.epoch if self.batch else self.epoch - 1

    def results(self) -> tuple[Figures | None, Estimate | None]:
        """Return the best validation and the accuracy on seen people then."""
        return (
            None if self.best is None else figures_from_dict(self.best),
            None if self.seen is None else _ESTIMATE.validate_python(self.seen),
        )


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: `stopped` by a signal (else 0), the best validation, its epoch, the accuracy then."""

    stopped: int
    best: Figures | None
    best_epoch: int
    epochs: int
    reason: str
    seen: Estimate | None = None


def validation_line(figures: Figures) -> str:
    """Return the figures of one validation in a few words."""
    text = f"top-1 {figures.top1:.3f}  top-10 {figures.top10:.3f}"
    precision = figures.mean_average_precision
    return text if precision is None else f"mAP {precision:.3f}  {text}"
