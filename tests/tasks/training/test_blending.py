"""Blended faces: aligned where their five points meet, cut as their photo's crop is, drawn by their seed alone."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from facematch.faces.cropper import align, cut_square
from facematch.faces.templates import FIVE_POINTS, Template, template_points
from facematch.faces.values import Face, Image
from facematch.tasks.training import blending
from facematch.tasks.training.blending import (
    POINTS,
    SIDE,
    FaceFrame,
    aligned,
    aligned_frame,
    blend,
    blended_face,
    crop_of,
    face_frame,
    picture_of,
)

Points = list[tuple[float, float]]


def smooth(seed: int, height: int = 240, width: int = 260) -> Image:
    """A picture without edges: soft blots of colour."""
    small = default_rng(seed).uniform(0, 255, (6, 6, 3)).astype(np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def turned(degrees: float, scale: float) -> Points:
    """The template's points, turned and scaled, about the middle of such a picture."""
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return [(float(x), float(y)) for x, y in (FIVE_POINTS - 56) @ matrix.T + (130, 120)]


def frame(seed: int, degrees: float = 0.0) -> FaceFrame:
    return face_frame(smooth(seed), turned(degrees, 0.8), (80, 70, 100, 100), 0.3)


@pytest.mark.parametrize("degrees", [0.0, 8.0, -25.0])
@pytest.mark.parametrize("size", [48, 96, 140])
def test_a_frame_holds_the_crop_and_the_aligned_face_of_its_photo(degrees: float, size: int) -> None:
    photo, points, box = smooth(1), turned(degrees, 0.8), (84, 66, 95, 103)
    made = face_frame(photo, points, box, 0.2)
    picture = picture_of(made)
    assert picture.shape == (SIDE, SIDE, 3)
    cropped = cut_square(photo, Face(*box, 1.0, "haar"), size, 0.2)
    assert np.abs(crop_of(picture, made, size).astype(int) - cropped).mean() < 1.5
    aligned = align(picture, [(float(x), float(y)) for x, y in POINTS], 112)
    assert np.abs(aligned.astype(int) - align(photo, points, 112)).mean() < 1.5


def test_a_crop_beyond_the_frame_repeats_its_edge() -> None:
    made = face_frame(smooth(2), turned(0, 0.8), (-100, -100, 500, 500), 0.0)
    crop = crop_of(picture_of(made), made, 64)
    assert crop.shape == (64, 64, 3)
    np.testing.assert_array_equal(crop[0, 0], crop[1, 1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_face_blended_with_its_like_is_itself(seed: int) -> None:
    half = picture_of(frame(3))[:, : SIDE // 2]
    face = np.concatenate([half, half[:, ::-1]], axis=1)  # its own mirror image
    assert np.abs(blend(face, face, default_rng(seed)).astype(int) - face).max() <= 1


@pytest.mark.parametrize("kind", range(4))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_kind_takes_its_part_of_the_other_face(kind: int, seed: int) -> None:
    mask = blending._mask(kind, default_rng(seed))
    eyes, mouth = (int(POINTS[rows, 1].mean()) for rows in (slice(0, 2), slice(3, 5)))
    middle = int(POINTS[:, 0].mean())
    assert mask.shape == (SIDE, SIDE)
    assert 0 <= mask.min() <= mask.max() <= 1
    if kind == 1:
        assert 0.3 <= mask.min() == mask.max() <= 0.7  # all of it alike
        return
    assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 1e-6  # the first one's background
    low, high = sorted([mask[eyes, middle], mask[mouth, middle]])
    if kind == 2:
        assert low < 0.1 < 0.9 < high  # one of eyes and mouth
    elif kind == 0:
        assert 0.29 < low <= high < 0.71
    else:
        assert low > 0.79


def test_the_other_face_takes_the_colours_of_the_first() -> None:
    bright, dark = (np.asarray(smooth(4, SIDE, SIDE), np.float32) * factor for factor in (1.0, 0.4))
    about = blending._ABOUT
    matched = blending._coloured(dark, bright)[about]
    np.testing.assert_allclose(matched.mean((0, 1)), bright[about].mean((0, 1)), atol=0.01)
    assert (matched.std((0, 1)) > dark[about].std((0, 1))).all()


def test_a_seed_draws_two_different_faces_and_always_the_same() -> None:
    frames = [frame(number, degrees=3.0 * number) for number in range(4)]
    crop, picture = blended_face(frames, 64, seed=5)
    again, likewise = blended_face(frames, 64, seed=5)
    np.testing.assert_array_equal(crop, again)
    np.testing.assert_array_equal(picture, likewise)
    assert (crop.shape, picture.shape, crop.dtype) == ((64, 64, 3), (SIDE, SIDE, 3), np.uint8)
    assert (crop != blended_face(frames, 64, seed=6)[0]).any()
    with pytest.raises(ValueError, match="larger sample than population"):
        blended_face(frames[:1], 64, seed=5)


@pytest.mark.parametrize(("template", "size"), [("arcface", 112), ("arcface", 40), ("dlib", 150), ("own", 64)])
def test_each_teacher_sees_a_face_where_its_template_has_the_points(template: Template, size: int) -> None:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    for x, y in POINTS:
        cv2.circle(picture, (round(x), round(y)), 3, (255, 255, 255), -1)
    places = template_points(template, size, 0.2)
    made = aligned(np.stack([picture, picture]), size, places)
    assert made.shape == (2, size, size, 3)
    for x, y in places:
        assert made[0][round(y), round(x)].min() > 120, (x, y)


@pytest.mark.parametrize("template", ["arcface", "own"])
def test_the_crop_of_an_aligned_face_is_where_its_template_has_it(template: Template) -> None:
    picture = np.zeros((300, 300, 3), np.uint8)
    points = [(float(x), float(y)) for x, y in FIVE_POINTS * 1.5 + [60, 50]]
    for x, y in points:
        cv2.circle(picture, (round(x), round(y)), 5, (255, 255, 255), -1)
    made = aligned_frame(picture, points, template_points(template, 112, 0.3))
    for size in (112, 160, 80):
        crop = crop_of(picture_of(made), made, size)
        direct = align(picture, points, size, template_points(template, size, 0.3))
        assert np.abs(crop.astype(int) - direct).mean() < 6
        for x, y in template_points(template, size, 0.3):
            assert crop[round(y), round(x)].min() > 120
