"""What a system reaches on every query and what it takes: measured, stored between runs, shown on the page."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from facematch.core.foreign import as_kind
from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.classes import set_scores
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.retrieval import average_precision, hit_at
from facematch.evaluation.task import halves
from facematch.evaluation.tie_groups import groups_of_judged
from facematch.evaluation.topk import KS
from facematch.thresholds.static import fit_static
from facematch.thresholds.values import accepted_mask

FIGURES = ("top-1", "top-5", "top-10", "score", "mAP", "F1")
Values = Mapping[str, Floats]  # by the name of the figure: one number for each of Q queries


def query_values(judged: RelevanceMatrix, lost: NDArray[np.bool_], weights: Sequence[float]) -> dict[str, Floats]:
    """Return what a system reaches on each of Q queries, by the name of the figure; `lost` queries reach nothing.

    Top-k, score and average precision are expected values over every order of photos at one distance (equal to
    the plain ones where there is none), NaN for a query without a right photo. The score is from 0 to the sum of
    `weights`. F1 is of the photos within one threshold, which is the best of all for the queries of the *other*
    half of the people; halves are drawn by lot. NaN where a half has nobody.
    """
    tied = groups_of_judged(judged)
    values = {f"top-{k}": hit_at(tied, k) for k in KS}
    values["score"] = np.asarray(np.stack([values[f"top-{k}"] for k in KS], axis=1) @ np.asarray(weights))
    values["mAP"] = average_precision(tied)
    for each in values.values():
        each[lost & judged.answerable] = 0
    values["F1"] = f1_across(judged, halves([str(person) for person in judged.groups]))
    return values


def f1_across(judged: RelevanceMatrix, first: NDArray[np.bool_]) -> Floats:
    """Return each query's F1 (Q) at the threshold that is best for the other half; `first` (Q) says which half."""
    scores = np.full(len(judged), np.nan)
    for half in (first, ~first):
        if half.any() and not half.all():
            limit = fit_static(_queries(judged, ~half), "any").distance
            chosen = _queries(judged, half)
            limits = np.full(chosen.distances.shape, limit, dtype=np.float64)
            scores[half] = set_scores(chosen, accepted_mask(chosen.distances, limits)).f1
    return scores


def _queries(judged: RelevanceMatrix, chosen: NDArray[np.bool_]) -> RelevanceMatrix:
    rows = np.flatnonzero(chosen).tolist()
    return RelevanceMatrix(
        tuple(judged.queries[row] for row in rows),
        tuple(judged.groups[row] for row in rows),
        judged.right[rows],
        judged.distances[rows],
        judged.relevant[rows],
        judged.wrong[rows],
    )


def system_figures(values: Values, groups: Sequence[Hashable], best: float) -> dict[str, Estimate]:
    """Return every figure with its interval over people; `best` is the score of a system without a mistake."""
    figures = {name: mean_figure(name, values[name], groups) for name in FIGURES if name != "score"}
    share = mean_figure("score", values["score"] / best, groups)
    figures["score"] = replace(
        share,
        value=None if share.value is None else best * share.value,
        interval=None if share.interval is None else (best * share.interval[0], best * share.interval[1]),
    )
    return {name: figures[name] for name in FIGURES}


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
    return np.array(as_kind(list[float | None], plain), dtype=np.float64)  # None is NaN


def plain_numbers(numbers: Floats) -> list[float | None]:
    """Return N numbers as JSON has them: None for NaN."""
    return [None if np.isnan(value) else value for value in numbers.tolist()]


_Numbers = Annotated[Floats, PlainValidator(_numbers), PlainSerializer(plain_numbers)]


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
