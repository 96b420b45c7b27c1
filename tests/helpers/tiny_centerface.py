"""A network with CenterFace's four outputs, made of a few random convolutions, and what its maps say by plain loops."""

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.random import default_rng
from onnx import TensorProto, helper, numpy_helper

from facematch.faces.boxes import without_overlaps
from facematch.faces.values import Face, Image

_WIDTHS = {"537": 1, "538": 2, "539": 2, "540": 10}  # heat map, scales, offsets, points


def write_tiny_centerface(path: Path, *, outputs: tuple[str, ...] = tuple(_WIDTHS), seed: int = 0) -> Path:
    """Write the model: a picture halved three times, the last enlarged, normalised and added to the one before.

    OpenCV 4.14 fuses a normalisation behind ConvTranspose into its weights once more for each new input size.
    """
    rng, weights, nodes = default_rng(seed), [], []

    def node(kind: str, source: str, out: str, ins: int, outs: int, side: int, stride: int) -> None:
        shape = (ins, outs, side, side) if kind == "ConvTranspose" else (outs, ins, side, side)
        values = {
            f"{out}.w": rng.normal(0, 1.2 / math.sqrt(ins * side * side), shape),
            f"{out}.b": np.full(outs, 1.5 * (out == "538")),
        }
        weights.extend(numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items())
        pads = [side // 2 if kind == "Conv" and side > 1 else 0] * 4
        nodes.append(
            helper.make_node(kind, [source, *values], [out], kernel_shape=[side] * 2, strides=[stride] * 2, pads=pads)
        )

    def relu(source: str, out: str) -> None:
        nodes.append(helper.make_node("Relu", [source], [out]))

    nodes.append(helper.make_node("Mul", ["input", "shrink"], ["scaled"]))
    weights.append(numpy_helper.from_array(np.array(1 / 128, np.float32), "shrink"))
    for source, out, ins, stride in (("scaled", "a", 3, 2), ("a+", "b", 8, 2), ("b+", "c", 8, 2)):
        node("Conv", source, out, ins, 8, 3, stride)
        relu(out, f"{out}+")
    node("ConvTranspose", "c+", "up", 8, 8, 2, 2)
    norms = {"scale": rng.uniform(0.5, 2, 8), "shift": rng.normal(size=8), "mean": np.zeros(8), "var": np.ones(8)}
    weights.extend(numpy_helper.from_array(value.astype(np.float32), name) for name, value in norms.items())
    nodes.append(helper.make_node("BatchNormalization", ["up", *norms], ["normed"]))
    relu("normed", "up+")
    node("Conv", "b+", "side", 8, 8, 1, 1)
    relu("side", "side+")
    nodes.append(helper.make_node("Add", ["up+", "side+"], ["sum"]))
    for name in outputs:
        node("Conv", "sum", f"{name}." if name == "537" else name, 8, _WIDTHS[name], 1, 1)
    if "537" in outputs:
        nodes.append(helper.make_node("Sigmoid", ["537."], ["537"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [10, 3, 32, 32])],  # as CenterFace's file says
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [10, _WIDTHS[name], 8, 8]) for name in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def faces_by_loops(path: Path, image: Image, least: float) -> list[Face]:
    """Return the faces in a picture (H×W×3) that needs no reducing, each cell of the maps read by itself."""
    height, width = (max(-(-side // 32) * 32, 64) for side in image.shape[:2])
    whole = np.zeros((1, 3, height, width), np.float32)
    whole[0, :, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
    model = onnx.load(str(path))
    for value in (*model.graph.input, *model.graph.output):
        for number, dimension in enumerate(value.type.tensor_type.shape.dim):
            dimension.dim_param = f"{value.name} {number}"  # any size
    heat, scales, offsets, points = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": whole})
    faces = []
    for row in range(height // 4):
        for column in range(width // 4):
            if heat[0, 0, row, column] < least:
                continue
            tall, wide = (4 * math.exp(scales[0, number, row, column]) for number in range(2))
            middle_y = 4 * (row + float(offsets[0, 0, row, column]) + 0.5)
            middle_x = 4 * (column + float(offsets[0, 1, row, column]) + 0.5)
            left, top = middle_x - wide / 2, middle_y - tall / 2
            marks = tuple(
                (
                    left + wide * float(points[0, 2 * number + 1, row, column]),
                    top + tall * float(points[0, 2 * number, row, column]),
                )
                for number in range(5)
            )
            faces.append(Face(left, top, wide, tall, float(heat[0, 0, row, column]), "centerface", marks))
    return without_overlaps(faces, 0.3)
