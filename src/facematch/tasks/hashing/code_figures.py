"""What codes reach beside the floats they are the signs of: the figures to choose a code size by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.comparison import Comparison, paired_values
from facematch.evaluation.expected_ties import (
    expected_average_precision,
    expected_hit_at,
    expected_precision_at,
    map_figures,
)
from facematch.evaluation.hamming_radius import RadiusCurve, empty_ball, precision_within, radius_curve
from facematch.evaluation.task import Division, RetrievalTask
from facematch.evaluation.tie_groups import task_ties
from facematch.ranking.embeddings import Embeddings
from facematch.tasks.hashing.code_quality import CodeQuality, code_quality

PLACES = 10  # of precision@10
RADIUS = 2  # of hash look-up


@dataclass(frozen=True, eq=False)
class HashPhotos:
    """A task with one division, queries and gallery in the order of their names, and its photos embedded as floats."""

    task: RetrievalTask
    embeddings: Embeddings

    @property
    def division(self) -> Division:
        """Return queries and gallery."""
        return self.task.divisions[0]

    @property
    def query(self) -> Embeddings:
        """Return the embeddings of the queries."""
        return self._at(self.division.queries)

    @property
    def gallery(self) -> Embeddings:
        """Return the embeddings of the gallery."""
        return self._at(self.division.gallery)

    def _at(self, names: Sequence[str]) -> Embeddings:
        row_of = {name: row for row, name in enumerate(self.embeddings.names)}
        return self.embeddings.at([row_of[name] for name in names])


@dataclass(frozen=True, eq=False)
class FloatFigures:
    """What the network's values reach by `metric`, and the average precision of each query (Q)."""

    metric: str
    mean_ap: Estimate
    precision: Estimate
    top1: Estimate
    per_query: Floats

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        figures = (self.mean_ap, self.precision, self.top1)
        return {"metric": self.metric, "figures": [figure.as_dict() for figure in figures]}


@dataclass(frozen=True, eq=False)
class CodeFigures:
    """What the codes reach, expected over the order of ties, and how they use their bits.

    `variants` is mAP in every published definition; the first is `mean_ap`, over whole rankings, then come its
    bounds. `cost` is the mAP of the codes less that of the floats, on the same queries. `quality` is that of the
    gallery photos.
    """

    variants: tuple[Estimate, ...]
    precision: Estimate
    top1: Estimate
    within: Estimate
    empty: Estimate
    cost: Comparison
    curve: RadiusCurve
    quality: CodeQuality
    per_query: Floats

    @property
    def mean_ap(self) -> Estimate:
        """Return the mAP over whole rankings."""
        return self.variants[0]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the mAP with ties at their worst and at their best; None where there is no mAP."""
        worst, best = self.variants[1].value, self.variants[2].value
        return None if worst is None or best is None else (worst, best)

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        figures = (*self.variants, self.precision, self.top1, self.within, self.empty)
        curve = {name: _plain(values) for name, values in asdict(self.curve).items()}
        return {
            "figures": [figure.as_dict() for figure in figures],
            "codes less floats": self.cost.as_dict(),
            "by radius": curve,
            "quality": self.quality.as_dict(),
        }


def require_answerable(photos: HashPhotos) -> None:
    """Raise FacematchError without a query that has a right photo in the gallery; its own is none."""
    if not photos.task.divisions or not any(photos.division.answerable):
        asked, shown = len(photos.task.queries), len(photos.task.gallery)
        raise FacematchError(
            f"none of {asked} queries has a right photo among {shown} gallery photos, so there is nothing to report.",
            "Queries need people, or classes, with at least one other readable photo in the gallery.",
        )


def float_figures(photos: HashPhotos) -> FloatFigures:
    """Return the figures of whole rankings by float distances, expected over the order of what ties.

    Ranked in blocks, so that no Q×N array is held. Raises FacematchError for an empty side.
    """
    parts = []
    for block in photos.task.blocks():
        tied = task_ties(block, photos.embeddings)
        parts.append((expected_average_precision(tied), expected_precision_at(tied, PLACES), expected_hit_at(tied, 1)))
    precision, at_ten, first = (np.concatenate(each) for each in zip(*parts, strict=True))
    people = photos.division.identities
    return FloatFigures(
        photos.embeddings.metric,
        mean_figure("mAP", precision, people),
        mean_figure(f"precision@{PLACES}", at_ten, people),
        mean_figure("top-1", first, people),
        precision,
    )


def code_figures(photos: HashPhotos, floats: FloatFigures) -> CodeFigures:
    """Return the figures of the codes, the signs of the floats, and what they lose against `floats`.

    Raises FacematchError for a number of dimensions that is no multiple of 8, ValueError without a query that
    has a right photo in the gallery.
    """
    codes, gallery, people = photos.embeddings.as_codes(), photos.gallery, photos.division.identities
    tied = task_ties(photos.task, codes)
    per_query = expected_average_precision(tied)
    figures = {
        f"precision@{PLACES}": expected_precision_at(tied, PLACES),
        "top-1": expected_hit_at(tied, 1),
        f"precision within radius {RADIUS}": precision_within(tied, RADIUS),
        f"nothing within radius {RADIUS}": empty_ball(tied, RADIUS),
    }
    precision, top1, within, empty = (mean_figure(name, each, people) for name, each in figures.items())
    return CodeFigures(
        variants=tuple(map_figures(tied)),
        precision=precision,
        top1=top1,
        within=within,
        empty=empty,
        cost=paired_values(per_query, floats.per_query, people),
        curve=radius_curve(tied, range(codes.dimensions + 1)),
        quality=code_quality(gallery.vectors),
        per_query=per_query,
    )


def _plain(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
