"""Learning rates by part, frozen stages left out, and the classifier's cosine logits."""

import numpy as np
import pytest
import torch

from facematch.core.errors import FacematchError
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.settings.training import LearningRate, TrainingSettings
from facematch.tasks.training.objective import CosineClassifier
from facematch.tasks.training.optimiser import build_optimiser


@pytest.fixture(scope="module")
def network() -> EmbeddingNetwork:
    return EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD))


def test_backbone_and_head_have_their_own_rates(network: EmbeddingNetwork) -> None:
    classifier = CosineClassifier(8, 5, 16.0)
    training = TrainingSettings(learning_rate=LearningRate(backbone=1e-5, head=1e-3), weight_decay=0.03)
    optimiser = build_optimiser(network, classifier, training)
    rate = {id(parameter): group["lr"] for group in optimiser.param_groups for parameter in group["params"]}
    assert {rate[id(parameter)] for parameter in network.backbone.parameters()} == {1e-5}
    head = [*network.head.parameters(), *classifier.parameters()]
    assert {rate[id(parameter)] for parameter in head} == {1e-3}
    assert all(group["base_lr"] == group["lr"] for group in optimiser.param_groups)
    assert all(group["weight_decay"] == 0.03 for group in optimiser.param_groups)


def test_betas_are_those_of_the_settings(network: EmbeddingNetwork) -> None:
    optimiser = build_optimiser(network, None, TrainingSettings(betas=(0.9, 0.98)))
    assert {group["betas"] for group in optimiser.param_groups} == {(0.9, 0.98)}


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_kind_is_the_setting(network: EmbeddingNetwork, name: str, kind: type) -> None:
    assert type(build_optimiser(network, None, TrainingSettings(optimiser=name))) is kind  # type: ignore[arg-type]


def test_frozen_weights_are_left_out(network: EmbeddingNetwork) -> None:
    network.backbone.requires_grad_(False)
    try:
        optimiser = build_optimiser(network, None, TrainingSettings())
    finally:
        network.backbone.requires_grad_(True)
    assert len(optimiser.param_groups) == 1


def test_logits_are_scaled_cosines() -> None:
    torch.manual_seed(0)
    classifier, embeddings = CosineClassifier(8, 5, 16.0), torch.randn(3, 8)
    logits = classifier(embeddings).detach().numpy()
    weight = classifier.weight.detach().numpy()
    for row, embedding in enumerate(embeddings.numpy()):
        for column, person in enumerate(weight):
            cosine = embedding @ person / np.linalg.norm(embedding) / np.linalg.norm(person)
            assert logits[row, column] == pytest.approx(16 * cosine, abs=1e-5)
    torch.testing.assert_close(classifier(embeddings * 7), classifier(embeddings))


def test_without_a_head_there_is_a_group_for_what_else_is_new() -> None:
    spec = NetworkSpec("resnet18", "features", False, IMAGENET_MEAN, IMAGENET_STD)
    headless = EmbeddingNetwork(spec)
    assert [len(g["params"]) for g in build_optimiser(headless, None, TrainingSettings()).param_groups] == [60]
    classifier = torch.nn.Linear(512, 3)
    groups = build_optimiser(headless, classifier, TrainingSettings()).param_groups
    assert [(len(group["params"]), group["lr"]) for group in groups] == [(60, 1e-4), (2, 1e-3)]
    headless.backbone.requires_grad_(False)
    with pytest.raises(FacematchError, match="nothing to train"):
        build_optimiser(headless, None, TrainingSettings())
