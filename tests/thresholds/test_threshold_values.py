"""Answers and limits, and thresholds kept as plain values and read again."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facematch.core import kinds
from facematch.core.errors import FacematchError
from facematch.ranking.ranking import Ranking, distance_estimator
from facematch.thresholds import kept
from facematch.thresholds.calibration import CalibratedThreshold, Isotonic, Platt
from facematch.thresholds.conformal import ConformalThreshold, fit_conformal
from facematch.thresholds.dynamic import DynamicRule, DynamicThreshold, fit_dynamic, neighbourhood_adjustments
from facematch.thresholds.kept import FittedThreshold, threshold_as_dict, threshold_from_dict
from facematch.thresholds.static import StaticThreshold
from facematch.thresholds.values import Basis, accept, accepted_mask
from threshold_helpers import judged_people, people_embeddings, ranking_of

BASIS = Basis("euclidean", 40, 12)


def test_photos_no_farther_than_their_limit_are_accepted_best_first() -> None:
    ranking = ranking_of([[0.5, 0.1, 0.3], [0.2, 0.9, 0.8]])
    accepted = accept(ranking, np.array([[0.2, 0.1, 0.5], [0.1, 0.1, 0.1]]))
    assert accepted == {"q000": ("g001", "g000"), "q001": ()}  # the second place is beyond its own limit


def test_a_photo_at_the_limit_is_accepted_and_an_empty_place_never_is() -> None:
    distances = np.array([[0.25, 0.5, np.inf]], dtype=np.float32)
    assert accepted_mask(distances, np.full((1, 3), 0.25)).tolist() == [[True, False, False]]
    assert accepted_mask(distances, np.full((1, 3), np.inf)).tolist() == [[True, True, False]]
    assert not accepted_mask(distances, np.full((1, 3), -np.inf)).any()


def test_a_query_that_stands_in_its_gallery_never_gets_itself() -> None:
    embeddings, _ = people_embeddings(3, 2)
    ranking = distance_estimator(embeddings, embeddings, len(embeddings), exclude_same_name=True)
    accepted = accept(ranking, np.full(ranking.distances.shape, np.inf))
    assert [set(names) for names in accepted.values()] == [set(embeddings.names) - {own} for own in embeddings.names]


def test_a_ranking_without_a_place_answers_nobody() -> None:
    empty = Ranking(("q",), (), np.empty((1, 0), np.int64), np.empty((1, 0), np.float32), "euclidean")
    assert accept(empty, np.empty((1, 0))) == {"q": ()}


def test_limits_of_another_shape_or_without_a_number_are_refused() -> None:
    ranking = ranking_of([[0.5, 0.1]])
    with pytest.raises(ValueError, match="as many limits"):
        accept(ranking, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="NaN"):
        accept(ranking, np.array([[0.1, np.nan]]))


def test_a_basis_checks_itself() -> None:
    with pytest.raises(ValueError, match="rests on somebody"):
        Basis("euclidean", 3, 0)


def fitted() -> dict[str, FittedThreshold]:
    ranking, gallery, judged = judged_people(0)
    return {
        "static": StaticThreshold(0.1 + 0.2, 2 / 3, BASIS),
        "dynamic rule": fit_dynamic(judged, neighbourhood_adjustments([ranking], [gallery]), "euclidean"),
        "isotonic": CalibratedThreshold(Isotonic((0.1, 0.7), (1.0, 1 / 3), 0.1, 0.2, BASIS), 0.9),
        "platt": CalibratedThreshold(Platt(1 / 3, -2.0, 0.1, 0.1, BASIS)),
    }


def usable() -> dict[str, StaticThreshold | CalibratedThreshold | DynamicThreshold | ConformalThreshold]:
    ranking, gallery, judged = judged_people(0)
    conformal = fit_conformal(ranking.distances[:, 0], list(judged.groups), 0.2, "euclidean", gallery.names)
    made = {name: each.on(gallery) if isinstance(each, DynamicRule) else each for name, each in fitted().items()}
    return {**made, "conformal": conformal}


@pytest.mark.parametrize("name", list(fitted()))
def test_kept_and_read_again_is_equal(name: str) -> None:
    threshold = fitted()[name]
    again = threshold_from_dict(json.loads(json.dumps(threshold_as_dict(threshold), allow_nan=False)))
    assert again == threshold
    assert type(again) is type(threshold)


@pytest.mark.parametrize("name", list(usable()))
def test_a_ranking_by_another_metric_is_refused(name: str) -> None:
    threshold = usable()[name]
    ranking = replace(judged_people(0)[0], metric="cosine")
    with pytest.raises(FacematchError, match="fitted on euclidean distances, but the ranking is by cosine") as caught:
        threshold.limits(ranking)
    assert "Fit thresholds again" in caught.value.hint


STATIC: dict[str, Any] = {
    "kind": "static",
    "distance": 0.5,
    "f1": 0.9,
    "basis": {"metric": "cosine", "count": 9, "people": 3},
}
PLATT = {"slope": 1.0, "offset": 0.0, "base_rate": 0.5, "prior": 0.5, "basis": STATIC["basis"]}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "no kind"),
        ({**STATIC, "kind": "magic"}, "known are static"),
        ({**STATIC, "kind": ["static"]}, "no kind, or an unknown one"),
        ({key: STATIC[key] for key in ("kind", "f1", "basis")}, "distance: Field required"),
        ({**STATIC, "distance": "0.5"}, "distance"),
        ({**STATIC, "distance": True}, "distance"),
        ({**STATIC, "distance": None}, "distance"),
        ({**STATIC, "distance": float("nan")}, "not JSON compliant"),
        ({**STATIC, "distance": float("inf")}, "not JSON compliant"),
        ({**STATIC, "more": 1}, "fields that are not known"),
        ({**STATIC, "basis": {**STATIC["basis"], "more": 1}}, "fields that are not known"),
        ({**STATIC, "basis": {**STATIC["basis"], "people": 2.5}}, r"basis\.people"),
        ({**STATIC, "basis": {**STATIC["basis"], "people": 0}}, "rests on somebody"),
        ({"kind": "calibrated", "probability": 0.5, "model": {**PLATT, "slope": -1.0}}, "falls with the distance"),
        ({"kind": "calibrated", "probability": 1.5, "model": PLATT}, "between 0 and 1"),
        ({"kind": "calibrated", "probability": 0.5, "model": {**PLATT, "prior": 1.0}}, "between 0 and 1"),
        ({"kind": "calibrated", "probability": 0.5, "model": {"distances": []}}, "model"),
        ({**threshold_as_dict(fitted()["dynamic rule"]), "of": "both"}, "'gallery' or 'query'"),
        ({**threshold_as_dict(fitted()["dynamic rule"]), "neighbours": 0}, "at least 1"),
        ({**STATIC, "basis": object()}, "not JSON serializable"),
    ],
)
def test_anything_else_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(FacematchError, match=why) as caught:
        threshold_from_dict(values)
    assert "these values are no fitted threshold" in caught.value.message


def test_a_threshold_of_a_gallery_that_makes_no_sense_is_refused() -> None:
    dynamic, conformal = usable()["dynamic rule"], usable()["conformal"]
    with pytest.raises(ValueError, match="neighbourhoods"):
        replace(dynamic, gallery=("a",))
    for wrong in ({"place": 0}, {"alpha": 1.0}):
        with pytest.raises(ValueError, match="promises no rate"):
            replace(conformal, **wrong)


def test_a_conformal_threshold_knows_its_gallery() -> None:
    threshold = usable()["conformal"]
    with pytest.raises(FacematchError, match="of another one, of 2 photos"):
        threshold.limits(ranking_of([[0.1, 0.2]]))


def test_a_plug_in_that_cannot_be_loaded_spoils_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"theirs": [kinds.Kind("thresholds", "theirs", "no_such_module:x", "their-pack 2.0")]}
    monkeypatch.setattr(kinds, "plugins", lambda group: broken)
    monkeypatch.setattr(kept, "plugins", lambda group: broken)
    for threshold in fitted().values():
        assert threshold_from_dict(threshold_as_dict(threshold)) == threshold
    with pytest.raises(FacematchError, match=r"their-pack 2\.0"):
        threshold_from_dict({"kind": "theirs"})
