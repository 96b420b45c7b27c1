"""One figure of an open set read from its exact curve, without an interval."""

from facematch.evaluation.open_set import dir_curve
from facematch.evaluation.relevance import RelevanceMatrix
from facematch.evaluation.step_curve import highest_within


def fnir_at_fpir(judged: RelevanceMatrix, fpir: float, rank: int = 1) -> float:
    """Return 1 − DIR at the largest threshold whose FPIR does not exceed `fpir` (0–1); not interpolated.

    NaN without known or without unknown queries. Raises FacematchError as `dir_curve`.
    """
    curve = dir_curve(judged, rank)
    return float(1 - highest_within(curve.fpir[None], curve.dir[None], fpir)[0])
