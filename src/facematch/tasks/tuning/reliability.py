"""The reliability diagram as one SVG file: do pairs said to be same with probability p turn out same p of the time?"""

from collections.abc import Sequence

from facematch.charts.chart import Axis, Chart, Series
from facematch.charts.draw import chart_file
from facematch.thresholds.calibration import Bin, expected_calibration_error

_COLUMNS = ("probability from", "to", "mean", "share same", "pairs")


def reliability_svg(bins: Sequence[Bin], title: str = "Reliability of P(same)") -> bytes:
    """Return a self-contained SVG: share of same pairs against mean probability of each bin, and the numbers below.

    Perfect probabilities lie on the dashed diagonal, over-confident ones below it where they are high and above
    it where they are low. A point is larger for more pairs. Raises ValueError without a bin.
    """
    if not bins:
        raise ValueError("a reliability diagram needs pairs")
    pairs = sum(each.count for each in bins)
    error = expected_calibration_error(bins)
    across, up = [each.probability for each in bins], [each.share for each in bins]
    chart = Chart(
        "reliability",
        title,
        f"{pairs:,} pairs in {len(bins)} bins; expected calibration error {error:.4f}",
        Axis("mean probability of the bin", 0, 1),
        Axis("share of same pairs", 0, 1),
        [
            Series("these pairs", across, up, points=True, sizes=[each.count for each in bins]),
            Series("perfect", [0, 1], [0, 1]),
        ],
        square=True,
    )
    rows = [
        (*(f"{number:.4f}" for number in (each.low, each.high, each.probability, each.share)), f"{each.count:,}")
        for each in bins
    ]
    return chart_file(chart, _COLUMNS, rows)
