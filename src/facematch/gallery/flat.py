"""Candidates for exact search: gallery vectors near each query by float32 distances, and how wrong those can be.

One pass over the gallery in blocks. Each is multiplied with the queries by NumPy's BLAS and compared with the best so
far, so the gallery is not copied and the matrix of all distances is never made. FAISS, whose flat search of floats does
without BLAS in some builds, answers for the metrics that are not a product.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
VectorMetric = Literal["euclidean", "cosine", "jaccard", "manhattan"]

_ROWS = 1024  # gallery vectors in a block
_CELLS = 1_000_000  # distances in memory at once
_ORDINARY = (1e-15, 1e15)  # lengths whose squares a float32 holds


@np.errstate(over="ignore", invalid="ignore")  # `_euclidean` sees to it
def near(
    query: Floats, gallery: Floats, width: int, metric: VectorMetric, prepare: Callable[[Floats], Floats]
) -> tuple[Positions, NDArray[np.float64]]:
    """Return the positions (Q×width, in any order) of gallery vectors near each query, and a bound (Q,).

    No gallery vector outside a query's positions has a distance below its bound. `query` (Q×D) is prepared as
    `ranking.prepared` does; of `gallery` (N×D, N ≥ width ≥ 1) each block is by `prepare`, unless the metric
    allows it to be used as it is.
    """
    best = np.full((len(query), width), np.inf, np.float32)  # what orders the gallery: smaller is nearer
    positions = np.full((len(query), width), -1, np.int64)
    longest = 0.0
    for start in range(0, len(gallery), _ROWS):
        block = gallery[start : start + _ROWS]
        if metric not in ("euclidean", "cosine"):
            block = prepare(block)
        squares = np.einsum("nd,nd->n", block, block)
        if metric == "cosine" and not _ordinary(squares):
            block = prepare(block)
            squares = np.ones(len(block), np.float32)
        longest = max(longest, float(np.sqrt(squares.max())))
        step = max(1, _CELLS // len(block))
        for first in range(0, len(query), step):
            rows = slice(first, first + step)
            places = None
            if metric == "euclidean":  # ‖q−g‖² = ‖q‖² + 2 (‖g‖²/2 − q·g)
                values = query[rows] @ block.T
                np.subtract(squares / 2, values, out=values)
            elif metric == "cosine":
                values = query[rows] @ block.T
                np.multiply(values, -1 / np.sqrt(squares), out=values)
            else:
                values, places = _by_faiss(query[rows], block, min(width, len(block)), metric)
            _keep_nearer(best[rows], positions[rows], values, start, places)
    worst = best.max(axis=1).astype(np.float64)
    if metric == "euclidean":
        return _euclidean(query, gallery, positions, worst, longest, prepare)
    if metric == "cosine":
        return positions, 1 + worst - 2 * _rounding(query)
    return positions, worst - _rounding_of_faiss(query, longest, metric)


def _euclidean(
    query: Floats, gallery: Floats, positions: Positions, worst: NDArray[np.float64], longest: float,
    prepare: Callable[[Floats], Floats],
) -> tuple[Positions, NDArray[np.float64]]:  # fmt: skip
    lengths = np.linalg.norm(query.astype(np.float64), axis=1)
    reach = max(longest, float(lengths.max()))
    if reach and not _ORDINARY[0] < reach < _ORDINARY[1]:  # as far out as no network goes: once more, to scale
        largest = max(float(gallery.max()), -float(gallery.min()), float(np.abs(query).max()))
        scale = np.float32(2.0 ** -max(-126, min(126, round(np.log2(largest)))))
        positions, bound = near(query * scale, gallery * scale, positions.shape[1], "euclidean", prepare)
        return positions, bound / scale
    squares = lengths**2 + 2 * (worst - _rounding(query) * longest * (lengths + longest))
    return positions, np.sqrt(np.maximum(squares, 0))


def _ordinary(squares: Floats) -> bool:
    return bool(squares.min() > _ORDINARY[0] ** 2 and squares.max() < _ORDINARY[1] ** 2)


def _rounding(query: Floats) -> float:
    # A float32 sum of D products is wrong by at most D·2⁻²⁴ of the product of the lengths (Higham 2002, section 3.1);
    # what comes after it adds a few roundings.
    return float((query.shape[1] + 8) * 2.0**-24)


def _keep_nearer(
    best: Floats, positions: Positions, values: Floats, start: int, places: Positions | None = None
) -> None:
    # Keeps, in place, the smallest of what is kept and of a block's values (Q×B), whose vectors begin at `start`.
    worst, width = best.max(axis=1), best.shape[1]
    if np.isinf(worst).any():  # nearly everything counts still
        merged = np.concatenate([best, values], axis=1)
        kept = np.argpartition(merged, width - 1, axis=1)[:, :width]
        new = kept - width if places is None else np.take_along_axis(places, np.maximum(kept - width, 0), 1)
        positions[:] = np.where(
            kept < width, np.take_along_axis(positions, np.minimum(kept, width - 1), 1), start + new
        )
        best[:] = np.take_along_axis(merged, kept, 1)
        return
    touched = np.flatnonzero(values.min(axis=1) < worst)
    if not len(touched):
        return
    values = values[touched]
    rows, columns = np.nonzero(values < worst[touched, None])
    counts = np.bincount(rows)
    begins = np.cumsum(counts) - counts
    place = width + np.arange(len(rows)) - begins[rows]
    merged = np.full((len(touched), width + int(counts.max())), np.inf, np.float32)
    owners = np.full(merged.shape, -1, np.int64)
    merged[:, :width], owners[:, :width] = best[touched], positions[touched]
    merged[rows, place] = values[rows, columns]
    owners[rows, place] = start + (columns if places is None else places[touched][rows, columns])
    kept = np.argpartition(merged, width - 1, axis=1)[:, :width]
    best[touched], positions[touched] = np.take_along_axis(merged, kept, 1), np.take_along_axis(owners, kept, 1)


def _by_faiss(query: Floats, block: Floats, width: int, metric: VectorMetric) -> tuple[Floats, Positions]:
    import faiss

    kind = faiss.METRIC_Jaccard if metric == "jaccard" else faiss.METRIC_L1
    values, places = faiss.knn(query, block, width, metric=kind)
    return 1 - values if metric == "jaccard" else values, places


def _rounding_of_faiss(query: Floats, longest: float, metric: VectorMetric) -> float:
    # FAISS adds up D float32 terms in an order of its own.
    if metric == "jaccard":
        return 1e-4
    widest = float(np.abs(query).sum(axis=1).max()) + np.sqrt(query.shape[1]) * longest  # ‖g‖₁ ≤ √D ‖g‖
    return 1e-5 * float(widest)
