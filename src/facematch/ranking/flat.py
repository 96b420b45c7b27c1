"""Candidates for exact search: gallery vectors near each query by float32 distances, and how wrong those can be.

One pass over the gallery in blocks. Each is multiplied with the queries by NumPy's BLAS and compared with the best so
far, so the gallery is not copied and the matrix of all distances is never made. FAISS, whose flat search of floats does
without BLAS in some builds, answers for the metrics that are not a product.
"""

import numpy as np
from numpy.typing import NDArray

from facematch.ranking.metrics import ROWS, Metric

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]

_ROWS = 1024  # gallery vectors in a block
_CELLS = 2**20  # distances in memory at once
_ORDINARY = (1e-15, 1e15)  # lengths whose squares a float32 holds


@np.errstate(over="ignore", invalid="ignore")  # `_euclidean` sees to it
def near(query: Floats, gallery: Floats, width: int, metric: Metric) -> tuple[Positions, NDArray[np.float64]]:
    """Return the positions (Q×width, in any order) of gallery vectors near each query, and a bound (Q,).

    No gallery vector outside a query's positions has a distance below its bound. `query` (Q×D) is prepared as
    `ranking.prepared` does; of `gallery` (N×D, N ≥ width ≥ 1) each block is prepared here, unless the metric
    allows it to be used as it is.
    """
    nearest = _Nearest(len(query), width)
    step = -(-len(query) // (1 + len(query) * _ROWS // _CELLS))
    longest = 0.0
    for start in range(0, len(gallery), _ROWS):
        block = gallery[start : start + _ROWS]
        if metric not in ("euclidean", "cosine"):
            block = ROWS[metric].prepare(block)
        squares = np.einsum("nd,nd->n", block, block)
        if metric == "cosine" and not _ordinary(squares):
            block = ROWS[metric].prepare(block)
            squares = np.ones(len(block), np.float32)
        longest = max(longest, float(np.sqrt(squares.max())))
        for first in range(0, len(query), step):
            rows, some = np.arange(first, min(first + step, len(query))), query[first : first + step]
            if metric in ("euclidean", "cosine"):
                products = some @ block.T
                touched = _touched(nearest.worst[rows], products, squares, metric)
                values, places = _order(products[touched], squares, metric), np.arange(len(block))
                rows = rows[touched]
            else:
                values, places = _by_faiss(some, block, min(width, len(block)), metric)
            nearest.offer(rows, values, start + places)
    positions, worst = nearest.settled()
    if metric == "euclidean":
        return _euclidean(query, gallery, positions, worst, longest)
    if metric == "cosine":
        return positions, 1 + worst - 2 * _rounding(query)
    return positions, worst - ROWS[metric].rounding(query, longest)


def _euclidean(
    query: Floats, gallery: Floats, positions: Positions, worst: NDArray[np.float64], longest: float
) -> tuple[Positions, NDArray[np.float64]]:  # fmt: skip
    lengths = np.linalg.norm(query.astype(np.float64), axis=1)
    reach = max(longest, float(lengths.max()))
    if reach and not _ORDINARY[0] < reach < _ORDINARY[1]:  # as far out as no network goes: once more, to scale
        largest = max(float(gallery.max()), -float(gallery.min()), float(np.abs(query).max()))
        scale = np.float32(2.0 ** -max(-126, min(126, round(np.log2(largest)))))
        positions, bound = near(query * scale, gallery * scale, positions.shape[1], "euclidean")
        return positions, bound / scale
    squares = lengths**2 + 2 * (worst - _rounding(query) * longest * (lengths + longest))
    return positions, np.sqrt(np.maximum(squares, 0))


def _ordinary(squares: Floats) -> bool:
    return bool(squares.min() > _ORDINARY[0] ** 2 and squares.max() < _ORDINARY[1] ** 2)


def _rounding(query: Floats) -> float:
    # A float32 sum of D products is wrong by at most D·2⁻²⁴ of the product of the lengths (Higham 2002, section 3.1);
    # what comes after it adds a few roundings.
    return float((query.shape[1] + 8) * 2.0**-24)


def _order(products: Floats, squares: Floats, metric: Metric) -> Floats:
    # What orders the gallery, smaller is nearer. For euclidean: ‖q−g‖² = ‖q‖² + 2 (‖g‖²/2 − q·g).
    order = squares / 2 - products if metric == "euclidean" else products * (-1 / np.sqrt(squares))
    return np.asarray(order, np.float32)


def _touched(worst: Floats, products: Floats, squares: Floats, metric: Metric) -> Positions:
    # Rows of a block's products (Q×B) that may hold something nearer than what is worst there, by the largest product
    # and the block's shortest and longest vector. Rounding keeps order, so none is missed; most blocks touch few.
    most = products.max(axis=1)
    least = np.minimum(_order(most, squares.min(), metric), _order(most, squares.max(), metric))
    return np.flatnonzero(least < worst)


class _Nearest:
    # The `width` smallest values of each row and their positions, with room for twice as many that may be among them:
    # they are sorted out when that is full. Until then `worst`, from which on nothing counts, stays where it was.

    def __init__(self, rows: int, width: int) -> None:
        self.width = width
        self.values = np.full((rows, 3 * width), np.inf, np.float32)
        self.positions = np.full((rows, 3 * width), -1, np.int64)
        self.filled = np.zeros(rows, np.int64)
        self.worst = np.full(rows, np.inf, np.float32)

    def offer(self, rows: Positions, values: Floats, positions: Positions) -> None:
        """Take from R×B values of rows (R,) what may count; their positions are R×B or (B,)."""
        which, columns = np.divmod(np.flatnonzero(values < self.worst[rows, None]), values.shape[1])
        counts = np.bincount(which, minlength=len(rows))
        if counts.max(initial=0) > self.width:  # as in the first block
            columns = np.argpartition(values, self.width - 1, axis=1)[:, : self.width].ravel()
            counts[:] = self.width
            which = np.repeat(np.arange(len(rows)), self.width)
        places = self.filled[rows[which]] + np.arange(len(which)) - (np.cumsum(counts) - counts)[which]
        self.values[rows[which], places] = values[which, columns]
        self.positions[rows[which], places] = positions[columns] if positions.ndim == 1 else positions[which, columns]
        self.filled[rows] += counts
        full = np.where(np.isinf(self.worst[rows]), 1, 2) * self.width  # the first are looked at at once
        self._sort_out(rows[self.filled[rows] >= full])

    def _sort_out(self, rows: Positions) -> None:
        values, positions, width = self.values[rows], self.positions[rows], self.width
        kept = np.argpartition(values, width - 1, axis=1)[:, :width]
        self.values[rows, :width] = np.take_along_axis(values, kept, 1)
        self.positions[rows, :width] = np.take_along_axis(positions, kept, 1)
        self.values[rows, width:] = np.inf
        self.filled[rows] = width
        self.worst[rows] = self.values[rows, :width].max(axis=1)

    def settled(self) -> tuple[Positions, NDArray[np.float64]]:
        """Return the positions (rows×width) and the largest value of each row."""
        self._sort_out(np.arange(len(self.values)))
        return self.positions[:, : self.width], self.worst.astype(np.float64)


def _by_faiss(query: Floats, block: Floats, width: int, metric: Metric) -> tuple[Floats, Positions]:
    import faiss

    values, places = faiss.knn(query, block, width, metric=getattr(faiss, ROWS[metric].faiss))
    return ROWS[metric].order(values), places
