"""What codes reach beside the floats they are the signs of: the figures to choose a code size by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.comparison import Comparison, paired
from facematch.evaluation.expected_ties import (
    expected_average_precision,
    expected_hit_at,
    expected_precision_at,
    map_figures,
)
from facematch.evaluation.hamming_radius import RadiusCurve, empty_ball, precision_within, radius_curve
from facematch.evaluation.mean_ap import tied_between
from facematch.ranking.embeddings import Embeddings
from facematch.tasks.hashing.code_quality import CodeQuality, code_quality

PLACES = 10  # of precision@10
RADIUS = 2  # of hash look-up
_CELLS = 4_000_000  # places of whole float rankings held at once


@dataclass(frozen=True, eq=False)
class Sides:
    """Q queries and the N gallery photos they ask, as floats, both in the order of their names.

    `asked` and `shown` say whom each photo of the two sides shows; `own` is the row of each query's photo in
    the gallery, −1 for none.
    """

    query: Embeddings
    gallery: Embeddings
    asked: tuple[str, ...]
    shown: tuple[str, ...]
    own: tuple[int, ...]

    @property
    def leave_one_out(self) -> bool:
        """Return whether the queries stand in the gallery themselves."""
        return max(self.own, default=-1) >= 0


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


def require_mated(sides: Sides) -> None:
    """Raise FacematchError without a query that has a right photo in the gallery; its own is none."""
    people: dict[str, int] = {}
    for who in sides.shown:
        people[who] = people.get(who, 0) + 1
    if not any(people.get(who, 0) > (own >= 0) for who, own in zip(sides.asked, sides.own, strict=True)):
        raise FacematchError(
            f"none of {len(sides.asked)} queries has a right photo among {len(sides.shown)} gallery photos, "
            "so there is nothing to report.",
            "Queries need people, or classes, with at least one other readable photo in the gallery.",
        )


def float_figures(sides: Sides) -> FloatFigures:
    """Return the figures of whole rankings by float distances, expected over the order of what ties.

    Ranked in blocks, so that no Q×N array is held. Raises FacematchError for an empty side.
    """
    step = max(1, _CELLS // len(sides.gallery))
    parts = []
    for start in range(0, len(sides.query), step):
        rows = slice(start, start + step)
        query = sides.query.at(range(len(sides.query))[rows])
        own = sides.own[rows] if sides.leave_one_out else None
        tied = tied_between(query, sides.gallery, sides.asked[rows], sides.shown, own)
        parts.append((expected_average_precision(tied), expected_precision_at(tied, PLACES), expected_hit_at(tied, 1)))
    precision, at_ten, first = (np.concatenate(each) for each in zip(*parts, strict=True))
    return FloatFigures(
        sides.query.metric,
        mean_figure("mAP", precision, sides.asked),
        mean_figure(f"precision@{PLACES}", at_ten, sides.asked),
        mean_figure("top-1", first, sides.asked),
        precision,
    )


def code_figures(sides: Sides, floats: FloatFigures) -> CodeFigures:
    """Return the figures of the codes, the signs of the floats, and what they lose against `floats`.

    Raises FacematchError for a number of dimensions that is no multiple of 8, ValueError without a query that
    has a right photo in the gallery.
    """
    query, gallery = sides.query.as_codes(), sides.gallery.as_codes()
    tied = tied_between(query, gallery, sides.asked, sides.shown, sides.own)
    per_query = expected_average_precision(tied)
    figures = {
        f"precision@{PLACES}": expected_precision_at(tied, PLACES),
        "top-1": expected_hit_at(tied, 1),
        f"precision within radius {RADIUS}": precision_within(tied, RADIUS),
        f"nothing within radius {RADIUS}": empty_ball(tied, RADIUS),
    }
    precision, top1, within, empty = (mean_figure(name, each, sides.asked) for name, each in figures.items())
    return CodeFigures(
        variants=tuple(map_figures(tied)),
        precision=precision,
        top1=top1,
        within=within,
        empty=empty,
        cost=difference(per_query, floats.per_query, sides.asked),
        curve=radius_curve(tied, range(query.dimensions + 1)),
        quality=code_quality(sides.gallery.vectors),
        per_query=per_query,
    )


def difference(ours: Floats, theirs: Floats, groups: Sequence[str]) -> Comparison:
    """Return the mean of ours less theirs over the queries that define both, Q values each."""
    there = np.flatnonzero(~np.isnan(ours) & ~np.isnan(theirs))
    return paired((ours[there] - theirs[there]).tolist(), [groups[row] for row in there.tolist()])


def _plain(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
