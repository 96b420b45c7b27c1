"""The list of tie-aware figures holds what its parts say, and says how mAP was cut."""

import numpy as np
import pytest

from facematch.evaluation.expected_ties import expected_average_precision
from facematch.evaluation.tied_figures import tied_figures
from tied_cases import tie_groups

ROWS = [[(2, 1), (0, 0), (1, 1), (4, 0)], [(0, 0), (0, 0), (0, 0), (7, 2)]]


def test_every_figure_has_its_name_and_value() -> None:
    figures = {each.name: each.value for each in tied_figures(tie_groups(ROWS))}
    assert figures["mAP"] == pytest.approx(float(np.mean(expected_average_precision(tie_groups(ROWS)))))
    assert figures["top-1"] == pytest.approx((1 / 2 + 2 / 7) / 2)
    assert figures["precision@10"] == pytest.approx((2 + 2) / 20)
    assert figures["precision within radius 2"] == pytest.approx((2 / 3 + 0) / 2)
    assert figures["queries with nothing within radius 2"] == 0.5


@pytest.mark.parametrize(("photos", "cut"), [(7, 10), (100, 10), (101, 100), (1000, 100), (1001, 1000)])
def test_map_is_cut_below_the_gallery(photos: int, cut: int) -> None:
    names = [each.name for each in tied_figures(tie_groups([[(photos, 3)]]), rounds=10)]
    assert f"mAP@{cut} over all relevant" in names
