"""YuNet and CenterFace give five points in pixels of the photo, and say clearly what is wrong with a file."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import default_rng

from facematch.core.errors import FacematchError
from facematch.faces.landmarks import CenterFaceDetector, YunetDetector
from facematch.faces.values import Face, Image
from facematch.photos.photo import Photo, PhotoFile, read_photo
from shared import shared
from tiny_centerface import faces_by_loops, write_tiny_centerface


@pytest.mark.parametrize("kind", [YunetDetector, CenterFaceDetector])
def test_a_missing_or_foreign_file_is_named(tmp_path: Path, kind: type[YunetDetector | CenterFaceDetector]) -> None:
    with pytest.raises(FacematchError, match=rf"faces\.{kind.name}_file: .* does not exist"):
        kind(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(FacematchError, match=f"is not a {kind.name} model that OpenCV"):
        kind(tmp_path / "bad.onnx")


def test_a_model_with_other_outputs_is_named(tmp_path: Path) -> None:
    file = write_tiny_centerface(tmp_path / "other.onnx", outputs=("537", "538"))
    with pytest.raises(FacematchError, match=r"has no output 539, 540"):
        CenterFaceDetector(file)


def noise(height: int, width: int, seed: int = 0) -> Image:
    """Blurred noise: the made network finds something in it at many places."""
    return cv2.GaussianBlur(default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8), (9, 9), 2)


def as_rows(faces: list[Face]) -> np.ndarray:  # type: ignore[type-arg]
    rows = [(face.x, face.y, face.score, face.width, face.height, *np.ravel(face.points)) for face in faces]
    return np.array(sorted(rows))


def test_centerface_reads_its_maps_as_plain_loops_do_at_any_size_of_photo(tmp_path: Path) -> None:
    file = write_tiny_centerface(tmp_path / "tiny.onnx")
    detector = CenterFaceDetector(file, min_score=0.6)
    for number, (height, width) in enumerate([(64, 96), (128, 64), (50, 33), (64, 96), (1, 1), (200, 320)]):
        image = noise(height, width, number)  # the network keeps what OpenCV made of it for the sizes before
        found, expected = detector.detect(image), faces_by_loops(file, image, 0.6)
        assert len(found) == len(expected)
        assert len(found) > 3 or height < 50
        if found:
            np.testing.assert_allclose(as_rows(found), as_rows(expected), rtol=1e-4, atol=1e-3)


def test_centerface_answers_in_pixels_of_a_photo_that_was_reduced(tmp_path: Path) -> None:
    file = write_tiny_centerface(tmp_path / "tiny.onnx")
    small = noise(96, 128)
    large = np.ascontiguousarray(small.repeat(3, 0).repeat(3, 1))  # reducing it by areas gives `small` back
    found = CenterFaceDetector(file, 0.6, detect_size=128).detect(large)
    direct = CenterFaceDetector(file, 0.6, detect_size=128).detect(small)
    assert len(found) == len(direct) > 3
    factors = [3, 3, 1, *[3] * 12]  # the score stays
    np.testing.assert_allclose(as_rows(found), factors * as_rows(direct), rtol=1e-4, atol=1e-3)


def test_settings_tell_file_score_and_size(tmp_path: Path) -> None:
    one, other = (write_tiny_centerface(tmp_path / f"{seed}.onnx", seed=seed) for seed in (0, 1))
    base = CenterFaceDetector(one).settings()
    for change in (CenterFaceDetector(other), CenterFaceDetector(one, 0.4), CenterFaceDetector(one, detect_size=200)):
        assert sum(change.settings()[key] != value for key, value in base.items()) == 1


@pytest.mark.parametrize("shape", [(20, 90), (300, 30), (32, 32)])
def test_yunet_answers_for_a_small_or_narrow_photo_as_for_one_with_black_around(shape: tuple[int, int]) -> None:
    file = shared("weights/yunet_n_640_640.onnx")
    around = np.zeros((max(shape[0] + -shape[0] % 32, 64), max(shape[1] + -shape[1] % 32, 64), 3), np.uint8)
    around[: shape[0], : shape[1]] = image = noise(*shape)
    network = cv2.FaceDetectorYN.create(str(file), "", around.shape[1::-1], score_threshold=1e-3)
    expected = network.detect(np.ascontiguousarray(around[..., ::-1]))[1]
    found = YunetDetector(file, min_score=1e-3).detect(image)
    np.testing.assert_allclose([each.score for each in found], expected[:, 14], rtol=1e-4)
    np.testing.assert_allclose([each.x for each in found], expected[:, 0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "name"), [(YunetDetector, "yunet_n_640_640.onnx"), (CenterFaceDetector, "centerface.onnx")]
)
def test_five_points_are_in_pixels_of_the_photo(kind: type[YunetDetector | CenterFaceDetector], name: str) -> None:
    file = shared(f"weights/{name}")
    path = sorted(shared("data/london/001").iterdir())[0]
    photo = read_photo(PhotoFile(path.name, path))
    assert isinstance(photo, Photo)
    small = kind(file, detect_size=200).detect(photo.image)
    large = kind(file, detect_size=640).detect(photo.image)
    assert len(small) == len(large) == 1
    np.testing.assert_allclose(small[0].points, large[0].points, atol=0.03 * photo.image.shape[0])
    left_eye, right_eye, nose, left_mouth, _ = small[0].points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
