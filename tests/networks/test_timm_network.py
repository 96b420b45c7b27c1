"""Networks of timm as backbones: their features, their weights from a file or from a cache, and what is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders.network import NetworkEmbedder
from facematch.networks import timm_network
from facematch.networks.checkpoint import read_checkpoint_header, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork, build_backbone
from facematch.networks.spec import NetworkSpec
from facematch.networks.timm_network import describe_timm, timm_file, timm_within_reach
from facematch.networks.weights import initial_network, native_size, require_size
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD

timm = pytest.importorskip("timm")
NAME = "mobilenetv3_small_050"  # whose last layers are not its features
SPEC = NetworkSpec(f"timm/{NAME}", 16, True, IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize("name", [NAME, "resnet18", "convnext_atto", "vit_tiny_patch16_224.augreg_in21k_ft_in1k"])
def test_its_features_are_those_that_timm_pools(name: str) -> None:
    backbone, features = build_backbone(f"timm/{name}")
    side = describe_timm(name)["input_size"][-1]
    with torch.inference_mode():
        assert backbone.eval()(torch.zeros(2, 3, side, side)).shape == (2, features)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnet81", r"'resnet81' is not a network of timm \(did you mean 'resnet\d+"),
        ("timm/resnet18.a9_in1k", r"timm's resnet18 has no weights called 'a9_in1k'"),
    ],
)
def test_an_unknown_one_is_named(name: str, said: str) -> None:
    with pytest.raises(FacematchError, match=said):
        build_backbone(name)


def test_published_weights_are_taken_from_a_file_without_their_last_layer(timm_weights: Path) -> None:
    network, origin = initial_network(SPEC, str(timm_weights), seed=1)
    theirs = timm.create_model(NAME, pretrained=False, num_classes=0, checkpoint_path=None)
    from safetensors.torch import load_file

    held = {name: each for name, each in load_file(timm_weights).items() if not name.startswith("classifier")}
    theirs.load_state_dict(held)
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    network.eval()
    with torch.inference_mode():
        given = network.preprocess(crops)
        torch.testing.assert_close(network.backbone(given), theirs.eval()(given))
    assert origin.notice == f"weights: {timm_weights}"


def test_published_weights_come_from_the_cache_with_their_terms(
    timm_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda repository, file: str(timm_weights))
    network, origin = initial_network(SPEC, "auto", seed=1)
    assert origin.source == "imagenet"
    assert f"timm's of {NAME}; terms: apache-2.0" in origin.notice
    assert network.dimensions == 16


def test_where_they_cannot_be_had_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda repository, file: None)
    monkeypatch.setattr(timm_network, "hub_within_reach", lambda url: False)
    assert not timm_within_reach(NAME)
    with pytest.raises(FacematchError, match=f"weights of timm's {NAME} are not here.*is not within reach") as found:
        timm_file(NAME)
    assert "model.safetensors by another way" in found.value.hint
    _, origin = initial_network(SPEC, "auto", seed=1)
    assert origin.warning
    assert "RANDOM" in origin.notice

    def refused(*given: Any, **named: Any) -> str:
        raise OSError("401 Client Error")

    monkeypatch.setattr(timm_network, "hub_within_reach", lambda url: True)
    monkeypatch.setattr(hub, "hf_hub_download", refused)
    with pytest.raises(FacematchError, match=r"could not be fetched from .*401 Client Error"):
        timm_file(NAME)


def test_a_network_of_one_size_refuses_crops_of_another() -> None:
    require_size(f"timm/{NAME}", 80)
    require_size("timm/vit_tiny_patch16_224", 224)
    require_size("resnet50", 80)
    with pytest.raises(FacematchError, match=r"takes 224×224 pixels, and faces\.size is 112"):
        require_size("timm/vit_tiny_patch16_224", 112)
    assert native_size(f"timm/{NAME}") == 224


def test_a_checkpoint_embeds_as_the_network_that_was_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(SPEC).eval()
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, network, Fingerprint(), origin={}, people=(), metric="euclidean", trained={})
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    found = NetworkEmbedder(read_checkpoint_header(path), "cpu", precision="fp32").embed(crops)
    with torch.inference_mode():
        np.testing.assert_allclose(found, network(torch.from_numpy(crops)).numpy(), atol=1e-5)


def test_without_timm_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(FacematchError, match="need timm, which is not installed") as found:
        build_backbone(f"timm/{NAME}")
    assert found.value.hint == "Run: pip install 'facematch[timm]'"
