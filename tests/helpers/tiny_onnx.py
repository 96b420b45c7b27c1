"""A small ONNX model on disk."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def write_mean_model(path: Path, side: int) -> Path:
    """A model that gives the mean of each channel, one photo in a batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = helper.make_tensor_value_info("in0", TensorProto.FLOAT, [1, 3, side, side])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3])
    mean = helper.make_node("ReduceMean", ["in0", "axes"], ["out"], keepdims=0)
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    graph = helper.make_graph([mean], "mean", [image], [out], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, path)
    return path
