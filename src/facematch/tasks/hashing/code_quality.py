"""How well N binary codes use their D bits: balance, correlation, collisions, and what taking signs loses.

Good codes have bits that are 1 for half of the photos and independent of each other (Weiss, Torralba &
Fergus, Spectral Hashing, NIPS 2008). None of these figures needs a label; none says that codes retrieve well.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facematch.evaluation.bootstrap import Floats
from facematch.ranking.codes import Codes, pack_codes


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
