"""SCRFD's and RetinaFace's files made small: faces where they are planted, or a few random convolutions; and encoders.

A planted network answers from tables, whatever it is shown. A random one is of any size and follows the picture.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.random import default_rng
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Arrays = list[NDArray[np.float32]]
STRIDES = (8, 16, 32)
SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}  # of RetinaFace's anchors


@dataclass(frozen=True)
class Planted:
    """A face of a picture in pixels: box (left, top, right, bottom), five points, and what says it."""

    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]
    score: float = 0.9
    stride: int = 8
    anchor: int = 0
    cell: tuple[int, int] | None = None  # column, row; None: where its centre is

    @property
    def place(self) -> tuple[int, int]:
        """Return column and row of the cell that says it."""
        if self.cell is not None:
            return self.cell
        left, top, right, bottom = self.box
        return int((left + right) / 2 // self.stride), int((top + bottom) / 2 // self.stride)


def a_face(x: float, y: float, side: float, **named: object) -> Planted:
    """Return a face of a box with its corner at (x, y), `side` wide and a fifth higher."""
    points = ((0.3, 0.4), (0.7, 0.42), (0.5, 0.6), (0.35, 0.8), (0.66, 0.82))
    marks = tuple((x + side * across, y + side * down) for across, down in points)
    return Planted((x, y, x + side, y + 1.2 * side), marks, **named)  # type: ignore[arg-type]


def scrfd_outputs(faces: Sequence[Planted], height: int, width: int) -> Arrays:
    """Return the nine maps that say these faces: each number as its formula has it, one by one."""
    maps: dict[int, Arrays] = {}
    for stride in STRIDES:
        count = 2 * math.ceil(height / stride) * math.ceil(width / stride)
        maps[stride] = [np.zeros((count, each), np.float32) for each in (1, 4, 10)]
    for face in faces:
        (column, row), stride = face.place, face.stride
        number = 2 * (row * math.ceil(width / stride) + column) + face.anchor
        x, y, (left, top, right, bottom) = column * stride, row * stride, face.box
        scores, boxes, points = maps[stride]
        scores[number] = face.score
        boxes[number] = [(x - left) / stride, (y - top) / stride, (right - x) / stride, (bottom - y) / stride]
        points[number] = [value for px, py in face.points for value in ((px - x) / stride, (py - y) / stride)]
    return [maps[stride][number] for number in range(3) for stride in STRIDES]


def retinaface_outputs(faces: Sequence[Planted], height: int, width: int) -> Arrays:
    """Return boxes, scores and points that say these faces, each 1×N×…, each number as its formula has it."""
    rows = sum(2 * math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES)
    boxes, scores, points = (np.zeros((1, rows, each), np.float32) for each in (4, 2, 10))
    scores[..., 0] = 1
    for face in faces:
        before = sum(2 * math.ceil(height / s) * math.ceil(width / s) for s in STRIDES if s < face.stride)
        column, row = face.place
        number = before + 2 * (row * math.ceil(width / face.stride) + column) + face.anchor
        side, (left, top, right, bottom) = SIDES[face.stride][face.anchor], face.box
        x, y = (column + 0.5) * face.stride, (row + 0.5) * face.stride
        middle = ((left + right) / 2 - x) / side / 0.1, ((top + bottom) / 2 - y) / side / 0.1
        boxes[0, number] = [*middle, math.log((right - left) / side) / 0.2, math.log((bottom - top) / side) / 0.2]
        scores[0, number] = 1 - face.score, face.score
        points[0, number] = [
            value for px, py in face.points for value in ((px - x) / side / 0.1, (py - y) / side / 0.1)
        ]
    return [boxes, scores, points]


def write_tables(path: Path, outputs: Arrays, sides: tuple[int, int], *, names: Sequence[str] = ()) -> Path:
    """Write a network that takes a picture of `sides` (height, width) and answers with these arrays."""
    build = _Graph()
    build.node("ReduceMean", ["input"], "mean", keepdims=0)
    build.node("Mul", ["mean", build.constant(np.float32(0))], "nothing")
    for number, values in enumerate(outputs):
        name = names[number] if names else f"out{number}"
        build.node("Add", [build.constant(values.astype(np.float32)), "nothing"], name)
        build.out(name, values.shape)
    return build.write(path, [1, 3, *sides])


def write_network(path: Path, kind: Literal["scrfd", "retinaface"], *, batched: bool = False, seed: int = 0) -> Path:
    """Write a network of a few random convolutions with the outputs of this kind, for pictures of any size."""
    build, rng = _Graph(), default_rng(seed)
    source, found = "input", {}
    if kind == "retinaface":
        build.node("Mul", ["input", build.constant(np.float32(1 / 128))], "scaled")
        source = "scaled"
    for number, (ins, stride) in enumerate([(3, 8), (8, 2), (8, 2)]):
        source = build.convolution(rng, source, f"map{number}", ins, 8, max(3, stride + 1 - stride % 2), stride)
        found[STRIDES[number]] = source
    widths = {"score": 1, "box": 4, "points": 10} if kind == "scrfd" else {"box": 4, "score": 2, "points": 10}
    for name, width in widths.items():
        parts = []
        for stride, source in found.items():
            end = build.rows(rng, source, f"{name}{stride}", width, batched=batched or kind == "retinaface")
            if kind == "scrfd":
                kinds = {"score": "Sigmoid", "box": "Abs", "points": "Identity"}
                build.node(kinds[name], [end], f"{name}{stride}.end")
                build.out(f"{name}{stride}.end", (1, None, width) if batched else (None, width))
            parts.append(end)
        if kind == "retinaface":
            build.node("Concat", parts, f"{name}.all", axis=1)
            build.node("Softmax" if name == "score" else "Identity", [f"{name}.all"], name)
            build.out(name, (1, None, width))
    return build.write(path, [1, 3, "height", "width"])


@dataclass
class _Graph:
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    values: list[onnx.TensorProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)

    def node(self, kind: str, sources: list[str], name: str, **named: object) -> str:
        self.nodes.append(helper.make_node(kind, sources, [name], **named))
        return name

    def constant(self, values: object) -> str:
        name = f"constant{len(self.values)}"
        self.values.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def convolution(
        self, rng: np.random.Generator, source: str, name: str, ins: int, outs: int, side: int, stride: int
    ) -> str:
        weights = rng.normal(0, 1.5 / math.sqrt(ins * side * side), (outs, ins, side, side)).astype(np.float32)
        self.node("Conv", [source, self.constant(weights)], f"{name}.", strides=[stride] * 2, pads=[side // 2] * 4)
        return self.node("Tanh", [f"{name}."], name)

    def rows(self, rng: np.random.Generator, source: str, name: str, width: int, *, batched: bool) -> str:
        weights = rng.normal(0, 1, (2 * width, 8, 1, 1)).astype(np.float32)
        self.node("Conv", [source, self.constant(weights)], f"{name}.map")
        order = [0, 2, 3, 1] if batched else [2, 3, 0, 1]
        self.node("Transpose", [f"{name}.map"], f"{name}.turned", perm=order)
        shape = np.array([1, -1, width] if batched else [-1, width], np.int64)
        return self.node("Reshape", [f"{name}.turned", self.constant(shape)], f"{name}.rows")

    def out(self, name: str, shape: Sequence[int | None]) -> None:
        sides = [each if each is not None else f"{name} rows" for each in shape]
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sides))

    def write(self, path: Path, shape: Sequence[int | str]) -> Path:
        given = helper.make_tensor_value_info("input", TensorProto.FLOAT, list(shape))
        graph = helper.make_graph(self.nodes, "tiny", [given], self.outputs, self.values)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        return path


Encode = Callable[[Sequence[Planted], int, int], Arrays]
