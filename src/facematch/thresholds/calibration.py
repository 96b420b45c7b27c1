"""The probability that two photos show the same person, given their distance; and how far to trust it.

A probability belongs to a prior, the share of same pairs among all pairs that are looked at. Fitted is the
prior of the pairs at hand (their base rate); `with_prior` turns it to another.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import MIN_PEOPLE, codes_of
from facematch.ranking.ranking import Ranking
from facematch.thresholds.values import Basis, Bools, Floats, same_limit

MIN_PAIRS = 10  # of same and of different pairs

M = TypeVar("M", bound="Isotonic | Platt")


@dataclass(frozen=True)
class Isotonic:
    """P(same) falls from one of K knots to the next in straight lines, and is level before and after them.

    It follows any falling shape; where all pairs of a fit were same (or none was) it says 1 (or 0), which
    is more than a finite sample knows.
    """

    distances: tuple[float, ...]
    probabilities: tuple[float, ...]
    base_rate: float
    prior: float
    basis: Basis

    def __post_init__(self) -> None:
        _check_rates(self.base_rate, self.prior)
        x, y = np.array(self.distances), np.array(self.probabilities)
        if not len(x) or len(x) != len(y) or (np.diff(x) <= 0).any() or (np.diff(y) > 0).any() or y[0] > 1 or y[-1] < 0:
            raise ValueError("an isotonic calibration has rising distances with falling probabilities")

    def probability(self, distances: ArrayLike) -> Floats:
        """Return P(same) of N distances, at the prior."""
        fitted = np.interp(np.asarray(distances, dtype=np.float64), self.distances, self.probabilities)
        return at_prior(np.asarray(fitted), self.base_rate, self.prior)

    def distance_at(self, probability: float) -> float:
        """Return the largest distance whose P(same) ≥ `probability`; ∓infinity where none or every one has it."""
        wanted = float(at_prior(np.array(probability), self.prior, self.base_rate))
        x, y = self.distances, self.probabilities
        last = sum(value >= wanted for value in y) - 1
        if last < 0 or last == len(y) - 1:
            return -math.inf if last < 0 else math.inf
        return x[last] + (y[last] - wanted) / (y[last] - y[last + 1]) * (x[last + 1] - x[last])


@dataclass(frozen=True)
class Platt:
    """P(same) = 1/(1 + exp(slope·distance + offset)) at the base rate, slope > 0. Never 0 or 1, two numbers only."""

    slope: float
    offset: float
    base_rate: float
    prior: float
    basis: Basis

    def __post_init__(self) -> None:
        _check_rates(self.base_rate, self.prior)
        if not (math.isfinite(self.slope) and math.isfinite(self.offset) and self.slope > 0):
            raise ValueError("a sigmoid calibration falls with the distance")

    def probability(self, distances: ArrayLike) -> Floats:
        """Return P(same) of N distances, at the prior."""
        from scipy.special import expit

        return np.asarray(expit(-(self.slope * np.asarray(distances, dtype=np.float64) + self._offset)))

    def distance_at(self, probability: float) -> float:
        """Return the distance whose P(same) is `probability`."""
        return (-_log_odds(probability) - self._offset) / self.slope

    @property
    def _offset(self) -> float:
        return self.offset + _log_odds(self.base_rate) - _log_odds(self.prior)


Calibration = Isotonic | Platt
Fit = Callable[[ArrayLike, ArrayLike, int, str], Calibration]


@dataclass(frozen=True)
class CalibratedThreshold:
    """Photos with P(same) ≥ `probability` are accepted."""

    model: Calibration
    probability: float = 0.5

    def __post_init__(self) -> None:
        _check_rates(self.probability)

    def limits(self, ranking: Ranking) -> Floats:
        """Return the limit of every place (Q×k). Raises FacematchError for a ranking by another metric."""
        self.model.basis.require(ranking)
        return same_limit(ranking, self.model.distance_at(self.probability))


def fit_isotonic(distances: ArrayLike, same: ArrayLike, people: int, metric: str) -> Isotonic:
    """Fit P(same) to N pairs as a function that falls with the distance, and is otherwise free.

    `people` is the number of people in the pairs. Raises FacematchError for fewer than 10 people, same pairs or
    different pairs.
    """
    from sklearn.isotonic import IsotonicRegression

    x, y = _pairs(distances, same, people)
    fit = IsotonicRegression(increasing=False).fit(x, y)
    knots, values, base_rate = fit.X_thresholds_.tolist(), fit.y_thresholds_.tolist(), float(y.mean())
    return Isotonic(tuple(knots), tuple(values), base_rate, base_rate, Basis(metric, len(x), people))


def fit_platt(distances: ArrayLike, same: ArrayLike, people: int, metric: str) -> Platt:
    """Fit P(same) to N pairs as a sigmoid of the distance with the least cross-entropy to Platt's smoothed targets.

    The targets are (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2) in place of 1 and 0 (Platt 1999), so that even pairs that a
    distance separates perfectly have a finite fit.

    Raises FacematchError as `fit_isotonic`, and when same pairs are not nearer than different ones.
    """
    x, y = _pairs(distances, same, people)
    slope, offset = _sigmoid_fit(x, y) if x.std() > 0 else (0.0, 0.0)
    if slope <= 0:
        raise FacematchError(
            f"among these {len(x)} pairs the same person's photos are no nearer than others, so a distance says "
            "nothing about who is shown.",
            "Look at the embedder and the labels: validation should tell people apart first.",
        )
    base_rate = float(y.mean())
    return Platt(slope, offset, base_rate, base_rate, Basis(metric, len(x), people))


def with_prior(model: M, prior: float) -> M:
    """Return the same calibration for another share of same pairs: its odds are multiplied by the priors' ratio.

    Right where same and different pairs have the distances they had, and only their numbers differ. Raises
    FacematchError for a prior that is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise FacematchError(f"the prior, the share of same pairs, lies between 0 and 1, not at {prior}.")
    return replace(model, prior=float(prior))


def at_prior(probabilities: Floats, base_rate: float, prior: float) -> Floats:
    """Return N probabilities at one share of same pairs turned to another, by their odds; 0 and 1 stay."""
    if base_rate == prior:
        return probabilities
    same, different = probabilities * prior / base_rate, (1 - probabilities) * (1 - prior) / (1 - base_rate)
    return np.asarray(same / (same + different))


@dataclass(frozen=True)
class Bin:
    """Pairs of alike probabilities: from `low` to `high`, their mean, and the share of them that is same."""

    low: float
    high: float
    probability: float
    share: float
    count: int


def reliability(probabilities: ArrayLike, same: ArrayLike, bins: int = 10) -> tuple[Bin, ...]:
    """Return `bins` groups of as many of N pairs each, by rising probability.

    Equal probabilities are never parted, so that nothing depends on the order of pairs: where many are equal
    the bins are fewer and of unequal size. The probabilities must come from a fit to *other* people, as
    `cross_calibration` gives them, or the curve shows nothing but the fit. Raises ValueError without a pair.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(same, dtype=np.bool_)
    if p.shape != y.shape or not len(p) or bins < 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"reliability compares N probabilities with N answers, not {p.shape} with {y.shape}")
    _, codes, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    number = np.floor(middle / len(p) * bins)[codes]
    groups = [number == each for each in np.unique(number)]
    return tuple(
        Bin(float(p[of].min()), float(p[of].max()), float(p[of].mean()), float(y[of].mean()), int(of.sum()))
        for of in groups
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the mean over pairs of |share of same − mean probability| of their bin.

    With ten bins of equal count it is that of Naeini, Cooper & Hauskrecht, Obtaining Well Calibrated
    Probabilities Using Bayesian Binning, AAAI 2015. It is above 0 for perfect probabilities too, by chance.
    """
    return sum(each.count * abs(each.share - each.probability) for each in bins) / sum(each.count for each in bins)


@dataclass(frozen=True, eq=False)
class CrossCalibration:
    """P(same) of the K kept of N pairs (`kept`, N `bool`), each from a fit to other people, at `prior`."""

    probabilities: Floats
    same: Bools
    kept: Bools
    prior: float


def cross_calibration(
    distances: ArrayLike,
    same: ArrayLike,
    first_people: Sequence[Hashable],
    second_people: Sequence[Hashable],
    metric: str,
    *,
    folds: int = 5,
    fit: Fit = fit_isotonic,
    seed: int = 0,
) -> CrossCalibration:
    """Return the probabilities of N pairs whose two people both took no part in the fit that gave them.

    People are dealt into folds by lot. Pairs within a fold get the probability of a fit to all pairs among
    the people of the other folds; pairs of two folds cannot be judged and fall away. That takes away most
    different pairs and no same one, so every fit is turned to the prior of the pairs that are kept.

    Raises FacematchError as `fit_isotonic`, for the people of any one fit.
    """
    x, y = np.asarray(distances, dtype=np.float64), np.asarray(same, dtype=np.bool_)
    if folds < 2 or not x.shape == y.shape == (len(first_people),) == (len(second_people),):
        raise ValueError("cross-calibration needs two folds, and for each pair a distance, an answer and two people")
    codes = codes_of([*first_people, *second_people]).reshape(2, -1)
    if ((codes[0] == codes[1]) != y).any():
        raise ValueError("a pair is same when its two people are, and only then")
    left, right = (np.random.default_rng(seed).permutation(codes.max(initial=0) + 1) % folds)[codes]
    kept = left == right
    _enough(int(y[kept].sum()), int((~y[kept]).sum()), len(np.unique(codes)))
    prior, found = float(y[kept].mean()), np.empty(len(x))
    for fold in np.unique(left[kept]):
        judged, seen = kept & (left == fold), (left != fold) & (right != fold)
        model = fit(x[seen], y[seen], len(np.unique(codes[:, seen])), metric)
        found[judged] = with_prior(model, prior).probability(x[judged])
    return CrossCalibration(found[kept], y[kept], kept, prior)


def _sigmoid_fit(x: Floats, same: Bools) -> tuple[float, float]:
    # A and B of P(same | x) = 1/(1 + exp(A·x + B)). A soft target t is a pair counted as same with weight t and as
    # different with weight 1 − t.
    from sklearn.linear_model import LogisticRegression

    middle, spread, wanted = float(x.mean()), float(x.std()), int(same.sum())
    targets = np.where(same, (wanted + 1) / (wanted + 2), 1 / (len(same) - wanted + 2))
    z, answers = np.tile((x - middle) / spread, 2)[:, None], np.repeat([1, 0], len(x))
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
    fit.fit(z, answers, np.concatenate([targets, 1 - targets]))
    slope = -float(fit.coef_[0, 0]) / spread
    return slope, -float(fit.intercept_[0]) - slope * middle


def _pairs(distances: ArrayLike, same: ArrayLike, people: int) -> tuple[Floats, Bools]:
    x, y = np.asarray(distances, dtype=np.float64), np.asarray(same, dtype=np.bool_)
    if x.shape != y.shape or x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"N pairs have N finite distances and N answers; found {x.shape} and {y.shape}")
    _enough(int(y.sum()), int((~y).sum()), people)
    return x, y


def _enough(same: int, different: int, people: int) -> None:
    if min(same, different) < MIN_PAIRS or people < MIN_PEOPLE:
        raise FacematchError(
            f"insufficient data: a calibration needs {MIN_PAIRS} same and {MIN_PAIRS} different pairs of "
            f"{MIN_PEOPLE} people; there are {same} and {different} of {people}.",
            "Validate on more people.",
        )


def _log_odds(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)


def _check_rates(*rates: float) -> None:
    if not all(0 < rate < 1 for rate in rates):
        raise ValueError(f"a probability or prior of a calibration lies between 0 and 1: {rates}")
