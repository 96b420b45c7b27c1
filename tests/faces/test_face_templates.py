"""Aligned crops: each template is met at any size, a turned photo gives the same crop, doubtful points turn little."""

from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.fingerprint import Value
from facematch.faces.cropper import Cropper, align, cut_square, similarity_transform, with_limited_roll
from facematch.faces.templates import FIVE_POINTS, Template, points_in_box, template_points
from facematch.faces.values import Crop, Face, Image
from facematch.photos.photo import Photo

TEMPLATES: tuple[Template, ...] = get_args(Template)


@dataclass
class Fixed:
    """Finds one face."""

    face: Face
    name: str = "fixed"

    def detect(self, image: Image) -> list[Face]:
        return [self.face]

    def settings(self) -> dict[str, Value]:
        return {}


def pairs(points: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)


def blurred(seed: int, side: int = 260) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6).astype(float)
    return np.clip((smooth - 127) * 8 + 127, 0, 255).astype(np.uint8)


def turned(points: NDArray[np.float64], degrees: float, scale: float = 1.0) -> NDArray[np.float64]:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return scale * (points - points.mean(0)) @ np.array([[cos, sin], [-sin, cos]]) + points.mean(0)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_face_in_its_crop_at_any_size(template: Template) -> None:
    points = template_points(template, 112, 0.2)
    left, right, nose, mouth_left, mouth_right = points
    assert 0 < left[0] < nose[0] < right[0] < 112
    assert left[1] < nose[1] < mouth_left[1] < 112
    assert abs(mouth_left[0] + mouth_right[0] - left[0] - right[0]) < 2
    shift = 0.5 * (template == "own")
    np.testing.assert_allclose(template_points(template, 224, 0.2) + shift, 2 * (points + shift))
    same = np.allclose(template_points(template, 112, 0.5), points)
    assert same == (template != "own")


def test_without_a_word_faces_are_aligned_as_arcface_has_them() -> None:
    assert np.array_equal(template_points("arcface", 112, 0.2), FIVE_POINTS)
    assert np.array_equal(template_points("arcface", 80, 0.2), FIVE_POINTS * (80 / 112))


def test_dlibs_template_is_its_chip() -> None:
    left, right, *_ = template_points("dlib", 150, 0.2)
    outer, inner = (np.array([0.1205750620789, 0.2137274526848]), np.array([0.3340850613712, 0.2290642403242]))
    np.testing.assert_allclose(left, 150 * ((outer + inner) / 2 + 0.25) / 1.5, atol=0.02)
    assert right[1] == pytest.approx(left[1], abs=0.1)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.3])
def test_own_is_what_a_box_with_its_margin_shows(margin: float) -> None:
    image, face = blurred(1), Face(70, 60, 100, 100, 1.0, "cascade")
    template = template_points("own", 96, margin)
    aligned, cut = align(image, points_in_box(face), 96, template), cut_square(image, face, 96, margin)
    assert np.abs(aligned.astype(int) - cut).mean() < 3


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(TEMPLATES), st.floats(-180, 180), st.floats(0.6, 1.6), st.integers(0, 9))
def test_a_turned_and_resized_photo_gives_the_same_crop(
    template: Template, degrees: float, scale: float, seed: int
) -> None:
    image, there = blurred(seed), template_points(template, 64, 0.2)
    points = (there - there.mean(0)) * 1.3 + 130
    matrix = cv2.getRotationMatrix2D((130, 130), degrees, scale)
    other = np.asarray(cv2.warpAffine(image, matrix, (260, 260), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    one, two = align(image, pairs(points), 64, there), align(other, pairs(moved), 64, there)
    inner = np.s_[14:50, 14:50]  # corners of the turned photo are beyond its edge
    assert np.abs(one[inner].astype(int) - two[inner]).mean() < 4


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(0, 90))
def test_points_that_fit_turn_a_face_however_far(degrees: float, limit: float) -> None:
    points = turned(FIVE_POINTS, degrees)
    matrix = similarity_transform(points, FIVE_POINTS)
    assert with_limited_roll(matrix, points, FIVE_POINTS, limit) is matrix


@settings(max_examples=50, deadline=None)
@given(st.floats(-170, 170), st.floats(0, 90), st.floats(0.5, 3))
def test_doubtful_points_turn_a_face_to_the_limit_and_keep_place_and_scale(
    degrees: float, limit: float, scale: float
) -> None:
    doubtful = FIVE_POINTS + np.array([[12, 0], [-12, 0], [0, 14], [-12, 0], [12, 0]])  # misses by .2 eye distances
    points = turned(doubtful, degrees, scale)
    whole = similarity_transform(points, FIVE_POINTS)
    matrix = with_limited_roll(whole, points, FIVE_POINTS, limit)
    roll = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    assert abs(roll) == pytest.approx(min(abs(degrees), limit), abs=1)
    assert roll * degrees <= 1
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(np.linalg.det(whole[:, :2]))
    np.testing.assert_allclose(points.mean(0) @ matrix[:, :2].T + matrix[:, 2], FIVE_POINTS.mean(0))


def test_a_croppers_template_and_roll_decide_its_crops_and_its_fingerprint() -> None:
    doubtful = turned(FIVE_POINTS + np.array([[12, 0], [-12, 0], [0, 14], [-12, 0], [12, 0]]), 30) + 60
    detector, photo = Fixed(Face(80, 80, 90, 90, 1.0, "fixed", pairs(doubtful))), Photo("a", "0" * 64, blurred(2))
    croppers = [*(Cropper(detector, 64, template=each) for each in TEMPLATES), Cropper(detector, 64, max_roll=5)]
    crops = [crop.image for each in croppers if isinstance(crop := each.crop(photo), Crop)]
    assert len(crops) == len({crop.tobytes() for crop in crops}) == 5
    assert len({each.fingerprint.digest for each in croppers}) == 5
    assert not {"faces.template", "faces.max_roll"} & set(croppers[0].fingerprint.settings)
