"""What training is measured by, at the size that it trains at."""

import numpy as np
import torch

from facematch.evaluation.task import leave_one_out, two_sides
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.settings.training import LossSettings, TrainingSettings
from facematch.tasks.training.data import reduced
from facematch.tasks.training.objective import build_objective
from facematch.tasks.training.validation import SeenPeople, ValidationCrops

CROPS = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3), dtype=np.uint8)
SMALL = np.stack([reduced(crop, 32) for crop in CROPS])
WHO = ("ann", "ann", "bob", "bob", "cid", "cid", "dan", "dan")
PEOPLE = {f"{number:07d}": who for number, who in enumerate(WHO)}


def test_crops_are_reduced_to_the_size_that_is_trained_at() -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD)).eval()
    weights, asked = (600, 300, 100), leave_one_out(PEOPLE, list(PEOPLE))
    unseen = [ValidationCrops([each], tuple(PEOPLE), asked, weights, "cosine", True) for each in (CROPS, SMALL)]
    assert unseen[0](network, 32) == unseen[1](network)
    assert unseen[0](network) != unseen[1](network)
    sides = two_sides(list(PEOPLE)[:4], list(PEOPLE)[4:], dict(zip(PEOPLE, WHO[:4] * 2, strict=True)))
    held = [
        ValidationCrops([each[:4], each[4:]], tuple(PEOPLE), sides, weights, "cosine", True) for each in (CROPS, SMALL)
    ]
    assert held[0](network, 32) == held[1](network)
    objective = build_objective(
        LossSettings(name="cross-entropy"), TrainingSettings(), 0.2, dimensions=8, people=4, seed=1
    )
    seen = [SeenPeople(each, np.arange(8) // 2, objective.scorer) for each in (CROPS, SMALL)]
    assert seen[0](network, 32) == seen[1](network)
