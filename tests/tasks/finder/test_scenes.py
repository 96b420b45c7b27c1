"""Scenes: decided by their seed, with labels that lie where the faces are."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facematch.photos.encoded import png_bytes
from facematch.tasks.finder.labels import Labelled
from facematch.tasks.finder.scenes import Scene, SceneMaker
from smileys import faceless

# Red, green, blue, cyan, magenta: the left picture half's eye, the right one's, the nose, both corners of the mouth.
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 0, 255]], np.uint8)
MARKS = np.array([[40, 40], [80, 40], [60, 62], [45, 82], [75, 82]], np.float32)


@pytest.fixture(scope="module")
def face() -> Labelled:
    """A grey square of 80 px with five coloured dots, in 120×120 px of black."""
    image = np.zeros((120, 120, 3), np.uint8)
    image[20:100, 20:100] = 128
    for (x, y), colour in zip(MARKS.astype(int).tolist(), COLOURS, strict=True):
        cv2.circle(image, (x, y), 7, colour.tolist(), -1)
    boxes = np.array([[20, 20, 100, 100]], np.float32)
    return Labelled(png_bytes(image), boxes, MARKS[None], np.zeros((0, 4), np.float32))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No light, blur, noise or patch."""
    monkeypatch.setattr("facematch.tasks.finder.scenes._degraded", lambda image, boxes, rng: image)


@pytest.fixture
def straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is bent."""
    monkeypatch.setattr("facematch.tasks.finder.scenes._DEFORMED", 0.0)


def grey(value: int = 200) -> Labelled:
    return faceless(np.full((64, 64, 3), value, np.uint8))


def scenes(maker: SceneMaker, count: int) -> list[Scene]:
    return [maker((7, each)) for each in range(count)]


@pytest.mark.usefixtures("plain")
def test_points_lie_on_what_they_name_also_in_mirror_images(face: Labelled) -> None:
    mirrored = straight = 0
    for scene in scenes(SceneMaker([face], [grey()], 256, rendered=0), 150):
        for box, points in zip(scene.boxes, scene.points, strict=True):
            side = box[2] - box[0]
            if side < 40 or points.min() < 0 or points.max() > 255:
                continue
            seen = np.array([scene.image[round(float(y)), round(float(x))] for x, y in points]).astype(int)
            is_mirrored = seen[0][1] > seen[0][0]  # the eye on the left of the picture is the green one then
            wanted = COLOURS[[1, 0, 2, 4, 3]] if is_mirrored else COLOURS
            assert np.abs(seen - wanted).max() < 90, (seen, points)
            assert points[0][0] < points[1][0] or abs(points[0][1] - points[1][1]) > side / 6
            mirrored, straight = mirrored + is_mirrored, straight + (not is_mirrored)
    assert mirrored > 20
    assert straight > 20


@pytest.mark.usefixtures("plain")
def test_points_of_a_bent_face_lie_on_what_they_name(face: Labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.tasks.finder.scenes._DEFORMED", 1.0)
    seen = 0
    for scene in scenes(SceneMaker([face], [grey()], 256, rendered=0), 120):
        for box, points in zip(scene.boxes, scene.points, strict=True):
            if box[2] - box[0] < 60 or points.min() < 3 or points.max() > 252 or box.min() < 0 or box.max() > 255:
                continue
            colours = np.array([scene.image[round(float(y)), round(float(x))] for x, y in points]).astype(int)
            wanted = COLOURS[[1, 0, 2, 4, 3]] if colours[0][1] > colours[0][0] else COLOURS
            assert np.abs(colours - wanted).max() < 90, (colours, points)
            left, top, right, bottom = np.rint(box).astype(int).tolist()
            middle = (top + bottom) // 2, (left + right) // 2
            inward = max(3, round(0.08 * (right - left)))  # the square's own grey, just inside of each edge
            edges = [(middle[0], left + inward), (middle[0], right - inward), (top + inward, middle[1])]
            assert all(scene.image[place].max() > 60 for place in edges)
            seen += 1
    assert seen > 30


@pytest.mark.usefixtures("plain", "straight")
def test_boxes_have_the_size_of_the_face_and_its_middle(face: Labelled) -> None:
    for scene in scenes(SceneMaker([face], [grey()], 256, rendered=0), 60):
        for box, points in zip(scene.boxes, scene.points, strict=True):
            scale = np.linalg.norm(points[0] - points[1]) / 40
            assert (box[2:] - box[:2]) / scale == pytest.approx([80, 80], rel=1e-3)
            middle = points.mean(0) + (np.array([60, 60]) - MARKS.mean(0)) @ turned(points)
            assert (box[:2] + box[2:]) / 2 == pytest.approx(middle, abs=4)


def turned(points: np.ndarray) -> np.ndarray:
    """The rotation and scale from the face's own axes to the scene's, up to a mirror image."""
    across = (points[1] - points[0]) / 40
    return np.array([across, [-across[1], across[0]]])


def test_the_seed_decides(face: Labelled) -> None:
    maker = SceneMaker([face], [grey(), grey(90)], 128, rendered=0.5)
    for each in range(20):
        first, again = maker((1, 2, each)), maker((1, 2, each))
        assert np.array_equal(first.image, again.image)
        assert np.array_equal(first.boxes, again.boxes)
        assert first.image.shape == (128, 128, 3)
        assert first.image.dtype == np.uint8
    assert not np.array_equal(maker((1, 2, 0)).image, maker((1, 3, 0)).image)


def test_faces_of_all_sizes_several_and_none(face: Labelled) -> None:
    made = scenes(SceneMaker([face], [grey()], 256), 300)
    counts = [len(scene.boxes) for scene in made]
    assert counts.count(0) > 40
    assert max(counts) >= 4
    sides = np.concatenate([scene.boxes[:, 2] - scene.boxes[:, 0] for scene in made])
    assert sides.min() >= 8
    assert sides.min() < 14
    assert sides.max() > 200
    assert np.median(sides) < 60


def test_what_is_unknown_stays_unknown_and_faces_hardly_seen_become_so(face: Labelled) -> None:
    with_unknown = Labelled(face.data, face.boxes, face.points, np.array([[0, 0, 15, 15]], np.float32))
    made = scenes(SceneMaker([with_unknown], [grey()], 128, rendered=0), 80)
    assert sum(len(scene.unknown) for scene in made) > 20
    for scene in made:
        for box in scene.boxes:
            inside = np.minimum(box[2:], 128) - np.maximum(box[:2], 0)
            assert inside.prod() >= 0.45 * (box[2:] - box[:2]).prod()


@pytest.mark.usefixtures("plain", "straight")
def test_what_is_unknown_in_a_background_is_unknown_in_its_parts(face: Labelled) -> None:
    doubtful = np.zeros((100, 150, 3), np.uint8)
    doubtful[30:70, 60:100] = (250, 0, 250)  # a place that one teacher took for a face
    background = replace(faceless(doubtful), unknown=np.array([[60, 30, 100, 70]], np.float32))
    checked = 0
    for scene in scenes(SceneMaker([face], [background], 128, rendered=0), 120):
        if len(scene.boxes) or len(scene.unknown) != 1:
            continue
        left, top, right, bottom = np.rint(scene.unknown[0]).astype(int).tolist()
        there = np.zeros((128, 128), bool)
        there[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        violet = (np.abs(scene.image.astype(int) - [250, 0, 250]).max(-1) < 40) & (scene.image[..., 1] < 40)
        if violet.sum() < 200 or there.sum() < 200:
            continue
        assert (violet & there).sum() > 0.75 * max(violet.sum(), there.sum())
        checked += 1
    assert checked > 5
