"""What is known of one system when it has been asked everything: kept between runs, shown on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facematch.compare.figures import FIGURES, Values
from facematch.errors import FacematchError


@dataclass(frozen=True)
class Cost:
    """What a system takes: milliseconds for a photo (cropped, embedded) and for a query, bytes of a photo.

    `crops` is a digest of how photos are cropped, `metric` compares `dimensions` numbers or bits.
    """

    crop_ms: float
    embed_ms: float
    rank_ms: float
    dimensions: int
    bytes: int
    metric: str
    crops: str = ""

    @property
    def photo_ms(self) -> float:
        """Return the milliseconds from a photo's file to its embedding."""
        return self.crop_ms + self.embed_ms


@dataclass(frozen=True, eq=False)
class Result:
    """A system's values on every query (`figures.query_values`), what it did not embed, and what it costs.

    `lost` counts queries without an embedding, `behind` such gallery photos, `stand_ins` photos without a face of
    which the whole was taken. `weights` are those of an ensemble. `training_seconds` is None where nobody knows.
    """

    values: Values
    lost: int
    behind: int
    stand_ins: int
    cost: Cost
    machine: str
    training_seconds: float | None = None
    weights: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; NaN is None."""
        plain = {
            name: [None if np.isnan(value) else float(value) for value in values]
            for name, values in self.values.items()
        }
        return {
            "values": plain, "lost": self.lost, "behind": self.behind, "stand_ins": self.stand_ins,
            "cost": asdict(self.cost), "machine": self.machine, "training_seconds": self.training_seconds,
            "weights": list(self.weights),
        }  # fmt: skip


def result_from_json(kept: Mapping[str, Any]) -> Result:
    """Return the result that `as_json` wrote. Raises FacematchError for anything else."""
    try:
        values = {name: np.array(kept["values"][name], dtype=np.float64) for name in FIGURES}
        rest = {key: kept[key] for key in ("lost", "behind", "stand_ins", "machine", "training_seconds")}
        return Result(values, cost=Cost(**kept["cost"]), weights=tuple(kept["weights"]), **rest)
    except (KeyError, TypeError, ValueError) as error:
        raise FacematchError(f"a kept result of a comparison cannot be read: {error!r}.") from error


def joint_cost(costs: Sequence[Cost], fusing_ms: float) -> Cost:
    """Return what an ensemble takes: all that its members take, but crops that several share are made once."""
    crops = {cost.crops: cost.crop_ms for cost in reversed(costs)}
    return Cost(
        crop_ms=sum(crops.values()),
        embed_ms=sum(cost.embed_ms for cost in costs),
        rank_ms=sum(cost.rank_ms for cost in costs) + fusing_ms,
        dimensions=sum(cost.dimensions for cost in costs),
        bytes=sum(cost.bytes for cost in costs),
        metric="fused",
    )
