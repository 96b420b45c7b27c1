"""What a system reaches on every query and what it takes: stored between runs, shown on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from facematch.core.foreign import as_kind
from facematch.evaluation.bootstrap import Floats
from facematch.tasks.compare.figures import FIGURES


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


def _numbers(plain: Any) -> Floats:
    return np.array(as_kind(_PLAIN, plain), dtype=np.float64)  # None is NaN


def _plain(numbers: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in numbers.tolist()]


_PLAIN: TypeAdapter[list[float | None]] = TypeAdapter(list[float | None])
_Numbers = Annotated[Floats, PlainValidator(_numbers), PlainSerializer(_plain)]


@dataclass(frozen=True, eq=False)
class Result:
    """A system's values on every query (`figures.query_values`), what it did not embed, and what it costs.

    `lost` counts queries without an embedding, `behind` such gallery photos, `stand_ins` photos without a face of
    which the whole was taken. `weights` are those of an ensemble. `training_seconds` is None where nobody knows.
    """

    values: Mapping[str, _Numbers]
    lost: int
    behind: int
    stand_ins: int
    cost: Cost
    machine: str
    training_seconds: float | None = None
    weights: tuple[float, ...] = ()

    def as_json(self) -> Any:
        """Return plain JSON values; NaN is None."""
        return _STORED.dump_python(self, mode="json")


_STORED = TypeAdapter(Result)


def result_from_json(stored: Any) -> Result:
    """Return the result that `as_json` wrote. Raises ValueError for anything else."""
    result = as_kind(_STORED, stored)
    if result.values.keys() != set(FIGURES) or len({len(each) for each in result.values.values()}) != 1:
        raise ValueError("its figures are others, or of different numbers of queries")
    return result


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
