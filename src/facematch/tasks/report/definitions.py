"""What each figure of a report means, in one line."""

import re
from collections.abc import Sequence

# What a figure's name looks like, and what it means.
_DEFINITIONS = (
    (r"top-\d+", "share of queries with a right photo among the first 1, 5, … (CMC at that rank)"),
    (
        r"mAP",
        "mean over queries of the average precision over the whole ranking, divided by all right photos of the gallery",
    ),
    (r"mAP \(trapezoid\)", "the same by the trapezoidal rule, as the published ROxford evaluator sums it"),
    (r"mAP@R", "average precision over the first R places, R being the number of a query's right photos"),
    (r"R-precision", "share of right photos among the first R places, R being the number of a query's right photos"),
    (r"MRR", "mean of one over the place of the first right photo"),
    (
        r"precision@\d+",
        "right photos among the first so many, divided by that number, even where fewer are right at all",
    ),
    (r"recall@\d+", "right photos among the first so many, divided by all right photos of the gallery"),
    (r"ROC AUC", "how often a pair of one person is nearer than a pair of two, ties counting one half"),
    (
        r"EER",
        "the error rate at the threshold that accepts as large a share of wrong pairs as it refuses of right ones",
    ),
    (
        r"TAR@FAR=.+",
        "share of right pairs accepted at the largest threshold that accepts at most this share of the wrong ones",
    ),
    (
        r"FNIR@FPIR=.+",
        "share of known people not found at the threshold that answers at most this share of the unknown ones",
    ),
)


def definitions_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (figures, what they mean) for all figures that have a definition; those of one kind stand together."""
    found = []
    for pattern, words in _DEFINITIONS:
        alike = [name for name in names if re.fullmatch(pattern, name)]
        if alike:
            found.append((", ".join(alike), words))
    return found
