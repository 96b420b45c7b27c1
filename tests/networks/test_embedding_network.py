"""Backbones, preprocessing and freezing."""

import json

import numpy as np
import pytest
import torch
import torchvision
from pydantic import TypeAdapter

from facematch.core.errors import FacematchError
from facematch.networks.embedding import EmbeddingNetwork, build_backbone, freeze_stages, set_training_mode
from facematch.networks.spec import NetworkSpec
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD

spec_from_dict = TypeAdapter(NetworkSpec).validate_python  # as a checkpoint's header is read


def spec(backbone: str = "resnet18", *, embedding: int = 16, normalise: bool = True) -> NetworkSpec:
    return NetworkSpec(backbone, embedding, normalise, IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize(
    ("name", "features"),
    [("resnet18", 512), ("resnet50", 2048), ("efficientnet_b0", 1280), ("mobilenet_v3_small", 1024)],
)
def test_a_backbone_ends_in_its_features(name: str, features: int) -> None:
    backbone, found = build_backbone(name)
    assert found == features
    with torch.inference_mode():
        assert backbone.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, features)


def test_a_transformer_is_a_backbone_too() -> None:
    backbone, found = build_backbone("vit_b_32")
    assert found == 768
    with torch.inference_mode():
        assert backbone.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 768)


def test_an_unknown_backbone_is_named_with_the_nearest() -> None:
    with pytest.raises(FacematchError, match=r"'resnet5' is not .* \(did you mean 'resnet50'\?\)"):
        build_backbone("resnet5")


def test_a_network_without_a_last_linear_layer_is_refused() -> None:
    with pytest.raises(FacematchError, match="squeezenet1_0 does not end in a linear layer"):
        build_backbone("squeezenet1_0")


def test_preprocessing_equals_the_formula() -> None:
    network = EmbeddingNetwork(spec())
    images = np.random.default_rng(0).integers(0, 256, size=(2, 8, 8, 3), dtype=np.uint8)
    got = network.preprocess(torch.from_numpy(images)).numpy()
    for n in range(2):
        for channel in range(3):
            expected = (images[n, :, :, channel] / 255 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
            np.testing.assert_allclose(got[n, channel], expected, atol=1e-5)


@pytest.mark.parametrize("normalise", [True, False])
def test_embeddings_have_length_one_only_when_asked(normalise: bool) -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(spec(normalise=normalise)).eval()
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        embeddings = network(images)
        plain = network.head(network.backbone(network.preprocess(images)))
    assert embeddings.shape == (3, 16)
    lengths = embeddings.norm(dim=1)
    if normalise:
        torch.testing.assert_close(lengths, torch.ones(3))
        torch.testing.assert_close(embeddings, plain / plain.norm(dim=1, keepdim=True))
    else:
        torch.testing.assert_close(embeddings, plain)


def test_frozen_stages_are_not_trained_and_keep_their_statistics() -> None:
    network = EmbeddingNetwork(spec())
    stages = ("conv1", "bn1", "layer1")
    freeze_stages(network, stages)
    set_training_mode(network, stages)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    optimiser.step()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert not any(name.startswith(("backbone.conv1", "backbone.bn1", "backbone.layer1")) for name in changed)


def test_an_unknown_stage_is_named() -> None:
    with pytest.raises(FacematchError, match=r"no stage 'layer9' .*did you mean 'layer"):
        freeze_stages(EmbeddingNetwork(spec()), ["layer9"])


def test_a_specification_survives_json() -> None:
    one = spec(embedding=7)
    assert spec_from_dict(one.as_dict()) == one


@pytest.mark.parametrize(("backbone", "side"), [("resnet18", 32), ("vit_b_32", 224)])
def test_a_hash_network_gives_values_whose_signs_are_bits(backbone: str, side: int) -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(NetworkSpec(backbone, 16, False, IMAGENET_MEAN, IMAGENET_STD, tanh=True)).eval()
    images = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
    with torch.inference_mode():
        values = network(images)
        linear = network.head(network.backbone(network.preprocess(images)))
    assert values.shape == (2, 16)
    assert torch.allclose(values, torch.tanh(linear))
    assert values.abs().max() <= 1


def test_a_network_without_tanh_has_the_fingerprint_it_had_before_there_was_one() -> None:
    plain = NetworkSpec("resnet18", 16, False, IMAGENET_MEAN, IMAGENET_STD)
    hashing = NetworkSpec("resnet18", 16, False, IMAGENET_MEAN, IMAGENET_STD, tanh=True)
    assert "network.tanh" not in plain.fingerprint.settings
    assert hashing.fingerprint.settings["network.tanh"] is True
    assert [spec_from_dict(each.as_dict()) for each in (plain, hashing)] == [plain, hashing]


@pytest.mark.parametrize(
    ("backbone", "features"),
    [("resnet50", 2048), ("efficientnet_b0", 1280), ("efficientnet_b5", 2048), ("vgg16", 4096)],
)
def test_features_are_what_the_last_layer_is_given(backbone: str, features: int) -> None:
    wanted = NetworkSpec(backbone, "features", False, IMAGENET_MEAN, IMAGENET_STD)
    with torch.device("meta"):  # no numbers: VGG16 alone has half a gigabyte of them
        network = EmbeddingNetwork(wanted).eval()
        assert network.dimensions == features
        for side in (64, 224):
            assert network(torch.empty(2, 3, side, side)).shape == (2, features)
        whole = torchvision.models.get_model(backbone, weights=None)
    last = [module for module in whole.modules() if isinstance(module, torch.nn.Linear)][-1]
    assert (last.in_features, last.out_features) == (features, 1000)


def test_vgg_features_are_its_last_hidden_layer() -> None:
    torch.manual_seed(0)
    backbone, _ = build_backbone("vgg11")
    backbone.eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        pooled = backbone.avgpool(backbone.features(images)).flatten(1)
        hidden = torch.relu(backbone.classifier[3](torch.relu(backbone.classifier[0](pooled))))
        torch.testing.assert_close(backbone(images), hidden)


def test_a_specification_of_features_travels_as_json() -> None:
    wanted = NetworkSpec("resnet18", "features", False, IMAGENET_MEAN, IMAGENET_STD)
    assert spec_from_dict(json.loads(json.dumps(wanted.as_dict()))) == wanted
    before = NetworkSpec("resnet18", 16, True, IMAGENET_MEAN, IMAGENET_STD).as_dict()
    assert before == {
        "backbone": "resnet18",
        "embedding": 16,
        "normalise": True,
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
    }
