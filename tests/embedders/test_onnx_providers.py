"""Which of ONNX Runtime's providers compute, and what is said of it."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facematch.embedders.onnx import OnnxEmbedder, providers

CUDA, CORE, DML, CPU = (f"{name}ExecutionProvider" for name in ("CUDA", "CoreML", "Dml", "CPU"))


@pytest.mark.parametrize(
    ("there", "device", "tried"),
    [
        ([CPU], "auto", (CPU,)),
        (["TensorrtExecutionProvider", CUDA, CPU], "auto", (CUDA, CPU)),
        ([CPU, DML, CORE], "auto", (CORE, DML, CPU)),
        ([CUDA, CPU], "cpu", (CPU,)),
        ([CUDA, CORE, CPU], "cuda", (CUDA, CPU)),
        ([CUDA, CORE, CPU], "mps", (CORE, CPU)),
        ([CPU], "cuda", (CPU,)),
        (["AzureExecutionProvider"], "auto", (CPU,)),
    ],
)
def test_the_best_that_is_there_is_tried(there: list[str], device: str, tried: tuple[str, ...]) -> None:
    assert providers(there, device) == tried


class Runtime:
    """An ONNX Runtime that gives the mean of each channel, where `working` providers compute."""

    def __init__(self, there: list[str], working: list[str], *, raises: bool) -> None:
        self.there, self.working, self.raises = there, working, raises
        self.made: list[list[str]] = []
        self.SessionOptions = SimpleNamespace

    def get_available_providers(self) -> list[str]:
        return self.there

    def InferenceSession(self, file: str, options: object, *, providers: list[str], enable_fallback: int) -> Any:  # noqa: N802
        self.made.append(providers)
        if self.raises and providers[0] not in self.working:
            raise RuntimeError("no driver")
        used = [each for each in providers if each in self.working]
        image = SimpleNamespace(name="in", type="tensor(float)", shape=["N", 3, 8, 8])
        return SimpleNamespace(
            get_inputs=lambda: [image],
            get_providers=lambda: used,
            run=lambda _, given: [given["in"].mean(axis=(2, 3))],
        )


@pytest.mark.parametrize(
    ("runtime", "device", "said"),
    [
        (Runtime([CPU], [CPU], raises=False), "auto", "ONNX Runtime computes by CPU"),
        (Runtime([CUDA, CPU], [CUDA, CPU], raises=False), "auto", "ONNX Runtime computes by CUDA"),
        (Runtime([CUDA, CPU], [CUDA, CPU], raises=False), "cpu", "ONNX Runtime computes by CPU"),
        (
            Runtime([CUDA, CPU], [CPU], raises=False),
            "auto",
            "ONNX Runtime computes by CPU: CUDA cannot be used by this onnxruntime",
        ),
        (
            Runtime([CUDA, CPU], [CPU], raises=True),
            "auto",
            "ONNX Runtime computes by CPU: CUDA cannot be used by this onnxruntime (no driver)",
        ),
        (
            Runtime([CPU], [CPU], raises=False),
            "cuda",
            "ONNX Runtime computes by CPU: CUDA cannot be used by this onnxruntime",
        ),
    ],
    ids=["cpu", "cuda", "cpu wanted", "left out", "raises", "not there"],
)
def test_one_line_says_who_computes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    runtime: Runtime,
    device: str,
    said: str,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    (tmp_path / "m.onnx").write_bytes(b"")
    caplog.set_level(logging.INFO, "facematch")
    embedder = OnnxEmbedder(tmp_path / "m.onnx", 8, device=device, normalise=False)
    vectors = embedder.embed(np.full((3, 8, 8, 3), 255, np.uint8))
    np.testing.assert_allclose(vectors, 127.5 / 128)
    assert [record.getMessage() for record in caplog.records] == [said]


def test_weights_that_are_listed_as_inputs_are_none(tmp_path: Path) -> None:
    """Old files have them there, SFace's among them."""
    image = helper.make_tensor_value_info("in0", TensorProto.FLOAT, [1, 3, 8, 8])
    listed = helper.make_tensor_value_info("weight", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3])
    nodes = [
        helper.make_node("ReduceMean", ["in0"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "weight"], ["out"]),
    ]
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph(nodes, "old", [image, listed], [out], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)])
    model.ir_version = 3
    onnx.save(model, tmp_path / "old.onnx")
    embedder = OnnxEmbedder(tmp_path / "old.onnx", 8, mean=(0, 0, 0), std=(1, 1, 1), normalise=False)
    np.testing.assert_allclose(embedder.embed(np.full((3, 8, 8, 3), 7, np.uint8)), 14.0)
