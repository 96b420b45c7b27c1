"""A network as an ONNX graph: in float32, in half precision, and in int8.

What an exporter adds to the graph, such as the paths of the source code on this machine, is taken out.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facematch.core.errors import FacematchError, silenced
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.onnx_metadata import INPUT, KEY, OUTPUT, OnnxMetadata
from facematch.networks.spec import NetworkSpec

Model = Any  # onnx.ModelProto
_FLOAT32 = ("Gelu",)  # stay so in half precision: ONNX Runtime 1.31 on a CPU crashes on them in float16


def require_exporter() -> None:
    """Raise FacematchError where what exports, or what checks an export, is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise FacematchError(
            f"exporting needs onnx, onnxscript and onnxruntime; {error.name} is not installed.",
            "Run: pip install 'facematch[onnx]', or pip install onnx onnxscript onnxruntime",
        ) from error


def export_network(network: EmbeddingNetwork, size: int) -> Model:
    """Return a network as an ONNX model: float32 N×3×S×S normalised pixels in, N×D embeddings out, N free.

    tanh and scaling to length 1 are in the graph, BatchNorm is folded into the layer before it.
    """
    with silenced():
        program = torch.onnx.export(
            network.cpu().eval(),
            (torch.zeros(2, 3, size, size),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return _without_traces(program.model_proto)


def in_half(model: Model, spec: NetworkSpec) -> Model:
    """Return the model with float16 weights and arithmetic. Input and output stay float32, and so do tanh and the
    scaling to length 1: a sum of squares soon exceeds 65504, the largest float16.
    """
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    def halved(tensor: Any) -> Any:
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)

    half = ModelProto()
    half.CopyFrom(model)
    graph, (cut, raw) = half.graph, _last_steps(model, spec)
    body, tail = list(graph.node[:cut]), list(graph.node[cut:])
    used = {name for node in body for name in node.input}
    for tensor in graph.initializer:
        if tensor.name in used and tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(halved(tensor))
    nodes = [helper.make_node("Cast", [INPUT], [f"{INPUT}_half"], to=TensorProto.FLOAT16)]
    for node in body:
        node.input[:] = [f"{INPUT}_half" if name == INPUT else name for name in node.input]
        for attribute in node.attribute:
            if attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(halved(attribute.t))
            elif (node.op_type, attribute.name, attribute.i) == ("Cast", "to", TensorProto.FLOAT):
                attribute.i = TensorProto.FLOAT16
        nodes += _in_float32(node) if node.op_type in _FLOAT32 else [node]
        if raw in node.output:
            node.output[:] = [f"{raw}_half" if name == raw else name for name in node.output]
            nodes.append(helper.make_node("Cast", [f"{raw}_half"], [raw], to=TensorProto.FLOAT))
    graph.ClearField("value_info")  # the types between the nodes, which are others now
    graph.ClearField("node")
    graph.node.extend([*nodes, *tail])
    return half


def in_int8(model: Model, spec: NetworkSpec, batches: Iterable[NDArray[np.float32]]) -> Model:
    """Return the model with int8 weights, a scale for each channel, in its convolutions and matrix products, whose
    inputs become uint8 in the ranges met in `batches` (each float32 N×3×S×S, normalised).

    Weights have 7 bits: with 8 the sums of processors without VNNI instructions overflow, silently. All else stays
    float32: in int8 the sums, softmax and GELU of a ViT-B/32 took its least cosine from .998 to .72.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    reader = SimpleNamespace(get_next=partial(next, ({INPUT: batch} for batch in batches), None))
    cut, _ = _last_steps(model, spec)
    with TemporaryDirectory() as folder, silenced():
        plain, prepared, small = (Path(folder) / name for name in ("plain.onnx", "prepared.onnx", "int8.onnx"))
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            small,
            reader,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in model.graph.node[cut:]],
        )
        return _without_traces(onnx.load(small))


def save_model(model: Model, metadata: OnnxMetadata, path: Path) -> None:
    """Write a model with its description at its end. Protobuf messages are joined by writing one after the
    other."""
    from onnx import ModelProto

    header = ModelProto()
    header.metadata_props.add(key=KEY, value=metadata.as_json())
    with path.open("wb") as opened:
        opened.write(model.SerializeToString(deterministic=True))
        opened.write(header.SerializeToString())


def _in_float32(node: Any) -> list[Any]:
    # A node of one float16 input and output, between casts.
    from onnx import TensorProto, helper

    (given,), (made,) = node.input, node.output
    node.input[:], node.output[:] = [f"{made}_from"], [f"{made}_to"]
    before = helper.make_node("Cast", [given], [f"{made}_from"], to=TensorProto.FLOAT)
    return [before, node, helper.make_node("Cast", [f"{made}_to"], [made], to=TensorProto.FLOAT16)]


def _last_steps(model: Model, spec: NetworkSpec) -> tuple[int, str]:
    # Where tanh or the scaling to length 1 begins among the nodes, and the name of what they are given.
    last = "ReduceL2" if spec.normalise else "Tanh" if spec.tanh else ""
    for place in range(len(model.graph.node) - 1, -1, -1):
        if model.graph.node[place].op_type == last:
            return place, model.graph.node[place].input[0]
    return len(model.graph.node), OUTPUT


def _without_traces(model: Model) -> Model:
    # Stack traces name the folders of whoever exports.
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    return model
