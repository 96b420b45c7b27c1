"""The finder's maps are decoded as they are meant, and its file answers as the network it was made from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.faces.finder import FinderDetector, decoded
from facematch.networks.finder import CHANNELS, STRIDES, FinderNetwork, export_finder

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
    """An untrained network that is sure of something everywhere, and its file."""
    torch.manual_seed(3)
    network = FinderNetwork(8).eval()
    for head in network.head:
        torch.nn.init.normal_(head[1].weight, std=0.3)
        torch.nn.init.zeros_(head[1].bias)
    path = tmp_path_factory.mktemp("finder") / "finder.onnx"
    export_finder(network, path)
    return network, path


@pytest.mark.parametrize("shape", [(96, 128), (250, 250), (64, 33), (700, 200)])
def test_the_file_answers_as_the_network_at_every_size(
    model: tuple[FinderNetwork, Path], shape: tuple[int, int]
) -> None:
    network, path = model
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    detector = FinderDetector(path, min_score=0.5, detect_sizes=(max(shape),))
    padded = np.zeros((-(-shape[0] // 32) * 32, -(-shape[1] // 32) * 32, 3), np.float32)
    padded[: shape[0], : shape[1]] = image
    with torch.inference_mode():
        maps = network(torch.from_numpy(padded / 127.5 - 1).permute(2, 0, 1)[None].float())
    expected = decoded([each[0].numpy() for each in maps], padded.shape[1], 0.5)
    found = detector.detect(image)
    assert found
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.x, one.y, one.width, one.height, one.score) == pytest.approx(
            (other.x, other.y, other.width, other.height, other.score), rel=1e-3, abs=1e-2
        )
        assert np.array(one.points) == pytest.approx(np.array(other.points), rel=1e-3, abs=1e-2)


def test_faces_are_in_pixels_of_the_photo(model: tuple[FinderNetwork, Path]) -> None:
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    enlarged = np.repeat(np.repeat(image, 4, 0), 4, 1)
    small = FinderDetector(model[1], 0.5, (64,)).detect(image)
    large = FinderDetector(model[1], 0.5, (64,)).detect(enlarged)  # searched as the same 64×64 pixels
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
    assert set(settings) == {"finder_sha256", "finder_score", "detect_size"}
    assert settings["finder_score"] == 0.3
