"""Of faces that overlap the surest stays; the rest of what is found is as it was."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.faces import detectors
from facematch.faces.boxes import counterpart, without_overlaps
from facematch.faces.detectors import HaarDetector
from facematch.faces.values import Face
from facematch.pipeline.build import build_cropper
from facematch.settings.file import load_settings

CASCADE = "haarcascade_frontalface_default.xml"


def face(x: float, y: float, side: float, score: float) -> Face:
    return Face(x, y, side, side, score, CASCADE)


def test_a_larger_chance_find_around_a_face_goes() -> None:
    real, chance, other = face(64, 66, 120, 51), face(80, 7, 138, 6), face(300, 60, 80, 9)
    assert without_overlaps([chance, other, real], 0.3) == [real, other]
    assert without_overlaps([chance, other, real], 0.5) == [real, other, chance]


def test_what_goes_takes_nothing_with_it() -> None:
    first, second, third = face(0, 0, 100, 3), face(40, 0, 100, 2), face(80, 0, 100, 1)
    # The middle one overlaps both and goes; the third then meets only the first, which it hardly touches.
    assert without_overlaps([third, second, first], 0.3) == [first, third]


SIDES = st.integers(1, 60)
FACES = st.lists(st.builds(face, SIDES, SIDES, SIDES, st.integers(0, 3)), max_size=8)


def pixels(each: Face) -> set[tuple[int, int]]:
    rows, columns = range(int(each.y), int(each.y + each.height)), range(int(each.x), int(each.x + each.width))
    return {(row, column) for row in rows for column in columns}


@given(FACES, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_suppression_is_that_of_counted_pixels(faces: list[Face], most: float) -> None:
    kept: list[Face] = []
    for each in sorted(faces, key=lambda one: (-one.score, one.x, one.y, one.width)):
        shares = [len(pixels(each) & pixels(one)) / len(pixels(each) | pixels(one)) for one in kept]
        if all(share <= most for share in shares):
            kept.append(each)
    assert without_overlaps(faces, most) == kept


@given(FACES, st.sampled_from([0.25, 0.5, 1.0]))
def test_the_counterpart_shares_most_counted_pixels(faces: list[Face], least: float) -> None:
    one = face(20, 20, 20, 0)
    shares = [len(pixels(one) & pixels(other)) / len(pixels(one) | pixels(other)) for other in faces]
    best = max(shares, default=0.0)
    assert counterpart(one, faces, least) == (faces[shares.index(best)] if best >= least else None)


@given(st.permutations([face(0, 0, 10, 1), face(1, 1, 10, 1), face(2, 2, 11, 1), face(50, 0, 9, 2)]))
def test_the_order_of_detections_does_not_matter(faces: list[Face]) -> None:
    assert without_overlaps(faces, 0.3) == [face(50, 0, 9, 2), face(0, 0, 10, 1)]


def test_the_setting_reaches_the_detector_and_the_fingerprint() -> None:
    plain, chosen = (build_cropper(load_settings(None, sets).faces) for sets in ([], ["faces.overlap=0.3"]))
    assert isinstance(chosen.detector, HaarDetector)
    assert chosen.detector.overlap == 0.3
    assert chosen.fingerprint.difference(plain.fingerprint) == ("faces.overlap", 0.3, None)
    assert "faces.overlap" not in plain.fingerprint.settings  # so what was made before there was a choice fits


def test_the_detector_applies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cascade:
        def detectMultiScale2(self, *_: object, **__: object) -> tuple[list[list[int]], list[int]]:  # noqa: N802
            return [[80, 7, 138, 138], [64, 66, 120, 120]], [6, 51]

    monkeypatch.setattr(detectors, "_cascade", lambda name: Cascade())
    photo = np.zeros((250, 250, 3), np.uint8)
    assert [each.score for each in HaarDetector((CASCADE,), detect_sizes=(320,)).detect(photo)] == [6, 51]
    (found,) = HaarDetector((CASCADE,), detect_sizes=(320,), overlap=0.3).detect(photo)
    assert math.isclose(found.x, 64)
    assert found.score == 51
