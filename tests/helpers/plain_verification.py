"""Figures of verification read from the exact ROC one by one, without intervals."""

from facematch.evaluation.step_curve import area, crossing, highest_within
from facematch.evaluation.verification import Pairs, roc


def auc(pairs: Pairs) -> float:
    """Return the area under the ROC: how often a same pair is nearer than a different one, ties one half.

    NaN without same or without different pairs.
    """
    curve = roc(pairs)
    return float(area(curve.far[None], curve.tar[None])[0])


def eer(pairs: Pairs) -> float:
    """Return the equal error rate: FAR where it equals the false reject rate 1 − TAR.

    Neighbouring points of the exact ROC are joined by straight lines, not those of its convex hull, which
    would give a lower rate that no threshold reaches. NaN without same or without different pairs.
    """
    curve = roc(pairs)
    return float(crossing(curve.far[None], curve.tar[None])[0])


def tar_at_far(pairs: Pairs, far: float) -> float:
    """Return the TAR at the largest threshold whose FAR does not exceed `far` (0–1): conservative, not interpolated.

    NaN without same or without different pairs.
    """
    curve = roc(pairs)
    return float(highest_within(curve.far[None], curve.tar[None], far)[0])
