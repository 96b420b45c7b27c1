"""What training is measured by, at the size that it trains at."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from command_helpers import Run
from facematch.evaluation.task import leave_one_out, two_sides
from facematch.evaluation.topk import Figures, figures_from_dict
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.spec import NetworkSpec
from facematch.photos.renderings import RENDERING_NAMES, render
from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD
from facematch.settings.training import LossSettings, TrainingSettings
from facematch.tasks.training.data import reduced
from facematch.tasks.training.loop import _chosen
from facematch.tasks.training.objective import build_objective
from facematch.tasks.training.validation import SeenPeople, ValidationCrops, ValidationMixture, rendered_crops

CROPS = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3), dtype=np.uint8)
SMALL = np.stack([reduced(crop, 32) for crop in CROPS])
WHO = ("ann", "ann", "bob", "bob", "cid", "cid", "dan", "dan")
FIGURES = Figures(0.25, 0.5, 0.75, None, 8, 8, 300)
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


def test_a_mixture_tells_its_first_part_and_the_figure_of_each() -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(NetworkSpec("resnet18", 8, True, IMAGENET_MEAN, IMAGENET_STD)).eval()
    asked = ValidationCrops([CROPS], tuple(PEOPLE), leave_one_out(PEOPLE, list(PEOPLE)), (1, 1, 1), "cosine", True)
    rendered = rendered_crops(asked, seed=1)
    found = ValidationMixture({"asked": asked, "rendered": rendered}, "mAP")(network, 32)
    plain, drawn = asked(network, 32), rendered(network, 32)
    assert found.over == {"asked": plain.mean_average_precision, "rendered": drawn.mean_average_precision}
    assert replace(found, over=None) == plain
    assert figures_from_dict(found.as_dict()) == found
    assert "over" not in plain.as_dict()


def test_a_rendered_gallery_is_that_of_the_same_task() -> None:
    asked = ValidationCrops([CROPS], tuple(PEOPLE), leave_one_out(PEOPLE, list(PEOPLE)), (1, 1, 1), "cosine", True)
    rendered, again = (rendered_crops(asked, seed=1) for _ in range(2))
    queries, gallery = rendered.parts
    assert np.array_equal(queries, CROPS)
    assert np.array_equal(gallery, again.parts[1])
    for number, (crop, drawn) in enumerate(zip(CROPS, gallery, strict=True)):
        assert np.array_equal(drawn, render(crop, RENDERING_NAMES[number % len(RENDERING_NAMES)], 0.5, (1, number)))
    assert rendered.names == (*PEOPLE, *(f"rendered {name}" for name in PEOPLE))
    (division,) = rendered.task.divisions
    assert division.queries == tuple(PEOPLE)
    assert division.gallery == rendered.names[8:]
    sides = two_sides(list(PEOPLE)[:4], list(PEOPLE)[4:], dict(zip(PEOPLE, WHO[:4] * 2, strict=True)))
    parted = replace(asked, parts=[CROPS[:4], CROPS[4:]], task=sides)
    assert rendered_crops(parted, seed=1).names == tuple(PEOPLE)


def test_the_mean_of_a_mixture_is_weighted() -> None:
    training = TrainingSettings(choose_over={"asked": 1, "a>b": 3})
    assert _chosen(replace(FIGURES, over={"asked": 0.5, "a>b": 0.9}), training) == pytest.approx(0.8)
    assert _chosen(FIGURES, TrainingSettings()) == FIGURES.top1
    for wrong in ({"drawn": 1}, {"asked": 0}, {"a>": 1}):
        with pytest.raises(ValueError, match="choose_over"):
            TrainingSettings(choose_over=wrong)


def test_training_chooses_over_domains_and_renderings(project: Path, run: Run) -> None:
    for number, path in enumerate(sorted((project / "data" / "faces").rglob("*.jpg"))):
        if number % 2:
            path.rename(path.with_name(f"drawn_{path.name}"))
    domains, over_both = "identities.domain={drawn: 'drawn_*'}", "training.choose_over={rendered: 1, 'photo>drawn': 2}"
    sets = ["name=mixed", domains, over_both]
    done = run("train", "--config", "small.yaml", *(part for each in sets for part in ("--set", each)))
    assert done.code == 0, done.text
    log = [json.loads(line) for line in Path("checkpoints/mixed/log.jsonl").read_text().splitlines()]
    over = [line["validation"]["over"] for line in log if line["kind"] == "epoch"]
    assert [list(each) for each in over] == [["rendered", "photo>drawn"]] * 2
    assert "photo>drawn" in done.text
    wrong = ("--set", domains, "--set", "training.choose_over={'photo>made': 1}")
    done = run("train", "--config", "small.yaml", "--set", "name=other", *wrong)
    assert done.code != 0
    assert "no validation picture is of the domain made; found: drawn" in " ".join(done.text.split())
