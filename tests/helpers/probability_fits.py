"""The two fits behind a calibration in plain NumPy: what those of scikit-learn are compared with."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ITERATIONS = 100
_LEAST_STEP = 1e-10
_RIDGE = 1e-12  # keeps the Hessian regular


def falling_fit(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the falling step function nearest to N points in weighted squares, as the ends of its steps.

    Points at equal x are averaged first. The result is K rising x and K falling values; a step over several
    x stands with its first and last one, so that straight lines between them give every value in between,
    as scikit-learn's `IsotonicRegression(increasing=False)` does. (Pool adjacent violators: Ayer, Brunk,
    Ewing, Reid & Silverman 1955.)
    """
    places, codes = np.unique(x, return_inverse=True)
    mass = np.bincount(codes, weights=weights)
    means = np.bincount(codes, weights=weights * y) / mass
    blocks: list[tuple[float, float, int]] = []  # value, weight, number of its last place
    for last, (value, weight) in enumerate(zip(means.tolist(), mass.tolist(), strict=True)):
        while blocks and blocks[-1][0] <= value:
            before, heavy, _ = blocks.pop()
            value = (before * heavy + value * weight) / (heavy + weight)
            weight += heavy
        blocks.append((value, weight, last))
    ends = np.array([end for _, _, end in blocks])
    starts = np.concatenate([[0], ends[:-1] + 1])
    values = np.repeat([value for value, _, _ in blocks], 2)
    edges = np.stack([starts, ends], axis=1).ravel()
    kept = np.concatenate([[True], np.diff(edges) > 0])  # a step of one place stands once
    return places[edges[kept]], values[kept]


def sigmoid_fit(x: Floats, same: Bools) -> tuple[float, float]:
    """Return A and B of P(same | x) = 1/(1 + exp(A·x + B)) with the least cross-entropy to smoothed targets.

    The targets are (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2) in place of 1 and 0 (Platt 1999), so that even pairs
    that a distance parts perfectly have a finite fit. Newton's method with backtracking in the numerically
    stable form of Lin, Lin & Weng, A note on Platt's probabilistic outputs for support vector machines,
    Machine Learning 2007, on x of mean 0 and spread 1. Raises ValueError when all x are equal.
    """
    middle, spread = float(x.mean()), float(x.std())
    if spread == 0:
        raise ValueError("a sigmoid needs different numbers")
    z, wanted = (x - middle) / spread, int(same.sum())
    targets = np.where(same, (wanted + 1) / (wanted + 2), 1 / (len(same) - wanted + 2))
    at = np.array([0.0, np.log((len(same) - wanted + 1) / (wanted + 1))])
    loss = _cross_entropy(at, z, targets)
    for _ in range(_ITERATIONS):
        p = sigmoid(at[0] * z + at[1])
        slopes, curves = targets - p, p * (1 - p)
        gradient = np.array([(slopes * z).sum(), slopes.sum()])
        if np.abs(gradient).max() < 1e-10 * len(z):
            break
        mixed = (curves * z).sum()
        hessian = np.array([[(curves * z * z).sum(), mixed], [mixed, curves.sum()]]) + _RIDGE * np.eye(2)
        direction = -np.linalg.solve(hessian, gradient)
        step = 1.0
        while step >= _LEAST_STEP:
            tried = _cross_entropy(at + step * direction, z, targets)
            if tried < loss + 1e-4 * step * float(gradient @ direction):
                break
            step /= 2
        else:
            break  # no step improves: this is as near as rounding allows
        at, loss = at + step * direction, tried
    return float(at[0] / spread), float(at[1] - at[0] * middle / spread)


def sigmoid(falling: Floats) -> Floats:
    """Return 1/(1 + exp(x)) without overflow."""
    small = np.exp(-np.abs(falling))
    found: Floats = np.where(falling >= 0, small, 1.0) / (1 + small)
    return found


def _cross_entropy(at: Floats, z: Floats, targets: Floats) -> float:
    f = at[0] * z + at[1]
    return float((np.where(f >= 0, targets, targets - 1) * f + np.log1p(np.exp(-np.abs(f)))).sum())
