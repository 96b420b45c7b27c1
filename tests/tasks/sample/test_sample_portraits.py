"""Photographs of one face: plausible sizes, found by the Haar cascade, and different every time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.photos.encoded import jpeg_bytes
from facematch.tasks.sample.portraits import Portrait, background, load_backgrounds, load_faces, make_portrait

Box = tuple[int, int, int, int]
_LOCAL = threading.local()


def _portrait(person: int, number: int) -> Portrait:
    rng = np.random.default_rng(np.random.SeedSequence(2026, spawn_key=(1, person, number)))
    return make_portrait(load_faces()[person], load_backgrounds(), rng)


def _haar(image: NDArray[np.uint8]) -> list[Box]:
    if not hasattr(_LOCAL, "cascade"):
        _LOCAL.cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    boxes = _LOCAL.cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(40, 40))
    return [tuple(int(value) for value in box) for box in boxes]


@pytest.fixture(scope="module")
def portraits() -> list[tuple[int, Portrait, list[Box]]]:
    """Return four photographs of each of 20 people with the boxes the cascade finds."""
    jobs = [(person, number) for person in range(0, 100, 5) for number in range(4)]

    def make(job: tuple[int, int]) -> tuple[int, Portrait, list[Box]]:
        portrait = _portrait(*job)
        return job[0], portrait, _haar(portrait.image)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(make, jobs))


def test_photographs_have_the_promised_sizes(portraits: list[tuple[int, Portrait, list[Box]]]) -> None:
    for _, portrait, _ in portraits:
        height, width, channels = portrait.image.shape
        centre_x, centre_y, side = portrait.face
        assert portrait.image.dtype == np.uint8
        assert channels == 3
        assert 220 <= min(height, width) <= max(height, width) <= 320
        assert 90 <= side <= 150
        assert side / 2 <= centre_x <= width - side / 2
        assert side / 2 <= centre_y <= height - side / 2


def test_faces_are_neither_all_of_one_size_nor_all_in_the_middle(
    portraits: list[tuple[int, Portrait, list[Box]]],
) -> None:
    sides = [portrait.face[2] for _, portrait, _ in portraits]
    away = [abs(portrait.face[0] / portrait.image.shape[1] - 0.5) for _, portrait, _ in portraits]
    assert max(sides) - min(sides) > 30
    assert max(away) > 0.05


def test_the_cascade_finds_most_faces_where_they_are(portraits: list[tuple[int, Portrait, list[Box]]]) -> None:
    found = 0
    for _, portrait, boxes in portraits:
        x, y, width, _ = max(boxes, key=lambda box: box[2], default=(-999, -999, 1, 1))
        centre_x, centre_y, side = portrait.face
        near = abs(x + width / 2 - centre_x) < 0.25 * side and abs(y + width / 2 - centre_y) < 0.3 * side
        found += near and 0.6 < width / side < 1.6
    assert found >= 0.88 * len(portraits), "over the whole sample it is .95"


def test_backgrounds_hold_no_face_of_their_own() -> None:
    for seed in range(30):
        picture = background(load_backgrounds(), 260, 240, np.random.default_rng(seed))
        assert _haar(np.clip(picture, 0, 255).astype(np.uint8)) == []


def test_grey_pixels_are_neither_hopeless_nor_enough(portraits: list[tuple[int, Portrait, list[Box]]]) -> None:
    rows, people = [], []
    for person, portrait, boxes in portraits:
        if boxes:
            x, y, width, height = max(boxes, key=lambda box: box[2])
            grey = cv2.cvtColor(portrait.image, cv2.COLOR_RGB2GRAY)[y : y + height, x : x + width]
            rows.append(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).ravel().astype(float))
            people.append(person)
    matrix = np.array(rows)
    distances = ((matrix[:, None] - matrix[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    right = np.mean(np.array(people)[distances.argmin(1)] == people)
    assert 0.15 < right < 0.7, "by chance it is .04"


def test_photographs_are_in_colour_with_warm_skin(portraits: list[tuple[int, Portrait, list[Box]]]) -> None:
    warm = 0
    for _, portrait, _ in portraits:
        x, y, side = portrait.face
        patch = portrait.image[int(y) : int(y + side / 5), int(x - side / 8) : int(x + side / 8)]
        red, _, blue = patch.reshape(-1, 3).mean(0)
        warm += red > blue
    assert warm >= 0.8 * len(portraits), "the others have a hand or a scarf there, or a cold light"


def test_the_same_seed_gives_the_same_photograph() -> None:
    one, other = _portrait(3, 1), _portrait(3, 1)
    np.testing.assert_array_equal(one.image, other.image)
    assert one.face == other.face


def test_another_number_gives_another_photograph() -> None:
    one, other = _portrait(3, 1), _portrait(3, 2)
    assert one.image.shape != other.image.shape or (one.image != other.image).mean() > 0.5


def test_only_the_face_belongs_to_the_person() -> None:
    # With the same random numbers, two people differ in the head and nowhere else.
    for seed in range(6):
        one, other = (
            make_portrait(load_faces()[person], load_backgrounds(), np.random.default_rng(seed)) for person in (10, 50)
        )
        assert one.face == other.face
        x, y, side = one.face
        differs = (one.image != other.image).any(axis=2)
        rows, columns = np.nonzero(differs)
        assert differs[int(y - side / 4) : int(y + side / 4), int(x - side / 4) : int(x + side / 4)].mean() > 0.5
        assert columns.min() > x - 0.8 * side
        assert columns.max() < x + 0.8 * side
        assert rows.min() > y - 0.95 * side
        assert rows.max() < y + 1.25 * side


def test_a_photograph_can_be_mirrored_but_the_face_given_is_left_alone() -> None:
    face = load_faces()[0].copy()
    for seed in range(4):
        make_portrait(face, load_backgrounds(), np.random.default_rng(seed))
    np.testing.assert_array_equal(face, load_faces()[0])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(8, 80), st.integers(8, 80), st.integers(0, 2**32))
def test_a_background_fills_any_photograph_from_any_other(
    rows: int, columns: int, width: int, height: int, seed: int
) -> None:
    photograph = np.full((rows, columns, 3), 100, dtype=np.uint8)
    picture = background([photograph], width, height, np.random.default_rng(seed))
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.float32
    spread = np.ptp(picture, axis=(0, 1))
    np.testing.assert_allclose(spread, 0, atol=1e-3, err_msg="one colour stays one colour")
    assert picture.min() > 100 * 0.6 * 0.92 - 1
    assert picture.max() < 100 * 1.2 * 1.08 + 1


def test_a_background_varies() -> None:
    pictures = {background(load_backgrounds(), 40, 40, np.random.default_rng(seed)).tobytes() for seed in range(10)}
    assert len(pictures) == 10


def test_jpeg_bytes_decode_to_the_image_in_rgb() -> None:
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    image[..., 0] = 200
    data = jpeg_bytes(image, 95)
    assert data.startswith(b"\xff\xd8")
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == image.shape
    np.testing.assert_allclose(decoded[..., ::-1], image, atol=4)


def test_lower_quality_is_smaller(portraits: list[tuple[int, Portrait, list[Box]]]) -> None:
    sizes = [len(jpeg_bytes(portraits[0][1].image, quality)) for quality in (55, 75, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.6 * sizes[2]
