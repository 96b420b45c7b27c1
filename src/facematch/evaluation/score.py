"""The competition's score, from 0 to 1000."""

WEIGHTS = (600.0, 300.0, 100.0)  # of top-1, top-5 and top-10


def competition_score(top1: float, top5: float, top10: float) -> float:
    """Return 600·top1 + 300·top5 + 100·top10, from 0 to 1000.

    Each argument is the share (0–1) of queries with a right identity among the first 1, 5 or 10
    names. The shares are cumulative: a query answered right at once counts in all three.
    """
    return WEIGHTS[0] * top1 + WEIGHTS[1] * top5 + WEIGHTS[2] * top10
