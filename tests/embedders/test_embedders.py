"""One contract for every embedder, and the ONNX file checked against its own inputs."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders import Embedder
from facematch.embedders import network as room
from facematch.embedders.network import ModuleEmbedder, NetworkEmbedder, load_network, run_network
from facematch.embedders.onnx import USUAL_BATCH, OnnxEmbedder
from facematch.embedders.pixels import PixelEmbedder
from facematch.embedders.views import FlipEmbedder
from facematch.networks.checkpoint import read_checkpoint_header, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.testing import check_embedder
from turns import photos_waiting


def mean_model(path: Path, shape: list[object], *, axes: list[int], inputs: int = 1) -> Path:
    """A model that gives each channel's mean over the picture: N×3."""
    values = [helper.make_tensor_value_info(f"in{i}", TensorProto.FLOAT, shape) for i in range(inputs)]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [shape[0], 3])
    nodes = [helper.make_node("ReduceMean", ["in0", "axes"], ["out"], keepdims=0)]
    constant = helper.make_tensor("axes", TensorProto.INT64, [2], axes)
    graph = helper.make_graph(nodes, "mean", values, [out], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


@pytest.fixture(params=["pixels", "flip", "module", "network", "onnx", "onnx-batch-2"])
def embedder(request: pytest.FixtureRequest, tmp_path: Path) -> Embedder:
    if request.param == "pixels":
        return PixelEmbedder(side=8)
    if request.param == "flip":
        return FlipEmbedder(PixelEmbedder(side=8))
    if request.param.startswith("onnx"):
        batch = 2 if request.param.endswith("2") else "N"
        path = mean_model(tmp_path / "m.onnx", [batch, 3, 32, 32], axes=[2, 3])
        return OnnxEmbedder(path, size=32, batch=USUAL_BATCH if batch == 2 else 4, normalise=False)
    torch.manual_seed(0)
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD))
    if request.param == "module":
        return ModuleEmbedder(network, batch=3)
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    return NetworkEmbedder(read_checkpoint_header(path), "cpu", batch=3)


def test_it_passes_the_contract_tests_that_plug_ins_are_given(embedder: Embedder) -> None:
    check_embedder(embedder, size=32)


def crops(count: int, side: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, size=(count, side, side, 3), dtype=np.uint8)


def test_vectors_are_finite_float32_one_for_each_crop(embedder: Embedder) -> None:
    for count in (1, 2, 5):
        vectors = embedder.embed(crops(count))
        assert vectors.dtype == np.float32
        assert vectors.shape == (count, vectors.shape[1])
        assert np.isfinite(vectors).all()


def test_a_vector_does_not_depend_on_its_neighbours_in_the_batch(embedder: Embedder) -> None:
    images = crops(5)
    together = embedder.embed(images)
    alone = np.concatenate([embedder.embed(images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_fingerprint_is_stable_and_can_be_written(embedder: Embedder) -> None:
    assert embedder.fingerprint.digest == embedder.fingerprint.digest
    assert embedder.fingerprint.settings
    assert embedder.batch >= 1


def test_photos_wait_while_a_network_is_loaded_and_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD))
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    loading = photos_waiting(monkeypatch, room, "load_network")
    computing = photos_waiting(monkeypatch, EmbeddingNetwork, "forward")
    NetworkEmbedder(read_checkpoint_header(path), "cpu").embed(crops(2))
    assert (loading, computing) == ([True], [True])


def test_photos_wait_while_onnx_runtime_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = photos_waiting(monkeypatch, OnnxEmbedder, "_open")
    OnnxEmbedder(mean_model(tmp_path / "m.onnx", ["N", 3, 16, 16], axes=[2, 3]), 16).embed(crops(2, 16))
    assert loading == [True]


def test_a_checkpoint_embeds_as_the_network_it_holds(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD))
    network(torch.randn(8, 3, 32, 32))  # BatchNorm has statistics of its own
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    stored = NetworkEmbedder(read_checkpoint_header(path), "cpu")
    module = ModuleEmbedder(network)
    np.testing.assert_allclose(stored.embed(crops(3)), module.embed(crops(3)), atol=1e-6)
    assert stored.fingerprint == module.fingerprint
    assert network.training  # embedding left the mode as it was


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet_b0", "vit_b_32"])
def test_batch_normalisation_is_folded_away(tmp_path: Path, backbone: str) -> None:
    torch.manual_seed(2)
    network = EmbeddingNetwork(NetworkSpec(backbone, 8, True, IMAGENET_MEAN, IMAGENET_STD)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    header = read_checkpoint_header(path)
    folded = load_network(header, torch.device("cpu"))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    images = crops(3, 224)
    np.testing.assert_allclose(run_network(folded, images), run_network(network, images), atol=1e-6)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_small", "vit_b_32"])
def test_weights_rounded_once_give_what_autocast_gives(tmp_path: Path, backbone: str) -> None:
    torch.manual_seed(4)
    network = EmbeddingNetwork(NetworkSpec(backbone, 8, True, IMAGENET_MEAN, IMAGENET_STD)).eval()
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    header, cpu = read_checkpoint_header(path), torch.device("cpu")
    rounded = load_network(header, cpu, in_bf16=True)
    weights = {module.weight.dtype for module in rounded.modules() if isinstance(module, torch.nn.Conv2d)}
    assert weights == {torch.bfloat16}
    images = crops(3, 224)
    expected = run_network(network, images, in_bf16=True)  # BatchNorm for itself, each result rounded
    np.testing.assert_allclose(run_network(rounded, images, in_bf16=True), expected, atol=0.01)


@pytest.mark.parametrize(
    ("count", "side", "sizes"), [(40, 112, [32, 8]), (9, 224, [8, 1]), (2, 700, [1, 1]), (0, 8, [0])]
)
def test_a_network_takes_few_crops_at_once_on_the_processor(count: int, side: int, sizes: list[int]) -> None:
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD)).eval()
    images, taken = crops(count, side), list[int]()
    network.register_forward_pre_hook(lambda _, given: taken.append(len(given[0])))
    vectors = run_network(network, images)
    assert taken == sizes
    assert vectors.shape == (count, 8)
    for row, image in zip(vectors, images, strict=True):
        np.testing.assert_allclose(row, run_network(network, image[None])[0], atol=1e-6)


def test_bf16_differs_by_its_rounding_only_and_is_told_where_it_was_chosen(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD))
    network(torch.randn(8, 3, 32, 32))
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    header = read_checkpoint_header(path)
    half, full, either = (NetworkEmbedder(header, "cpu", precision=each) for each in ("bf16", "fp32", "auto"))
    one, two = half.embed(crops(9)), full.embed(crops(9))
    assert not np.array_equal(one, two)
    np.testing.assert_allclose(one, two, atol=0.05)
    assert either.fingerprint == ModuleEmbedder(network).fingerprint
    assert len({each.fingerprint.digest for each in (half, full, either)}) == 3


def test_grey_pixels_equal_the_formula() -> None:
    image = crops(1, 8)
    vector = PixelEmbedder(side=8).embed(image)[0]
    grey = np.round(image[0].astype(np.float64) @ [0.299, 0.587, 0.114])
    expected = (grey - grey.mean()).ravel()
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=6e-3)
    assert not PixelEmbedder(side=8).embed(np.full((1, 8, 8, 3), 9, np.uint8)).any()


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_onnx_input_is_made_as_the_settings_say(tmp_path: Path, layout: str, channels: str) -> None:
    shape = ["N", 3, 16, 16] if layout == "nchw" else ["N", 16, 16, 3]
    path = mean_model(tmp_path / "m.onnx", shape, axes=[2, 3] if layout == "nchw" else [1, 2])
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)
    embedder = OnnxEmbedder(path, 16, layout, channels, mean, std, normalise=False)  # type: ignore[arg-type]
    images = crops(3, 16)
    ordered = images[..., ::-1] if channels == "bgr" else images
    expected = (ordered.reshape(3, -1, 3).mean(1) - mean) / np.array(std)
    np.testing.assert_allclose(embedder.embed(images), expected, rtol=1e-4)


def test_crops_of_another_size_are_resized_for_the_model(tmp_path: Path) -> None:
    path = mean_model(tmp_path / "m.onnx", ["N", 3, 16, 16], axes=[2, 3])
    embedder = OnnxEmbedder(path, 16, normalise=False)
    flat = np.full((2, 40, 40, 3), 200, np.uint8)
    np.testing.assert_allclose(embedder.embed(flat), np.full((2, 3), (200 - 127.5) / 128), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        (["N", 3, 96, 96], {"size": 112}, r"but the settings say \['N', 3, 112, 112\]"),
        (["N", 112, 112, 3], {"size": 112}, "embedder.size and embedder.layout"),
        ([1, 3, 112, 112], {"batch": 7}, "takes batches of exactly 1, but embedder.batch is 7"),
        (["N", 3], {}, "but the settings say"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_named(
    tmp_path: Path, shape: list[object], settings: dict[str, int], message: str
) -> None:
    path = mean_model(tmp_path / "m.onnx", shape, axes=[0, 1])
    with pytest.raises(FacematchError, match=message):
        OnnxEmbedder(path, **settings).embed(crops(1))  # type: ignore[arg-type]


def test_a_model_of_two_inputs_is_refused(tmp_path: Path) -> None:
    path = mean_model(tmp_path / "m.onnx", ["N", 3, 16, 16], axes=[2, 3], inputs=2)
    with pytest.raises(FacematchError, match="expected one float image input"):
        OnnxEmbedder(path, 16).embed(crops(1))


def odd_model(path: Path, kind: str) -> Path:
    """A model that is whole, and gives something else than one vector of numbers for each picture."""
    made, types = [], (TensorProto.FLOAT, ["M", 3])
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, -1] if kind == "one row" else [-1, 1]),
        helper.make_tensor("many", TensorProto.INT64, [2], [1 << 40, 1]),
        helper.make_tensor("words", TensorProto.STRING, [1, 1], [b"words"]),
    ]
    mean = helper.make_node("ReduceMean", ["in0", "axes"], ["mean"], keepdims=0)
    if kind in ("one row", "a row for each number"):
        made = [mean, helper.make_node("Reshape", ["mean", "shape"], ["out"])]
    elif kind == "2^40 rows":
        made = [mean, helper.make_node("Tile", ["mean", "many"], ["out"])]
    elif kind == "text":
        made, types = [helper.make_node("Identity", ["words"], ["out"])], (TensorProto.STRING, ["M", 1])
    elif kind == "a number":
        made, types = [helper.make_node("ReduceMean", ["in0"], ["out"], keepdims=0)], (TensorProto.FLOAT, [])
    value = helper.make_tensor_value_info("in0", TensorProto.FLOAT, ["N", 3, 16, 16])
    graph = helper.make_graph(made, "odd", [value], [helper.make_tensor_value_info("out", *types)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        ("one row", "it gives 1 vectors for 2 photos: whose is whose is not known"),
        ("a row for each number", "it gives 6 vectors for 2 photos"),
        ("2^40 rows", ""),
        ("text", "its output is object, not N×D numbers"),
        ("a number", "its output is float32, not N×D numbers"),
    ],
)
@pytest.mark.parametrize("photos", [1, 5])
def test_a_model_without_one_vector_for_each_picture_is_refused(
    tmp_path: Path, kind: str, finding: str, photos: int
) -> None:
    with pytest.raises(FacematchError) as caught:
        OnnxEmbedder(odd_model(tmp_path / "odd.onnx", kind), 16).embed(crops(photos, 16))
    assert f"odd.onnx is damaged, or of another kind: {finding}" in caught.value.message
    assert len(str(caught.value)) < 800 + len(str(tmp_path))


def test_rows_are_counted_in_every_batch(tmp_path: Path) -> None:
    class Three:
        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="in0")]

        def run(self, names: None, given: object) -> list[NDArray[np.float32]]:
            return [np.zeros((3, 4), np.float32)]

    embedder = OnnxEmbedder(mean_model(tmp_path / "m.onnx", ["N", 3, 16, 16], axes=[2, 3]), 16)
    embedder.__dict__["_loaded"] = Three(), None
    assert embedder.embed(crops(3, 16)).shape == (3, 4)
    with pytest.raises(FacematchError, match="it gives 3 vectors for 5 photos"):
        embedder.embed(crops(5, 16))


def test_missing_damaged_and_impossible_are_named(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"embedder\.file: .* does not exist"):
        OnnxEmbedder(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(FacematchError, match=r"embedder\.file: .*bad\.onnx is damaged, or of another kind: .*"):
        OnnxEmbedder(tmp_path / "bad.onnx").embed(crops(1))
    with pytest.raises(FacematchError, match=r"embedder\.std"):
        OnnxEmbedder(tmp_path / "bad.onnx", std=(1.0, 0.0, 1.0))


@pytest.mark.parametrize("normalise", [True, False])
def test_a_face_and_its_mirror_image_have_one_flipped_embedding(tmp_path: Path, normalise: bool) -> None:
    images = crops(3)
    inner = PixelEmbedder(side=8)
    flipped = FlipEmbedder(inner, normalise=normalise)
    vectors = flipped.embed(images)
    assert vectors == pytest.approx(flipped.embed(images[:, :, ::-1]), abs=1e-6)
    mean = (inner.embed(images) + inner.embed(np.ascontiguousarray(images[:, :, ::-1]))) / 2
    if normalise:
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert vectors == pytest.approx(mean, abs=1e-6)
    assert flipped.fingerprint.difference(inner.fingerprint) == ("refine.flip", True, None)
    flat = FlipEmbedder(inner).embed(np.zeros((1, 32, 32, 3), np.uint8))
    assert (flat == 0).all()
