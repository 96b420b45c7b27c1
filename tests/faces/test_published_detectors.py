"""SCRFD and RetinaFace: decoded as their formulas say, for pictures of any size, and clear about a wrong file."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from facematch.core import extras
from facematch.core.errors import FacematchError
from facematch.faces.boxes import without_overlaps
from facematch.faces.onnx_detector import OnnxDetector
from facematch.faces.retinaface import RetinaFaceDetector, anchors_of
from facematch.faces.scrfd import ScrfdDetector
from facematch.faces.values import Face, Image
from facematch.testing import check_detector
from tiny_detectors import (
    SIDES,
    STRIDES,
    Arrays,
    Encode,
    Planted,
    a_face,
    retinaface_outputs,
    scrfd_outputs,
    write_network,
    write_tables,
)

KINDS: list[tuple[type[OnnxDetector], Encode]] = [
    (ScrfdDetector, scrfd_outputs),
    (RetinaFaceDetector, retinaface_outputs),
]
both = pytest.mark.parametrize(("kind", "encode"), KINDS, ids=["scrfd", "retinaface"])
# One face for each stride and anchor, none over another.
FACES = [
    a_face(10, 12, 14, stride=8, anchor=0, score=0.6),
    a_face(60, 8, 30, stride=8, anchor=1, score=0.95),
    a_face(110, 10, 50, stride=16, anchor=0, score=0.7),
    a_face(10, 70, 90, stride=16, anchor=1, score=0.8),
    a_face(170, 20, 120, stride=32, anchor=0, score=0.75),
    a_face(110, 180, 300, stride=32, anchor=1, score=0.9),
]


def noise(height: int, width: int, seed: int = 0) -> Image:
    return cv2.GaussianBlur(default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8), (9, 9), 2)


def rows(faces: Sequence[Face | Planted]) -> np.ndarray[Any, Any]:
    def box(face: Face | Planted) -> tuple[float, ...]:
        if isinstance(face, Planted):
            return face.box
        return face.x, face.y, face.x + face.width, face.y + face.height

    return np.array(sorted([face.score, *box(face), *np.ravel(face.points)] for face in faces))


@both
def test_faces_of_every_stride_and_anchor_are_where_they_were_planted(
    tmp_path: Path, kind: type[OnnxDetector], encode: Encode
) -> None:
    file = write_tables(tmp_path / "m.onnx", encode(FACES, 576, 512), (576, 512))
    found = kind(file, detect_size=640).detect(np.zeros((576, 512, 3), np.uint8))
    np.testing.assert_allclose(rows(found), rows(FACES), rtol=1e-4, atol=1e-3)
    assert {face.detector for face in found} == {kind.name}
    surest = kind(file, min_score=0.85, detect_size=640).detect(np.zeros((576, 512, 3), np.uint8))
    np.testing.assert_allclose(rows(surest), rows([each for each in FACES if each.score > 0.85]), rtol=1e-4, atol=1e-3)


@both
def test_a_photo_is_brought_to_the_size_that_a_file_wants_and_answered_in_its_own_pixels(
    tmp_path: Path, kind: type[OnnxDetector], encode: Encode
) -> None:
    file = write_tables(tmp_path / "m.onnx", encode(FACES[:4], 192, 256), (192, 256))
    for height, width, size in [(384, 512, 640), (384, 512, 256), (384, 300, 640), (96, 40, 640), (768, 1024, 256)]:
        found = kind(file, detect_size=size).detect(np.zeros((height, width, 3), np.uint8))
        # A side of the photo by that of the copy which fits into 192×256 and is no longer than `size`.
        factor = max(1, height / 192, width / 256, max(height, width) / size)
        inside = [each for each in FACES[:4] if each.box[0] * factor < width and each.box[1] * factor < height]
        expected = rows(inside) * np.array([1, *[factor] * 14])
        np.testing.assert_allclose(rows(found), expected, rtol=0.01, atol=0.2)


@both
def test_of_faces_that_overlap_the_surest_stays(tmp_path: Path, kind: type[OnnxDetector], encode: Encode) -> None:
    twice = [a_face(60, 60, 60, score=0.9), a_face(64, 60, 60, score=0.8, anchor=1), a_face(100, 60, 60, score=0.7)]
    file = write_tables(tmp_path / "m.onnx", encode(twice, 192, 256), (192, 256))
    found = kind(file, detect_size=256).detect(np.zeros((192, 256, 3), np.uint8))
    np.testing.assert_allclose(rows(found), rows([twice[0], twice[2]]), rtol=1e-4, atol=1e-3)


@both
def test_what_is_not_finite_has_no_size_or_is_in_the_padding_is_no_face(
    tmp_path: Path, kind: type[OnnxDetector], encode: Encode
) -> None:
    outputs = encode([*FACES[:3], a_face(200, 20, 40)], 192, 256)
    wide = next(each for each in outputs if each.shape[-1] == 4)
    said = np.flatnonzero(np.abs(wide).reshape(-1, 4).sum(1))
    wide.reshape(-1, 4)[said[0]] = np.nan
    wide.reshape(-1, 4)[said[1]] = [-50, -50, -50, 1e9] if kind is ScrfdDetector else [0, 0, 1e9, -1e9]
    file = write_tables(tmp_path / "m.onnx", outputs, (192, 256))
    found = kind(file).detect(np.zeros((192, 180, 3), np.uint8))  # the fourth is right of it
    assert len(found) == 1
    np.testing.assert_allclose(rows(found), rows([FACES[2]]), rtol=1e-4, atol=1e-3)


def scrfd_by_loops(outputs: Arrays, height: int, width: int, least: float) -> Iterator[Face]:
    """Each row of the maps by itself, in the order of InsightFace's export."""
    for number, stride in enumerate(STRIDES):
        score, box, marks = (outputs[number + 3 * which].reshape(-1, size) for which, size in enumerate((1, 4, 10)))
        for at in range(len(score)):
            if score[at, 0] < least:
                continue
            row, column = divmod(at // 2, math.ceil(width / stride))
            x, y = column * stride, row * stride
            left, top, right, bottom = (float(each) * stride for each in box[at])
            points = tuple(
                (x + stride * float(marks[at, 2 * k]), y + stride * float(marks[at, 2 * k + 1])) for k in range(5)
            )
            yield Face(x - left, y - top, left + right, top + bottom, float(score[at, 0]), "scrfd", points)


def retinaface_by_loops(outputs: Arrays, height: int, width: int, least: float) -> Iterator[Face]:
    """Each anchor by itself."""
    boxes, scores, marks = (each[0] for each in outputs)
    at = 0
    for stride in STRIDES:
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                for side in SIDES[stride]:
                    x = (column + 0.5) * stride + 0.1 * side * float(boxes[at, 0])
                    y = (row + 0.5) * stride + 0.1 * side * float(boxes[at, 1])
                    wide, tall = (side * math.exp(0.2 * float(each)) for each in boxes[at, 2:])
                    points = tuple(
                        (
                            (column + 0.5) * stride + 0.1 * side * float(marks[at, 2 * k]),
                            (row + 0.5) * stride + 0.1 * side * float(marks[at, 2 * k + 1]),
                        )
                        for k in range(5)
                    )
                    if scores[at, 1] >= least:
                        yield Face(x - wide / 2, y - tall / 2, wide, tall, float(scores[at, 1]), "retinaface", points)
                    at += 1


LOOPS: dict[str, Callable[[Arrays, int, int, float], Iterator[Face]]] = {
    "scrfd": scrfd_by_loops,
    "retinaface": retinaface_by_loops,
}


@pytest.mark.parametrize("batched", [False, True])
@both
def test_a_network_of_any_size_is_read_as_plain_loops_do(
    tmp_path: Path, kind: type[OnnxDetector], encode: Encode, batched: bool
) -> None:
    file = write_network(tmp_path / "m.onnx", kind.name, batched=batched)  # type: ignore[arg-type]
    detector, session = kind(file, min_score=0.7), onnxruntime.InferenceSession(str(file))
    for height, width in [(64, 96), (50, 33), (1, 1), (300, 20), (200, 320)]:
        image = noise(height, width)
        around = np.zeros((max(height + -height % 32, 64), max(width + -width % 32, 64), 3), np.float32)
        around[:height, :width] = image
        bgr = around[..., ::-1] - np.array([104, 117, 123])
        blob = (around - 127.5) / 128 if kind is ScrfdDetector else bgr
        outputs = session.run(None, {"input": blob.transpose(2, 0, 1)[None].astype(np.float32)})
        every = LOOPS[kind.name](outputs, *around.shape[:2], 0.7)
        shown = [
            each
            for each in every
            if each.width > 0 and each.height > 0 and each.x < width and each.y < height
            and each.x + each.width > 0 and each.y + each.height > 0
        ]  # fmt: skip
        expected, found = without_overlaps(shown, 0.4), detector.detect(image)
        assert len(found) == len(expected)
        assert len(found) > 2 or height < 64
        if found:
            np.testing.assert_allclose(rows(found), rows(expected), rtol=1e-3, atol=1e-2)


@both
def test_the_contract_holds(tmp_path: Path, kind: type[OnnxDetector], encode: Encode) -> None:
    photo = noise(120, 160)
    check_detector(kind(write_network(tmp_path / "any.onnx", kind.name), min_score=0.9))  # type: ignore[arg-type]
    check_detector(kind(write_tables(tmp_path / "fixed.onnx", encode([a_face(0, 0, 40)], 96, 128), (96, 128))), photo)


corners = st.tuples(st.floats(0, 200), st.floats(0, 150), st.floats(4, 200), st.floats(4, 200))
points = st.lists(st.tuples(st.floats(-50, 400), st.floats(-50, 300)), min_size=5, max_size=5).map(tuple)


@both
@given(corner=corners, points=points, stride=st.sampled_from(STRIDES), anchor=st.integers(0, 1), data=st.data())
def test_what_is_encoded_is_decoded(
    kind: type[OnnxDetector], encode: Encode, corner: Any, points: Any, stride: int, anchor: int, data: st.DataObject
) -> None:
    x, y, wide, tall = corner
    height, width = 32 * data.draw(st.integers(2, 9)), 32 * data.draw(st.integers(2, 9))
    cell = data.draw(st.integers(0, width // stride - 1)), data.draw(st.integers(0, height // stride - 1))
    face = Planted((x, y, x + wide, y + tall), points, 0.9, stride, anchor, cell)
    outputs = encode([face], height, width)
    found = kind.decoded(
        data.draw(st.permutations(outputs)), height, width, 0.5
    )  # exports order them in their own ways
    np.testing.assert_allclose(found.boxes, [face.box], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.points, [face.points], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)


@both
@given(scale=st.integers(1, 4), right=st.integers(0, 3), below=st.integers(0, 3))
def test_scale_and_black_around_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    kind: type[OnnxDetector],
    encode: Encode,
    scale: int,
    right: int,
    below: int,
) -> None:
    # The tables of a larger picture say the same faces, in other rows.
    sides = 192 + 32 * below, 256 + 32 * right
    folder = tmp_path_factory.mktemp("m")
    file = write_tables(folder / "m.onnx", encode(FACES[:3], *sides), sides)
    found = kind(file, detect_size=256).detect(np.zeros((192 * scale, 256 * scale, 3), np.uint8))
    expected = rows(FACES[:3]) * np.array([1, *[scale] * 14])
    np.testing.assert_allclose(rows(found), expected, rtol=1e-4, atol=1e-3)


def test_anchors_are_those_of_the_paper_s_table() -> None:
    anchors = anchors_of(64, 96)
    assert len(anchors) == 2 * (8 * 12 + 4 * 6 + 2 * 3)
    assert anchors[:3].tolist() == [[4, 4, 16], [4, 4, 32], [12, 4, 16]]
    assert anchors[-1].tolist() == [80, 48, 512]


@both
def test_a_missing_foreign_or_cut_file_is_named(tmp_path: Path, kind: type[OnnxDetector], encode: Encode) -> None:
    with pytest.raises(FacematchError, match=rf"faces\.{kind.name}_file: .* does not exist"):
        kind(tmp_path / "none.onnx")
    whole = write_network(tmp_path / "whole.onnx", kind.name).read_bytes()  # type: ignore[arg-type]
    for data in (b"", b"nonsense", whole[: len(whole) // 2]):
        (tmp_path / "bad.onnx").write_bytes(data)
        with pytest.raises(FacematchError, match=rf"faces\.{kind.name}_file: .*bad\.onnx is damaged, or") as error:
            kind(tmp_path / "bad.onnx")
        assert f"facematch models pull {kind.name}" in error.value.hint
    other = next(each for each, _ in KINDS if each is not kind)
    with pytest.raises(FacematchError, match="its outputs have rows of"):
        kind(write_network(tmp_path / "other.onnx", other.name))  # type: ignore[arg-type]


@both
def test_a_model_without_points_is_named(tmp_path: Path, kind: type[OnnxDetector], encode: Encode) -> None:
    outputs = [each for each in encode(FACES[:1], 64, 64) if each.shape[-1] != 10]
    file = write_tables(tmp_path / "m.onnx", outputs, (64, 64))
    with pytest.raises(FacematchError, match=r"rows of [124, ]+ numbers, and .* with 10 \(five points\)"):
        kind(file)


@both
def test_maps_of_another_size_and_other_inputs_are_named(
    tmp_path: Path, kind: type[OnnxDetector], encode: Encode
) -> None:
    file = write_tables(tmp_path / "m.onnx", encode(FACES[:1], 96, 64), (64, 64))
    with pytest.raises(FacematchError, match=r"of a picture of 64×64 its outputs have .* rows"):
        kind(file)
    file = write_tables(tmp_path / "flat.onnx", encode(FACES[:1], 64, 64), ())  # type: ignore[arg-type]
    with pytest.raises(FacematchError, match="does not take one picture"):
        kind(file)


@both
def test_without_onnx_runtime_the_extra_is_named(
    tmp_path: Path, kind: type[OnnxDetector], encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(FacematchError, match="this needs onnxruntime") as error:
        kind(tmp_path / "m.onnx")
    assert error.value.hint == "Run: pip install 'facematch[onnx]'"


@both
def test_settings_tell_file_score_and_size(tmp_path: Path, kind: type[OnnxDetector], encode: Encode) -> None:
    one, other = (write_network(tmp_path / f"{seed}.onnx", kind.name, seed=seed) for seed in (0, 1))  # type: ignore[arg-type]
    base = kind(one).settings()
    assert json.loads(json.dumps(base)) == base
    for change in (kind(other), kind(one, 0.4), kind(one, detect_size=200)):
        assert sum(change.settings()[key] != value for key, value in base.items()) == 1
