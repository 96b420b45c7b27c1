"""What is known of one system when it has been asked everything: kept between runs, shown on the page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter

from facematch.core.foreign import as_kind
from facematch.tasks.compare.figures import FIGURES, Values


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


class _Kept(BaseModel):
    # What `as_json` writes, of the type it has to have.
    values: dict[str, list[float | None]]
    lost: int
    behind: int
    stand_ins: int
    cost: Cost
    machine: str
    training_seconds: float | None
    weights: tuple[float, ...]


_KEPT = TypeAdapter(_Kept)


def result_from_json(kept: Any) -> Result:
    """Return the result that `as_json` wrote. Raises ValueError for anything else, KeyError for a missing figure."""
    told = as_kind(_KEPT, kept)
    values = {name: np.array(told.values[name], dtype=np.float64) for name in FIGURES}
    if len({len(each) for each in values.values()}) != 1:
        raise ValueError("its figures are of different numbers of queries")
    rest = told.model_dump(exclude={"values", "cost"})
    return Result(values, cost=told.cost, **rest)


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
