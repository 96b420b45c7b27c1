"""Which face wins, what is cut, and what stands in for a miss."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facematch.core.fingerprint import Value
from facematch.faces.cropper import (
    Cropper,
    align,
    choose_face,
    cut_square,
    similarity_transform,
)
from facematch.faces.detectors import NoDetector
from facematch.faces.templates import FIVE_POINTS
from facematch.faces.values import Crop, Face, Image, Miss
from facematch.photos.photo import Photo


def face(x: float, y: float, side: float, score: float = 1.0) -> Face:
    return Face(x, y, side, side, score, "test")


def ramp(height: int, width: int) -> Image:
    """Red tells the column, green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width) % 256
    image[..., 1] = (np.arange(height) % 256)[:, None]
    return image


class Fixed:
    """A detector that finds what it is told to."""

    name = "fixed"

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)

    def detect(self, image: Image) -> list[Face]:
        return self.faces

    def settings(self) -> dict[str, Value]:
        return {}


def photo(image: Image) -> Photo:
    return Photo("a.jpg", "0" * 64, image)


def test_the_largest_face_wins_or_the_most_central() -> None:
    small_central, large_corner = face(45, 45, 10), face(0, 0, 40)
    assert choose_face([small_central, large_corner], 100, 100, "largest") is large_corner
    assert choose_face([small_central, large_corner], 100, 100, "central") is small_central
    assert choose_face([], 100, 100, "largest") is None


@given(st.permutations([face(0, 0, 20, 5), face(60, 0, 20, 9), face(60, 60, 20, 9)]), st.sampled_from(["largest"]))
def test_the_choice_does_not_depend_on_the_detectors_order(faces: list[Face], rule: str) -> None:
    assert choose_face(faces, 100, 100, rule) == face(60, 0, 20, 9)  # type: ignore[arg-type]


def test_a_box_inside_the_photo_is_cut_as_it_is() -> None:
    crop = cut_square(ramp(100, 120), face(30, 20, 40), 40, 0.0)
    np.testing.assert_array_equal(crop, ramp(100, 120)[20:60, 30:70])


def test_the_margin_widens_the_side_half_on_each_side() -> None:
    crop = cut_square(ramp(200, 200), face(80, 80, 40), 48, 0.2)
    np.testing.assert_array_equal(crop, ramp(200, 200)[76:124, 76:124])


def test_a_tall_box_becomes_a_square_around_its_centre() -> None:
    crop = cut_square(ramp(200, 200), Face(90, 60, 20, 80, 1, "t"), 80, 0.0)
    np.testing.assert_array_equal(crop, ramp(200, 200)[60:140, 60:140])


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(-80, 80),
    st.floats(-80, 80),
    st.floats(0.5, 90),
    st.floats(-0.4, 1.5),
)
def test_beyond_the_edge_the_edge_is_repeated(
    height: int, width: int, x: float, y: float, side: float, margin: float
) -> None:
    whole = max(1, round(side * (1 + margin)))
    left, top = round(x + side / 2 - whole / 2), round(y + side / 2 - whole / 2)
    if left >= width or top >= height or left + whole <= 0 or top + whole <= 0:
        return  # a box that lies outside the photo altogether is no detection
    image = ramp(height, width)
    crop = cut_square(image, face(x, y, side), whole, margin)
    rows = np.clip(np.arange(top, top + whole), 0, height - 1)
    columns = np.clip(np.arange(left, left + whole), 0, width - 1)
    np.testing.assert_array_equal(crop, image[rows][:, columns])


def test_a_crop_is_resized_to_the_size_asked_for() -> None:
    for side in (16, 40, 300):
        assert cut_square(ramp(400, 400), face(50, 50, side), 64, 0.2).shape == (64, 64, 3)


def test_whole_pads_to_a_square_and_centre_cuts_one() -> None:
    image = ramp(40, 100)
    whole = Cropper(Fixed(), 100).stand_in(photo(image), "whole", "no face")
    np.testing.assert_array_equal(whole.image[30:70], image)
    np.testing.assert_array_equal(whole.image[0], image[0])
    assert (whole.box, whole.detector, whole.reason) == ((0, 0, 100, 40), "whole", "no face")
    centre = Cropper(Fixed(), 40).stand_in(photo(image), "centre", "no face")
    np.testing.assert_array_equal(centre.image, image[:, 30:70])
    assert centre.box == (30, 0, 40, 40)


def test_no_face_is_a_miss_with_its_reason() -> None:
    found = Cropper(Fixed(), 32).crop(photo(ramp(50, 60)))
    assert isinstance(found, Miss)
    assert found.reason == "no face found by fixed in 60x50 px"


def test_a_found_face_carries_its_box_and_detector() -> None:
    found = Cropper(Fixed(face(10, 12, 20, 3.0)), 32).crop(photo(ramp(50, 60)))
    assert isinstance(found, Crop)
    assert (found.box, found.detector, found.score, found.reason) == ((10, 12, 20, 20), "test", 3.0, "")
    assert found.image.shape == (32, 32, 3)


def test_without_a_detector_every_photo_is_its_own_face() -> None:
    found = Cropper(NoDetector(), 50).crop(photo(ramp(50, 50)))
    assert isinstance(found, Crop)
    assert found.reason == ""
    np.testing.assert_array_equal(found.image, ramp(50, 50))


@settings(max_examples=50, deadline=None)
@given(st.floats(0.2, 5), st.floats(-3.1, 3.1), st.floats(-50, 50), st.floats(-50, 50))
def test_a_similarity_is_recovered_exactly(scale: float, angle: float, dx: float, dy: float) -> None:
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = FIVE_POINTS @ rotation.T + [dx, dy]
    matrix = similarity_transform(FIVE_POINTS, moved)
    np.testing.assert_allclose(matrix, np.hstack([rotation, [[dx], [dy]]]), atol=1e-8)


def test_a_similarity_has_no_mirror_image_and_least_error() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    matrix = similarity_transform(source, target)
    assert np.linalg.det(matrix[:, :2]) > 0

    def error(m: np.ndarray) -> float:  # type: ignore[type-arg]
        return float(((source @ m[:, :2].T + m[:, 2] - target) ** 2).sum())

    a, b = matrix[0, 0], matrix[1, 0]
    for delta in rng.normal(scale=1e-2, size=(200, 4)):
        other = np.array([[a + delta[0], -b - delta[1], 0], [b + delta[1], a + delta[0], 0]])
        other[:, 2] = matrix[:, 2] + delta[2:]
        assert error(matrix) <= error(other) + 1e-12


@pytest.mark.parametrize("zoom", [1.0, 2.0, 6.0])
def test_alignment_brings_the_five_points_to_the_template(zoom: float) -> None:
    points = FIVE_POINTS * zoom + [30, 20]
    image = np.zeros((int(160 * zoom), int(160 * zoom), 3), np.uint8)
    for x, y in points:  # a bright disc at each point
        yy, xx = np.mgrid[: image.shape[0], : image.shape[1]]
        image[(xx - x) ** 2 + (yy - y) ** 2 < (4 * zoom) ** 2] = 255
    crop = align(image, [(float(x), float(y)) for x, y in points], 112)
    for x, y in FIVE_POINTS:
        assert crop[round(y), round(x)].min() > 200
    assert crop[5, 5].max() < 50


def test_a_fingerprint_tells_every_setting_of_the_crop() -> None:
    one, two = Cropper(NoDetector(), 32), Cropper(NoDetector(), 32, margin=0.3)
    assert one.fingerprint.difference(two.fingerprint) == ("faces.margin", 0.2, 0.3)


@pytest.mark.parametrize("shape", [(50, 60), (200, 30), (10, 12), (7, 300)])
def test_a_squashed_photo_is_reduced_and_enlarged_by_side(shape: tuple[int, int]) -> None:
    image = ramp(*shape)
    found = Cropper(NoDetector(), 32, whole="squash").crop(photo(image))
    assert isinstance(found, Crop)
    assert found.image.shape == (32, 32, 3)
    assert found.box == (0, 0, shape[1], shape[0])
    # Means over the pixels' areas where a side shrinks; a ramp stays one where a side grows.
    rows, columns = (weights(side, 32) for side in shape)
    shrunk = np.einsum("yh,hwc,xw->yxc", rows, image.astype(float), columns)
    inner = tuple(slice(8, -8) if side < 32 else slice(None) for side in shape)
    assert np.abs(found.image[inner] - shrunk[inner]).max() <= 2


def weights(side: int, size: int) -> NDArray[np.float64]:
    """Rows of weights that reduce `side` pixels to `size` by their areas, or enlarge them linearly."""
    if side <= size:
        centres = (np.arange(size) + 0.5) * side / size - 0.5
        return np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(side)))
    edges = np.linspace(0, side, size + 1)
    overlap = np.minimum(edges[1:, None], np.arange(side) + 1) - np.maximum(edges[:-1, None], np.arange(side))
    return np.maximum(0, overlap) * size / side


def test_squashing_is_told_in_the_fingerprint_and_padding_is_not() -> None:
    padded, squashed = Cropper(NoDetector(), 32), Cropper(NoDetector(), 32, whole="squash")
    assert "faces.whole" not in padded.fingerprint.settings
    assert squashed.fingerprint.settings == {**padded.fingerprint.settings, "faces.whole": "squash"}


def test_a_squashed_photo_stands_in_for_a_face() -> None:
    image = ramp(30, 60)
    found = Cropper(Fixed(), 16, whole="squash").stand_in(photo(image), "whole", "no face")
    whole = Cropper(NoDetector(), 16, whole="squash").crop(photo(image))
    assert isinstance(whole, Crop)
    np.testing.assert_array_equal(found.image, whole.image)
    centre = Cropper(Fixed(), 16, whole="squash").stand_in(photo(image), "centre", "no face")
    np.testing.assert_array_equal(centre.image, Cropper(Fixed(), 16).stand_in(photo(image), "centre", "no face").image)


# --- strips ---------------------------------------------------------------------------------------


def strip(long: int, short: int, upright: bool) -> Image:
    """A strip that varies smoothly along its long side, and by a few levels across it."""
    along = 120 + 90 * np.sin(np.linspace(0, 9, long))
    image = (along[None, :, None] + np.linspace(0, 5, short)[:, None, None] + [0, 10, 20]).astype(np.uint8)
    return np.ascontiguousarray(image.swapaxes(0, 1) if upright else image)


def folded(side: int, size: int, first: int, length: int) -> NDArray[np.float64]:
    """Weights that reduce `side` pixels, of which `length` from `first` on are there and edges are repeated."""
    made = np.zeros((size, length))
    np.add.at(made.T, np.clip(np.arange(side) - first, 0, length - 1), weights(side, size).T)
    return made


@settings(max_examples=25, deadline=None)
@given(st.integers(4097, 30_000), st.integers(1, 60), st.booleans(), st.sampled_from([16, 48, 112]))
def test_a_strip_of_any_proportions_becomes_what_its_padded_square_would(
    long: int, short: int, upright: bool, size: int
) -> None:
    image = strip(long, short, upright)
    tracemalloc.start()
    found = Cropper(Fixed(), size).stand_in(photo(image), "whole", "no face").image
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * 4096**2 + 10_000_000  # a square of its long side would take 3 × 30,000²
    height, width = image.shape[:2]
    down, across = (folded(long, size, (long - side) // 2, side) for side in (height, width))
    expected = np.einsum("yh,hwc,xw->yxc", down, image.astype(float), across, optimize=True)
    assert np.abs(found - expected).max() <= 8


@pytest.mark.parametrize("upright", [False, True])
def test_a_face_in_a_panorama_is_aligned_where_opencv_warps_no_picture_so_long(upright: bool) -> None:
    points, image = np.add(FIVE_POINTS, (33_000, 20)), np.zeros((160, 40_000, 3), np.uint8)
    for number, (x, y) in enumerate(points):
        image[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = 100 + 30 * number
    if upright:
        image, points = np.ascontiguousarray(image.swapaxes(0, 1)), points[:, ::-1]
    template = FIVE_POINTS[:, ::-1] if upright else FIVE_POINTS
    crop = align(image, [(float(x), float(y)) for x, y in points], 112, template)
    for number, (x, y) in enumerate(template):
        assert abs(int(crop[round(y), round(x), 0]) - (100 + 30 * number)) <= 2


def test_what_is_aligned_does_not_depend_on_how_it_is_cut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (500, 700, 3), dtype=np.uint8)
    for _ in range(20):
        turn, scale = rng.uniform(-1, 1), rng.uniform(0.5, 1.9)
        rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = [(float(x), float(y)) for x, y in (FIVE_POINTS - 56) @ rotation.T + rng.uniform(0, (700, 500))]
        whole = align(image, points, 112)
        monkeypatch.setattr("facematch.faces.cropper._WARPED", 100)
        np.testing.assert_array_equal(align(image, points, 112), whole)
        monkeypatch.undo()
