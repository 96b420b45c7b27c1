"""Whole files for the readers of tensors and models: checkpoints, embeddings, whitening, UMAP, ONNX."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from reader_damage import json_changed

RNG = np.random.default_rng(1)
PRINT = {"faces.size": 16, "network.backbone": "shufflenet_v2_x0_5", "faces.cascades": ["a", "b"]}


def made_embeddings(metric: str) -> Any:
    from facematch.core.fingerprint import Fingerprint
    from facematch.ranking.embeddings import Embeddings

    vectors = RNG.normal(size=(4, 8)).astype(np.float32)
    return Embeddings(("a.jpg", "b/c.jpg", "d.jpg", "Zoë.jpg"), vectors, metric, Fingerprint(PRINT))


def embedding_files(ending: str) -> Callable[[Path], list[bytes]]:
    def seeds(folder: Path) -> list[bytes]:
        from facematch.ranking.embedding_files import write_embeddings

        write_embeddings(folder / f"a{ending}", made_embeddings("cosine"))
        write_embeddings(folder / f"b{ending}", made_embeddings("euclidean").as_codes())
        return [(folder / f"{name}{ending}").read_bytes() for name in "ab"]

    return seeds


def save_whitening(path: Path) -> None:
    from facematch.refine.whitening import fit_whitening

    fit_whitening(made_embeddings("cosine")).save(path)


def apply_whitening(path: Path) -> None:
    from facematch.refine.whitening import load_whitening

    load_whitening(path).apply(made_embeddings("cosine"))


def save_umap(path: Path) -> None:
    from facematch.tasks.umap.fit import UmapSettings
    from facematch.tasks.umap.grey_pixels import SIDE, GreyPixels
    from facematch.tasks.umap.model import UmapModel, save_model

    pixels = RNG.integers(0, 256, (3, SIDE * SIDE), np.uint8)
    photos = GreyPixels(("a", "b", "c", "d"), ("0", "1", "2", "3"), np.array([0, 1, 2, 0]), pixels)
    embedding = RNG.normal(size=(3, 2)).astype(np.float32)
    settings = UmapSettings(n_neighbors=2, n_components=2)
    save_model(path.parent, UmapModel(settings, photos, embedding, np.ones(3, bool), 3, (1.9, 0.8), {2: 0.9}, 2))


@cache
def network() -> Any:
    import torch

    from facematch.networks.embedding import EmbeddingNetwork
    from facematch.networks.spec import NetworkSpec

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return EmbeddingNetwork(NetworkSpec("shufflenet_v2_x0_5", 8, True, (0.5,) * 3, (0.5,) * 3)).eval()


def made_checkpoint(path: Path) -> None:
    from facematch.core.fingerprint import Fingerprint
    from facematch.networks.checkpoint import save_checkpoint

    save_checkpoint(
        path, network(), Fingerprint(PRINT), origin={"source": "none", "seed": 1, "sha256": "x", "loud": False},
        people=("ann", "bob"), metric="cosine", trained={"epoch": 3, "validation": {"top1": 0.5}},
    )  # fmt: skip


def save_weights(path: Path) -> None:
    import torch

    torch.save(network().backbone.state_dict(), path)


def start_from(path: Path) -> None:
    from facematch.networks.weights import initial_network

    initial_network(network().spec, str(path), 1)


def models(folder: Path) -> list[bytes]:
    import onnx
    from onnx import TensorProto, helper

    from facematch.core.fingerprint import Fingerprint
    from facematch.networks.onnx_metadata import KEY, OnnxMetadata

    made = []
    for batch in ("N", 4):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 16, 16])
        out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, 3])
        axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
        node = helper.make_node("ReduceMean", ["image", "axes"], ["embedding"], keepdims=0)
        graph = helper.make_graph([node], "mean", [image], [out], [axes])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 9
        told = OnnxMetadata(
            16, (1.0, 2.0, 3.0), (1.0, 2.0, 3.0), False, "cosine", 3, Fingerprint(PRINT), Fingerprint({"a": 1}),
            ("Ada",), "float32",
        )  # fmt: skip
        model.metadata_props.add(key=KEY, value=told.as_json())
        onnx.save(model, folder / "made.onnx")
        made.append((folder / "made.onnx").read_bytes())
    return made


def onnx_told(rng: Any, data: bytes) -> bytes:
    # Another JSON text in the file's metadata.
    import onnx

    model = onnx.load_from_string(data)
    text = model.metadata_props[0].value
    model.metadata_props[0].value = json_changed(rng, text.encode()).decode()
    return bytes(model.SerializeToString())


def run_onnx(path: Path) -> None:
    from facematch.embedders.onnx import OnnxEmbedder

    found = OnnxEmbedder(path, 16, batch=4).embed(np.zeros((5, 16, 16, 3), np.uint8))
    assert len(found) == 5


def detector_models(folder: Path) -> list[bytes]:
    helpers = str(Path(__file__).resolve().parents[1] / "helpers")
    if helpers not in sys.path:  # this runs in a process of its own, too
        sys.path.append(helpers)
    from tiny_detectors import write_network

    kinds: tuple[Any, ...] = ("scrfd", "retinaface")
    return [write_network(folder / f"{kind}.onnx", kind).read_bytes() for kind in kinds]


def find_faces(path: Path) -> None:
    from facematch.faces.retinaface import RetinaFaceDetector
    from facematch.faces.scrfd import ScrfdDetector

    kind = RetinaFaceDetector if b"score.all" in path.read_bytes() else ScrfdDetector
    kind(path, min_score=0.9).detect(np.zeros((70, 90, 3), np.uint8))


def torch_network() -> None:
    import onnx
    import onnxruntime
    import torchvision

    assert onnx
    assert onnxruntime
    assert torchvision
    network()
