"""Exported graphs give what torch gives, at any batch; smaller ones nearly so."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn
from torchvision.models.efficientnet import MBConvConfig

from facematch.core.fingerprint import Fingerprint
from facematch.embedders.network import run_network
from facematch.embedders.onnx import OnnxEmbedder
from facematch.networks import embedding
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.onnx_metadata import OnnxMetadata, Precision, read_onnx_metadata
from facematch.networks.spec import NetworkSpec
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.tasks.export.onnx_export import export_network, in_half, in_int8, save_model

SIDE = 32
Backbone = Callable[[], tuple[nn.Module, int]]


def resnet() -> tuple[nn.Module, int]:
    network = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    network.fc = nn.Identity()
    return network, 512


def vit() -> tuple[nn.Module, int]:
    network = torchvision.models.VisionTransformer(
        image_size=SIDE, patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    network.heads = nn.Identity()
    return network, 16


def efficientnet() -> tuple[nn.Module, int]:
    stages = [MBConvConfig(1, 3, 1, 8, 8, 1, 1, 1), MBConvConfig(6, 5, 2, 8, 16, 1, 1, 1)]
    network = torchvision.models.EfficientNet(stages, dropout=0.2, last_channel=24)
    network.classifier[1] = nn.Identity()
    return network, 24


def vgg() -> tuple[nn.Module, int]:
    layers = torchvision.models.vgg.make_layers([8, "M", 16, "M"], batch_norm=True)
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Dropout())
    return nn.Sequential(layers, pooled), 20


def network_of(backbone: Backbone, patch: pytest.MonkeyPatch, **changed: Any) -> EmbeddingNetwork:
    patch.setattr(embedding, "build_backbone", lambda name: backbone())
    torch.manual_seed(0)
    spec = NetworkSpec(
        "tiny", **{"embedding": 8, "normalise": True, "mean": IMAGENET_MEAN, "std": IMAGENET_STD} | changed
    )
    network = EmbeddingNetwork(spec)
    network(torch.randn(8, 3, SIDE, SIDE))  # BatchNorm has statistics of its own
    return network.eval()


def pictures(count: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(0, 256, size=(count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)


def embedder_of(model: Any, network: EmbeddingNetwork, path: Path, precision: Precision = "float32") -> OnnxEmbedder:
    spec = network.spec
    mean, std = (tuple(round(value * 255, 6) for value in each) for each in (spec.mean, spec.std))
    nothing = Fingerprint()
    told = OnnxMetadata(
        SIDE, mean, std, spec.normalise, "euclidean", network.dimensions, nothing, nothing, (), precision
    )  # type: ignore[arg-type]
    save_model(model, told, path)
    found = read_onnx_metadata(path)
    assert found == told
    return OnnxEmbedder(path, batch=4, **found.settings)


def least_cosine(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return min(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("backbone", "changed"),
    [
        (resnet, {}),
        (vit, {}),
        (efficientnet, {"embedding": "features"}),
        (vgg, {"normalise": False, "tanh": True}),
    ],
)
def test_every_precision_gives_what_torch_gives(
    backbone: Backbone, changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_of(backbone, monkeypatch, **changed)
    images = pictures(9)  # two whole batches and one alone
    expected = run_network(network, images)
    plain = export_network(network, SIDE)
    batches = [network.preprocess(torch.from_numpy(images[at : at + 3])).numpy() for at in (0, 3, 6)]
    found = {
        "float32": plain,
        "float16": in_half(plain, network.spec),
        "int8": in_int8(plain, network.spec, batches),
    }
    vectors = {
        name: embedder_of(model, network, tmp_path / f"{name}.onnx", name).embed(images)  # type: ignore[arg-type]
        for name, model in found.items()
    }
    np.testing.assert_allclose(vectors["float32"], expected, atol=1e-5)
    np.testing.assert_allclose(vectors["float16"], expected, atol=5e-3)
    assert least_cosine(vectors["int8"], expected) > 0.98
    for name, model in found.items():
        assert not {"BatchNormalization"} & {node.op_type for node in model.graph.node}, name
        assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
        assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.fixture(scope="module")
def plain() -> tuple[EmbeddingNetwork, Any]:
    with pytest.MonkeyPatch.context() as patch:
        network = network_of(vgg, patch)
    return network, export_network(network, SIDE)


def test_a_file_names_no_folder_of_this_machine(plain: tuple[EmbeddingNetwork, Any], tmp_path: Path) -> None:
    network, model = plain
    embedder = embedder_of(model, network, tmp_path / "m.onnx")
    data = embedder.file.read_bytes()
    assert str(Path(torch.__file__).parents[1]).encode() not in data
    assert str(Path(embedding.__file__).parents[1]).encode() not in data


def test_the_same_network_gives_the_same_file(plain: tuple[EmbeddingNetwork, Any]) -> None:
    network, model = plain
    again = export_network(network, SIDE)
    serialise = partial(onnx.ModelProto.SerializeToString, deterministic=True)
    assert serialise(model) == serialise(again)


def weights_of(model: Any, kind: int) -> int:
    return sum(int(np.prod(each.dims)) for each in model.graph.initializer if each.data_type == kind)


def test_smaller_files_hold_smaller_numbers(plain: tuple[EmbeddingNetwork, Any]) -> None:
    network, model = plain
    all_of_them = weights_of(model, TensorProto.FLOAT)
    half = in_half(model, network.spec)
    assert weights_of(half, TensorProto.FLOAT16) >= all_of_them - 1
    assert weights_of(half, TensorProto.FLOAT) <= 1  # the least length that is divided by
    batches = [network.preprocess(torch.from_numpy(pictures(4))).numpy()]
    int8 = in_int8(model, network.spec, batches)
    weights = sum(each.numel() for name, each in network.named_parameters() if each.ndim > 1)
    assert weights_of(int8, TensorProto.INT8) >= weights
    seven_bits = [
        onnx.numpy_helper.to_array(each) for each in int8.graph.initializer if each.data_type == TensorProto.INT8
    ]
    assert max(int(np.abs(each.astype(int)).max()) for each in seven_bits) <= 64


def test_half_precision_does_not_overflow_where_lengths_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_of(vgg, monkeypatch)  # another one: its weights are changed
    with torch.no_grad():
        network.head.weight *= 3000  # a squared length beyond 65504
    images = pictures(4)
    vectors = embedder_of(in_half(export_network(network, SIDE), network.spec), network, tmp_path / "m.onnx").embed(
        images
    )
    np.testing.assert_allclose(vectors, run_network(network, images), atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
