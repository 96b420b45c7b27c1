"""The finder's maps are decoded as they are meant, and its file answers as the network it was made from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.faces.boxes import intersection_over_union, moved, reduced
from facematch.faces.finder import SHA256, FinderDetector, decoded, shipped_finder
from facematch.faces.values import Face
from facematch.networks.finder import CHANNELS, STRIDES, FinderNetwork, export_finder
from facematch.photos.renderings import render
from facematch.pipeline.build import build_cropper
from facematch.settings.embedding import FaceSettings

SIDE = 64


def empty_maps() -> list[np.ndarray]:
    maps = [np.zeros((CHANNELS, SIDE // stride, SIDE // stride), np.float32) for stride in STRIDES]
    for cells in maps:
        cells[0] = -20
    return maps


def test_a_cell_says_score_box_and_points_from_its_centre() -> None:
    maps = empty_maps()
    points = np.arange(10, dtype=np.float32) / 10
    maps[1][:, 2, 1] = [0.0, *np.log([0.5, 1.0, 1.5, 2.0]), *points]
    (face,) = decoded(maps, SIDE, 0.4)
    middle = np.array([1.5, 2.5]) * 16
    assert face.score == pytest.approx(0.5)
    assert (face.x, face.y) == pytest.approx(tuple(middle - [8, 16]))
    assert (face.x + face.width, face.y + face.height) == pytest.approx(tuple(np.add(middle, [24, 32])))
    assert np.array(face.points) == pytest.approx(points.reshape(5, 2) * 16 + middle)
    assert decoded(maps, SIDE, 0.6) == []


def test_of_boxes_that_overlap_the_surest_stays() -> None:
    maps = empty_maps()
    for column, score in ((1, 1.0), (2, 3.0)):
        maps[0][:5, 3, column] = [score, *np.log([3.0] * 4)]
    assert [face.score for face in decoded(maps, SIDE, 0.3)] == [pytest.approx(1 / (1 + np.exp(-3.0)))]


def test_boxes_of_one_face_are_joined_by_their_scores() -> None:
    maps = empty_maps()
    points = np.linspace(-1, 1, 10, dtype=np.float32)
    for column, score in ((1, 1.0), (2, 3.0), (3, -0.5), (4, -9.0)):
        maps[0][:, 3, column] = [score, *np.log([3.0] * 4), *points]
    (face,) = decoded(maps, SIDE, 0.4)
    scores = 1 / (1 + np.exp(-np.array([1.0, 3.0, -0.5])))  # the fourth has hardly a score
    shared = [1, 1, 1]  # 48 pixels wide and 8 apart: 5 sevenths of the union, and more
    weights = scores * shared / (scores * shared).sum()
    middles = np.array([1.5, 2.5, 3.5]) * 8
    assert face.score == pytest.approx(scores[1])
    assert face.x + face.width / 2 == pytest.approx(weights @ middles)
    assert np.array(face.points)[:, 0] == pytest.approx(points.reshape(5, 2)[:, 0] * 8 + weights @ middles)


def test_what_is_no_number_is_no_face() -> None:
    maps = empty_maps()
    maps[0][:, 0, 0] = 5
    maps[0][7, 0, 0] = np.nan
    assert decoded(maps, SIDE, 0.3) == []


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[FinderNetwork, Path]:
    """An untrained network that is sure of a few places and in doubt about more, and its file."""
    torch.manual_seed(3)
    network = FinderNetwork(8).eval()
    with torch.no_grad():
        for head in network.head:
            torch.nn.init.normal_(head[1].weight, std=0.3)
            torch.nn.init.zeros_(head[1].bias)
            head[1].weight[0] *= 200
            head[1].bias[0] = -6
    path = tmp_path_factory.mktemp("finder") / "finder.onnx"
    export_finder(network, path)
    return network, path


def look(network: FinderNetwork, image: np.ndarray) -> list[Face]:
    """Return what one look at a picture, as large as it is, gives."""
    height, width = image.shape[:2]
    padded = np.zeros((max(-(-height // 32) * 32, 64), max(-(-width // 32) * 32, 64), 3), np.float32)
    padded[:height, :width] = image
    with torch.inference_mode():
        maps = network(torch.from_numpy(padded / 127.5 - 1).permute(2, 0, 1)[None].float())
    return decoded([each[0].numpy() for each in maps], padded.shape[1], 0.15)


def two_looks(network: FinderNetwork, image: np.ndarray, size: int) -> list[Face]:
    """Return the faces, those with a score below 0.85 with the mean of a second look's from twice as far."""
    small, scale = reduced(image, size // 2)
    frame = round(max(small.shape[:2]) / 2)
    framed = np.pad(small, ((frame, frame), (frame, frame), (0, 0)), constant_values=127)
    farther = [moved(face, scale, -frame * scale, -frame * scale) for face in look(network, framed)]
    faces = []
    for face in look(network, image):
        same = [other for other in farther if intersection_over_union(face, other) >= 0.4]
        again = max(same, key=lambda other: intersection_over_union(face, other), default=None)
        if face.score >= 0.85:
            faces.append(face)
        elif again is None:
            faces.append(replace(face, score=face.score / 2))
        else:
            faces.append(mean_of(face, again))
    return [face for face in faces if face.score >= 0.4]


def mean_of(one: Face, other: Face) -> Face:
    weights = np.array([one.score, other.score]) / (one.score + other.score)
    x, y, width, height = weights @ [[each.x, each.y, each.width, each.height] for each in (one, other)]
    points = weights[0] * np.array(one.points) + weights[1] * np.array(other.points)
    return Face(x, y, width, height, (one.score + other.score) / 2, "finder", tuple(map(tuple, points.tolist())))


@pytest.mark.parametrize("shape", [(96, 128), (250, 250), (64, 33), (700, 200), (20, 90), (32, 32), (30, 500)])
def test_the_file_answers_as_the_network_at_every_size(
    model: tuple[FinderNetwork, Path], shape: tuple[int, int]
) -> None:
    network, path = model
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = two_looks(network, image, max(*shape, 224))
    found = FinderDetector(path, min_score=0.4, detect_sizes=(max(shape),)).detect(image)
    assert found
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.x, one.y, one.width, one.height, one.score) == pytest.approx(
            (other.x, other.y, other.width, other.height, other.score), rel=1e-3, abs=1e-2
        )
        assert np.array(one.points) == pytest.approx(np.array(other.points), rel=1e-3, abs=1e-2)


def test_faces_are_in_pixels_of_the_photo(model: tuple[FinderNetwork, Path]) -> None:
    image = np.random.default_rng(2).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    enlarged = np.repeat(np.repeat(image, 4, 0), 4, 1)
    small = FinderDetector(model[1], 0.86, (160,)).detect(image)  # what is clear is looked at once
    assert small
    large = FinderDetector(model[1], 0.86, (160,)).detect(enlarged)  # searched as the same 160×160 pixels
    assert [(4 * each.x, 4 * each.width) for each in small] == [
        (pytest.approx(each.x, rel=1e-4, abs=1e-3), pytest.approx(each.width, rel=1e-4)) for each in large
    ]


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"faces\.finder_file: .* does not exist"):
        FinderDetector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(FacematchError, match="is not a finder model that OpenCV"):
        FinderDetector(tmp_path / "bad.onnx")


def test_the_settings_tell_the_file(model: tuple[FinderNetwork, Path]) -> None:
    settings = FinderDetector(model[1], 0.3, (256,)).settings()
    assert set(settings) == {"finder_sha256", "finder_score", "detect_size", "doubt", "clear", "frame"}
    assert settings["finder_score"] == 0.3


def astronaut() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut())


# Eyes, nose and corners of the mouth as they are in the photograph, by eye; the eyes are 44 pixels apart.
ASTRONAUT = np.array([[203, 101], [247, 103], [222, 127], [203, 142], [241, 143]])


class TestShipped:
    """The finder that comes with facematch."""

    def test_it_is_the_file_that_was_measured(self) -> None:
        file = shipped_finder()
        assert file is not None
        assert file.stat().st_size < 1_000_000
        assert sha256_of_file(file) == SHA256

    @pytest.mark.parametrize("degrees", [-30, -15, 0, 15, 30])
    def test_a_face_upright_and_turned(self, degrees: float) -> None:
        height, width = astronaut().shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        turned = cv2.warpAffine(astronaut(), matrix, (width, height))
        face = max(detector().detect(turned), key=lambda each: each.score)
        wanted = ASTRONAUT @ matrix[:, :2].T + matrix[:, 2]
        eyes = float(np.linalg.norm(wanted[0] - wanted[1]))
        assert np.linalg.norm(np.array(face.points) - wanted, axis=1).mean() < 0.2 * eyes

    @pytest.mark.parametrize("rendering", ["pencil-grey", "cartoon", "oil", "halftone", "line-art"])
    def test_a_drawn_face(self, rendering: str) -> None:
        drawn = render(astronaut(), rendering, 0.5, seed=1)
        faces = detector().detect(drawn)
        assert faces
        best = max(faces, key=lambda face: face.score)
        assert np.linalg.norm(np.array(best.points) - ASTRONAUT, axis=1).mean() < 0.25 * 44

    @pytest.mark.parametrize("half", [45, 55, 65])
    def test_a_drawn_face_that_fills_the_picture_is_found_from_farther(self, half: int) -> None:
        crop = cv2.resize(astronaut()[122 - half : 122 + half, 223 - half : 223 + half], (200, 200))
        assert detector().detect(render(np.asarray(crop, np.uint8), "engraving", 1.0, seed=1))

    @pytest.mark.parametrize("size", [128, 256, 1600])
    def test_a_photo_of_any_size(self, size: int) -> None:
        (face,) = detector().detect(cv2.resize(astronaut(), (size, size), interpolation=cv2.INTER_AREA))
        assert np.linalg.norm(np.array(face.points) * 512 / size - ASTRONAUT, axis=1).mean() < 0.25 * 44

    @pytest.mark.parametrize("every", [2, 3, 5])
    def test_a_large_photo_is_its_copy_whose_pixels_are_means_of_squares(self, every: int) -> None:
        small = cv2.resize(astronaut(), (600, 700), interpolation=cv2.INTER_AREA)
        large = np.repeat(np.repeat(small, every, axis=0), every, axis=1)
        uneven = np.pad(large, ((0, every - 1), (0, every - 1), (0, 0)), mode="edge")  # less than a square more
        (face,) = detector().detect(small)
        for found in (detector().detect(large), detector().detect(uneven)):
            assert found == [moved(face, every)]

    @pytest.mark.parametrize("picture", ["brick", "page", "rocket", "grass", "moon", "chelsea"])
    def test_no_face(self, picture: str) -> None:
        image = getattr(data, picture)()
        image = image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)
        assert detector().detect(np.ascontiguousarray(image[..., :3])) == []

    def test_where_it_is_missing_the_cascade_finds_faces(
        self, hide_finder: Callable[[], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hide_finder()
        haar = build_cropper(FaceSettings()).fingerprint
        assert build_cropper(FaceSettings(detector="finder")).fingerprint == haar
        assert build_cropper(FaceSettings(second_look="finder")).fingerprint == haar
        assert "the finder that comes with facematch is missing" in capsys.readouterr().err
        (tmp_path / "checkpoints/default").mkdir(parents=True)
        (tmp_path / "checkpoints/default/finder.onnx").write_bytes(b"other")
        shipped_finder.cache_clear()
        with pytest.raises(FacematchError, match=r"finder\.onnx is not the file that was shipped"):
            build_cropper(FaceSettings(detector="finder"))


def detector() -> FinderDetector:
    file = shipped_finder()
    assert file is not None
    return FinderDetector(file)
