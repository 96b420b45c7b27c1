"""Behind the cascade: what it misses is searched for, what it finds gets five points, what is not confirmed may go."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.fingerprint import Value
from facematch.faces.cropper import Cropper
from facematch.faces.landmarks import YunetDetector
from facematch.faces.second_look import SecondLook
from facematch.faces.templates import points_in_box
from facematch.faces.values import Face, Image
from facematch.photos.photo import Photo, find_photos, read_photo
from facematch.pipeline.build import build_cropper
from facematch.settings.file import load_settings
from shared import shared


@dataclass
class Found:
    """Finds what it is told to in every photo."""

    faces: list[Face]
    name: str = "first"

    def detect(self, image: Image) -> list[Face]:
        return self.faces

    def settings(self) -> dict[str, Value]:
        return {"detect_size": 128}


@dataclass
class Squares:
    """Finds each square of one bright colour of its own, with points in it; notes what it was shown."""

    shown: list[tuple[int, ...]] = field(default_factory=list)
    name: str = "squares"

    def detect(self, image: Image) -> list[Face]:
        self.shown.append(image.shape[:2])
        found = []
        for colour in (120, 180, 240):
            rows, columns = np.nonzero(np.abs(image[..., 0].astype(int) - colour) < 8)
            if len(rows) > 30:
                x, y = float(columns.min()), float(rows.min())
                side = float(columns.max() + 1 - x), float(rows.max() + 1 - y)
                points = tuple((x + side[0] * a, y + side[1] * a) for a in (0.2, 0.4, 0.5, 0.6, 0.8))
                found.append(Face(x, y, *side, colour, self.name, points))
        return found

    def settings(self) -> dict[str, Value]:
        return {"score": 0.5, "detect_size": 320}


def photo(*squares: tuple[int, int, int, int], height: int = 300, width: int = 400) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    for x, y, side, colour in squares:
        image[y : y + side, x : x + side] = colour
    return image


def box(x: float, y: float, side: float) -> Face:
    return Face(x, y, side, side, 9.0, "cascade")


def test_where_the_cascade_finds_nothing_the_whole_photo_is_searched() -> None:
    second = Squares()
    (found,) = SecondLook(Found([]), second).detect(photo((50, 60, 40, 120)))
    assert (found.x, found.y, found.width, found.detector) == (50, 60, 40, "squares")
    assert second.shown == [(300, 400)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 340), st.integers(0, 240), st.integers(20, 60), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2),
    st.floats(0.9, 1.3),
)  # fmt: skip
def test_a_box_becomes_the_face_that_is_seen_around_it(
    x: int, y: int, side: int, right: float, down: float, larger: float
) -> None:
    second = Squares()
    given_box = box(x + right * side, y + down * side, larger * side)
    (found,) = SecondLook(Found([given_box]), second).detect(photo((x, y, side, 120)))
    np.testing.assert_allclose([found.x, found.y, found.width], [x, y, min(side, 400 - x)], atol=1)
    np.testing.assert_allclose(found.points[2], (found.x + found.width / 2, found.y + found.height / 2))
    assert len(second.shown) == 1
    assert max(second.shown[0]) <= 160


def test_a_large_window_is_searched_in_a_reduced_copy() -> None:
    second = Squares()
    image = photo((200, 200, 400, 120), height=900, width=900)
    (found,) = SecondLook(Found([box(180, 210, 420)]), second).detect(image)
    assert max(second.shown[0]) == 160
    np.testing.assert_allclose([found.x, found.y, found.width, found.height], [200, 200, 400, 400], atol=11)


def test_of_several_faces_around_a_box_the_one_that_shares_most_with_it_is_taken() -> None:
    image = photo((100, 100, 50, 120), (155, 100, 50, 180))
    for x, colour in ((95, 120), (150, 180)):
        (found,) = SecondLook(Found([box(x, 95, 60)]), Squares()).detect(image)
        assert found.score == colour


def test_a_confirmed_face_drives_out_chance_finds_however_large() -> None:
    chance, real = box(150, 100, 190), box(38, 40, 44)
    (found,) = SecondLook(Found([chance, real]), Squares()).detect(photo((40, 40, 40, 120)))
    assert (found.x, found.y) == (40, 40)


def test_of_chance_finds_alone_the_whole_photo_is_searched_instead() -> None:
    second = Squares()
    (found,) = SecondLook(Found([box(250, 150, 60)]), second).detect(photo((20, 20, 40, 120)))
    assert (found.x, found.y) == (20, 20)
    assert second.shown[-1] == (300, 400)


def test_a_box_that_nothing_speaks_against_stays_with_average_points() -> None:
    given_box = box(100, 80, 50)
    (found,) = SecondLook(Found([given_box]), Squares()).detect(photo())
    assert (found.x, found.y, found.width, found.detector) == (100, 80, 50, "cascade")
    assert found.points == points_in_box(given_box)
    left, right, nose, *mouth = found.points
    assert 100 < left[0] < nose[0] < right[0] < 150
    assert 80 < left[1] < nose[1] < mouth[0][1] < 130


def test_a_photo_without_a_face_is_a_miss() -> None:
    missed = Cropper(SecondLook(Found([]), Squares()), 32).crop(Photo("a", "0" * 64, photo()))
    assert getattr(missed, "reason", "") == "no face found by first+squares in 400x300 px"


def test_settings_tell_both_detectors_and_where_the_second_looks() -> None:
    told = SecondLook(Found([]), Squares()).settings()
    assert told["detect_size"] == 128
    assert told["second_look_detect_size"] == 320
    assert {"second_look_score", "second_look_window", "second_look_window_side", "second_look_same"} < set(told)


def test_without_a_second_look_the_fingerprint_is_as_it_was() -> None:
    plain = build_cropper(load_settings(None).faces).fingerprint
    assert not [key for key in plain.settings if "second" in key or "template" in key or "roll" in key]
    # Of the version before there was one: checkpoints and caches made then go on to fit.
    assert plain.digest == "791ad53f68a93ba9a5d5a53c89605776b5bd4f1f7df491c15d32cd4a12640545"


def test_real_faces_come_upright() -> None:
    file = shared("weights/yunet_n_640_640.onnx")
    sets = ["faces.second_look=yunet", f"faces.yunet_file={file}"]
    cropper, alone = build_cropper(load_settings(None, sets).faces), YunetDetector(file)
    assert cropper.detector.name == "haar+yunet"
    for each in find_photos(shared("data/london")).files[:5]:
        read = read_photo(each)
        assert isinstance(read, Photo)
        face, direct = cropper.face(read), alone.detect(read.image)[0]
        assert face is not None
        eyes = np.hypot(*np.subtract(direct.points[0], direct.points[1]))
        assert np.abs(np.subtract(face.points, direct.points)).max() < 0.15 * eyes
