"""Haar finds real faces, in pixels of the photo, and says clearly what is wrong."""

import cv2
import numpy as np
import pytest

from facematch.core.errors import FacematchError
from facematch.faces import detectors
from facematch.faces.boxes import intersection_over_union
from facematch.faces.detectors import HaarDetector, NoDetector
from facematch.faces.values import Image
from facematch.tasks.sample.portraits import load_faces

DEFAULT = "haarcascade_frontalface_default.xml"
ALT2 = "haarcascade_frontalface_alt2.xml"


@pytest.fixture(scope="module")
def scene() -> Image:
    """Two real faces, 150 and 90 px wide, on grey: at (40, 60) and at (260, 200)."""
    canvas = np.full((360, 480, 3), 120, np.uint8)
    for number, side, x, y in ((0, 150, 40, 60), (1, 90, 260, 200)):
        face = cv2.resize(np.asarray(load_faces()[number]), (side, side), interpolation=cv2.INTER_CUBIC)
        grey = np.clip(face * 255 if face.max() <= 1 else face, 0, 255).astype(np.uint8)
        canvas[y : y + side, x : x + side] = grey[..., None]
    return canvas


def centres(faces: list[detectors.Face]) -> list[tuple[float, float]]:
    return sorted((face.x + face.width / 2, face.y + face.height / 2) for face in faces)


@pytest.mark.parametrize("detect_size", [240, 320, 4096])
def test_boxes_are_in_pixels_of_the_photo_whatever_is_searched(scene: Image, detect_size: int) -> None:
    found = HaarDetector((DEFAULT,), detect_sizes=(detect_size,), min_size=0.1).detect(scene)
    assert len(found) >= 2
    for x, y in ((115, 135), (305, 245)):
        assert any(abs(cx - x) < 25 and abs(cy - y) < 25 for cx, cy in centres(found))


def test_the_smallest_face_is_a_share_of_the_photo_or_pixels(scene: Image) -> None:
    share = HaarDetector((DEFAULT,), min_size=110 / 360).detect(scene)
    pixels = HaarDetector((DEFAULT,), min_size=110).detect(scene)
    assert centres(share) == centres(pixels)
    assert all(face.width >= 105 for face in pixels)
    assert len(HaarDetector((DEFAULT,), min_size=0.1, detect_sizes=(320,)).detect(scene)) > len(pixels) >= 1


def test_the_next_cascade_is_tried_only_when_one_finds_nothing(scene: Image) -> None:
    both = HaarDetector((DEFAULT, ALT2))
    assert {face.detector for face in both.detect(scene)} == {DEFAULT}
    strict = HaarDetector(("haarcascade_smile.xml", DEFAULT), min_neighbors=60)
    plain = np.full((100, 100, 3), 90, np.uint8)
    assert strict.detect(plain) == []


class Searched:
    """In place of a cascade: notes the long side of each copy, and finds a face from a size on."""

    def __init__(self, name: str, met: list[tuple[str, int]], found_from: int) -> None:
        self.name, self.met, self.found_from = name, met, found_from

    def detectMultiScale2(self, grey: Image, **_: object) -> tuple[list[list[int]], list[int]]:  # noqa: N802
        self.met.append((self.name, max(grey.shape)))
        return ([[4, 6, 30, 30]], [7]) if max(grey.shape) >= self.found_from else ([], [])


@pytest.mark.parametrize(
    ("photo", "found_from", "searched"),
    [
        (
            400,
            1,
            [("one", 128), ("one", 98)],
        ),  # 98: the face is 75 high in the copy of 320, 15 from its top; 15 % more on each side
        (400, 120, [("one", 128), ("one", 98), ("one", 320)]),  # nothing around it
        (400, 300, [("one", 128), ("one", 320)]),
        (400, 999, [("one", 128), ("one", 320), ("two", 320)]),
        (200, 999, [("one", 128), ("one", 200), ("two", 200)]),
        (100, 999, [("one", 100), ("two", 100)]),  # no copy is larger than the photo
    ],
)
def test_a_small_copy_is_searched_first(
    monkeypatch: pytest.MonkeyPatch, photo: int, found_from: int, searched: list[tuple[str, int]]
) -> None:
    met: list[tuple[str, int]] = []
    monkeypatch.setattr(detectors, "_cascade_path", lambda name: name)
    monkeypatch.setattr(detectors, "_cascade", lambda name: Searched(name, met, found_from))
    found = HaarDetector(("one", "two")).detect(np.zeros((photo // 2, photo, 3), np.uint8))
    assert met == searched
    if found:
        scale = photo / min(photo, 320)
        top = 3 if found_from == 1 else 0  # of the part that is searched
        assert (found[0].x, found[0].y, found[0].width) == (4 * scale, (top + 6) * scale, 30 * scale)


def test_a_small_copy_changes_boxes_little(scene: Image) -> None:
    (large,) = HaarDetector((DEFAULT,), detect_sizes=(320,), min_size=110).detect(scene)
    (same,) = HaarDetector((DEFAULT,), detect_sizes=(128, 320), min_size=110).detect(scene)
    assert intersection_over_union(large, same) > 0.85


def test_nothing_is_found_where_there_is_nothing() -> None:
    for shape in ((1, 1, 3), (5, 400, 3), (200, 200, 3)):
        assert HaarDetector((DEFAULT, ALT2)).detect(np.full(shape, 77, np.uint8)) == []


def test_an_unknown_cascade_is_named_with_the_nearest() -> None:
    with pytest.raises(FacematchError, match=r"did you mean 'haarcascade_frontalface_alt2\.xml'"):
        HaarDetector(("haarcascade_frontalface_alt22.xml",))


def test_an_opencv_without_cascades_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(detectors.cv2, "CascadeClassifier")
    with pytest.raises(FacematchError, match="has no Haar cascades; versions below 5 have them"):
        HaarDetector((DEFAULT,))


def test_every_opencv_wheel_that_is_there_is_of_one_version_below_5() -> None:
    from importlib.metadata import distributions

    wheels = {each.version for each in distributions() if str(each.metadata["Name"]).startswith("opencv-")}
    assert len(wheels) == 1  # each unpacks into the same cv2/ folder
    assert all(int(each.split(".")[0]) < 5 for each in wheels)


def test_settings_tell_everything_that_decides_what_is_found() -> None:
    one = HaarDetector((DEFAULT,))
    for change in (
        HaarDetector((ALT2,)),
        HaarDetector((DEFAULT,), scale_factor=1.3),
        HaarDetector((DEFAULT,), min_neighbors=3),
        HaarDetector((DEFAULT,), min_size=30),
        HaarDetector((DEFAULT,), detect_sizes=(200,)),
        HaarDetector((DEFAULT,), detect_sizes=(128, 200)),
    ):
        assert change.settings() != one.settings()
    assert NoDetector().settings() == {}
