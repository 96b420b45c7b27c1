"""Figures of detection against a naive count, and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.evaluation.detection import RIGHT, Found, judge
from facematch.faces.values import Face


def face(box: list, score: float, shift: float = 0.0) -> Face:
    """Points are the corners and the middle of the box, `shift` pixels off."""
    a, b, c, d = box
    points = ((a, b), (c, b), ((a + c) / 2, (b + d) / 2), (a, d), (c, d))
    return Face(a, b, c - a, d - b, score, "", tuple((x + shift, y + shift) for x, y in points))


def found(boxes: list, scores: list, faces: list, unknown: list | None = None, shift: float = 0.0) -> Found:
    """One picture: boxes found, with their scores, boxes that are there and unknown places."""
    said = [face(box, score, shift) for box, score in zip(boxes, scores, strict=True)]
    return Found(said, [face(box, 1) for box in faces], [face(box, 1) for box in unknown or []])


FACE = [0, 0, 10, 10]


def test_a_face_counts_once_for_its_surest_box() -> None:
    judged = judge([found([FACE, [0, 0, 10, 9], [50, 50, 60, 60]], [0.6, 0.9, 0.3], [FACE])])
    at = judged.at(0.0)
    assert (at.recall, at.false_faces, at.faces, at.pictures) == (1.0, 2.0, 1, 1)
    assert judged.at(0.7).false_faces == 0
    assert judged.at(0.95).recall == 0


def test_half_the_union_is_right_and_less_is_not() -> None:
    assert judge([found([[0, 0, 10, 5]], [1], [FACE])]).at(0).recall == 1  # exactly 0.5
    assert judge([found([[0, 0, 10, 4.9]], [1], [FACE])]).at(0).recall == 0
    assert RIGHT == 0.5


def test_of_an_unknown_place_nothing_is_said() -> None:
    at = judge([found([[0, 0, 10, 10], [40, 40, 44, 44]], [0.9, 0.8], [], [[0, 0, 12, 12], [30, 30, 60, 60]])]).at(0)
    assert at.false_faces == 0
    assert at.recall == 0


def test_points_are_measured_in_distances_of_the_eyes() -> None:
    at = judge([found([FACE], [1], [FACE], shift=1.0)]).at(0)
    assert at.point_error == pytest.approx(np.sqrt(2) / 10)
    assert judge([found([], [], [FACE])]).at(0).point_error is None


def test_a_rate_of_false_faces_is_kept() -> None:
    pictures = [found([[50, 50, 60, 60]], [each / 100], []) for each in range(100)]
    pictures += [found([FACE], [0.5], [FACE]) for _ in range(100)]
    judged = judge(pictures)
    at = judged.at_false_faces(0.01)
    assert at.false_faces <= 0.01
    assert at.threshold > 0.97  # two false faces in 200 pictures: 0.98 and 0.99
    assert at.recall == 0
    assert judged.at_false_faces(0.3).recall == 1
    assert judged.at_false_faces(1.0).threshold == 0


@st.composite
def scenes(draw: st.DrawFn) -> Found:
    box = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
        lambda at: [at[0] * 6, at[1] * 6, at[0] * 6 + 8, at[1] * 6 + 8]
    )
    boxes = draw(st.lists(box, max_size=5))
    scores = draw(st.lists(st.sampled_from([0.1, 0.4, 0.6, 0.9]), min_size=len(boxes), max_size=len(boxes)))
    return found(boxes, scores, draw(st.lists(box, max_size=3, unique_by=tuple)))


@given(st.lists(scenes(), min_size=1, max_size=4), st.sampled_from([0.0, 0.3, 0.5, 0.95]))
def test_as_a_naive_count(pictures: list[Found], threshold: float) -> None:
    right = false = faces = 0
    for each in pictures:
        left = [corners(one) for one in each.there]
        faces += len(left)
        for said in sorted(each.faces, key=lambda one: -one.score):
            overlaps = {one: overlap(corners(said), one) for one in left}
            best = max(overlaps, key=lambda one: overlaps[one], default=None)
            hit = best is not None and overlaps[best] >= RIGHT
            if hit:
                left.remove(best)
            if said.score >= threshold:
                right, false = right + hit, false + (not hit)
    at = judge(pictures).at(threshold)
    assert at.recall == right / max(1, faces)
    assert at.false_faces == false / len(pictures)


def corners(one: Face) -> tuple[int, int, int, int]:
    return int(one.x), int(one.y), int(one.x + one.width), int(one.y + one.height)


def overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    cells = [{(x, y) for x in range(a, c) for y in range(b, d)} for a, b, c, d in (one, other)]
    return len(cells[0] & cells[1]) / len(cells[0] | cells[1])


@given(st.lists(scenes(), min_size=1, max_size=4))
def test_a_lower_threshold_never_finds_less(pictures: list[Found]) -> None:
    judged = judge(pictures)
    recalls = [judged.at(each).recall for each in (0.95, 0.5, 0.3, 0.0)]
    assert recalls == sorted(recalls)
