"""What binary codes reach beside the floats they are the signs of, and how well they use their bits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import Estimate, Floats, mean_figure
from facematch.evaluation.comparison import Comparison, paired_values
from facematch.evaluation.retrieval import average_precision, hit_at, precision_at
from facematch.evaluation.task import Division, RetrievalTask
from facematch.evaluation.tie_groups import task_ties
from facematch.evaluation.tied_figures import RadiusCurve, empty_ball, map_figures, precision_within, radius_curve
from facematch.ranking.codes import Codes, pack_codes
from facematch.ranking.embeddings import Embeddings
from facematch.tasks.compare.results import plain_numbers


@dataclass(frozen=True, eq=False)
class CodeQuality:
    """What D bits are worth on N photos.

    - `balance` is the share of photos for which each bit is 1 (D shares, 0.5 is best) and `entropy` the
      −p·log₂p − (1−p)·log₂(1−p) of each (D, 1 is best); `constant_bits` counts those of entropy 0.
    - `mean_correlation` is the mean |Pearson correlation| over all pairs of bits that are not constant,
      None with fewer than two: a dead bit must not pass for an independent one.
    - `effective_bits` is the participation ratio (Σλ)²/Σλ² of the correlation matrix's eigenvalues, from 1
      (all bits say the same) to D (all uncorrelated), 0 when all are constant (Bretherton et al., The
      Effective Number of Spatial Degrees of Freedom of a Time-Varying Field, Journal of Climate 1999).
      Chance correlation keeps it below D on few photos: independent bits reach about D/(1 + (D−1)/(N−1)).
    - `distinct` counts different codes, `largest` the photos that share the commonest one, `collisions`
      the pairs of photos, of N(N−1)/2, whose codes are equal.
    - `quantisation_gap` is the mean squared distance of the network's values from their signs (Gong &
      Lazebnik, Iterative Quantization, CVPR 2011: ‖B − V‖²/ND) and `mean_magnitude` the mean |value|, 1
      when tanh is saturated.
    - `correlation` is D×D, as `bit_correlations` gives it.
    """

    photos: int
    bits: int
    balance: tuple[float, ...]
    entropy: tuple[float, ...]
    constant_bits: int
    mean_correlation: float | None
    effective_bits: float
    distinct: int
    largest: int
    collisions: int
    quantisation_gap: float
    mean_magnitude: float
    correlation: Floats

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values, without the correlations."""
        values = {name: value for name, value in vars(self).items() if name != "correlation"}
        return {**values, "balance": list(self.balance), "entropy": list(self.entropy)}


def code_quality(values: ArrayLike) -> CodeQuality:
    """Describe the codes that are the signs of N×D `values` (tanh outputs, say), N at least 1.

    Raises FacematchError for a D that is no multiple of 8.
    """
    numbers = np.asarray(values, dtype=np.float64)
    magnitudes, codes = np.abs(numbers), pack_codes(numbers)
    bits = np.unpackbits(codes, axis=1)
    ones = bits.mean(axis=0)
    correlation = bit_correlations(codes)
    shared = np.unique(codes, axis=0, return_counts=True)[1]
    return CodeQuality(
        photos=len(codes),
        bits=bits.shape[1],
        balance=tuple(ones.tolist()),
        entropy=tuple(_entropy(ones).tolist()),
        constant_bits=int(np.count_nonzero(correlation.diagonal() == 0)),
        mean_correlation=_mean_off_diagonal(correlation),
        effective_bits=_participation_ratio(correlation),
        distinct=len(shared),
        largest=int(shared.max()),
        collisions=int((shared * (shared - 1) // 2).sum()),
        quantisation_gap=float(((magnitudes - 1) ** 2).mean()),  # the distance of v from its sign is that of |v| from 1
        mean_magnitude=float(magnitudes.mean()),
        correlation=correlation,
    )


def bit_correlations(codes: Codes) -> Floats:
    """Return the D×D Pearson correlations of the −1/+1 bits of N packed codes.

    With a ones in one bit, b in another and c in both, it is (Nc − ab)/√(a(N−a)·b(N−b)), counted in whole
    numbers. A constant bit has correlation 0 with every bit, itself included.
    """
    bits = np.unpackbits(codes, axis=1).astype(np.float64)
    both = (bits.T @ bits).astype(np.int64)  # whole numbers, exact in float64
    ones = both.diagonal()
    spread = (ones * (len(bits) - ones)).astype(np.float64)
    scale = np.sqrt(np.multiply.outer(spread, spread))
    covered = len(bits) * both - np.multiply.outer(ones, ones)
    return np.divide(covered, scale, out=np.zeros(scale.shape), where=scale > 0)


def _entropy(ones: Floats) -> Floats:
    both = np.stack([ones, 1 - ones])
    logs = np.log2(both, out=np.zeros(both.shape), where=both > 0)
    return np.asarray(np.abs((both * logs).sum(axis=0)))  # not −0.0 for a constant bit


def _mean_off_diagonal(correlation: Floats) -> float | None:
    alive = int(np.count_nonzero(correlation.diagonal()))
    if alive < 2:
        return None
    total = np.abs(correlation).sum() - np.abs(correlation.diagonal()).sum()
    return float(total / (alive * (alive - 1)))


def _participation_ratio(correlation: Floats) -> float:
    # Σλ is the trace and Σλ² the sum of all squares, so no eigenvalue has to be computed.
    squares = float((correlation**2).sum())
    return float(correlation.trace() ** 2 / squares) if squares else 0.0


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
        curve = {name: plain_numbers(values) for name, values in asdict(self.curve).items()}
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
        parts.append((average_precision(tied), precision_at(tied, PLACES), hit_at(tied, 1)))
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
    per_query = average_precision(tied)
    figures = {
        f"precision@{PLACES}": precision_at(tied, PLACES),
        "top-1": hit_at(tied, 1),
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
