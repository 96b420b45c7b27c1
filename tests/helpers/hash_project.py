"""A small project of runs that learned to hash, without training: random networks, photos of colour patterns."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from facematch.embedders.network import run_network
from facematch.identities.values import LabelledPhotos
from facematch.networks.checkpoint import load_checkpoint, save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.pipeline.build import build_cropper, network_spec
from facematch.settings.file import load_settings

CLASSES, EACH, SIZE = 12, 6, 32
SETTINGS = """
name: {name}
identities: {{{identities}}}
faces: {{detector: none, size: 32}}
network: {{backbone: resnet18, weights: none, embedding: {bits}, tanh: {tanh}, normalise: {normalise}}}
loss: {{margin: {margin}}}
ranking: {{metric: {metric}}}
"""
BY_PHOTO = "train: [faces], split_by: photo, test_share: 0.34, validation_share: 0.3"
BY_PERSON = "train: [faces], validation: others"


def write_photos(folder: Path, classes: int, seed: int) -> None:
    """Photos of a colour pattern for each class, with noise; the size of a crop, so that they are the crops."""
    rng = np.random.default_rng(seed)
    for number in range(classes):
        pattern = rng.integers(0, 256, (4, 4, 3)).repeat(8, axis=0).repeat(8, axis=1)
        for photo in range(EACH):
            noisy = np.clip(pattern + rng.normal(0, 70, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
            path = folder / f"class{number:02d}" / f"{photo}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PillowImage.fromarray(noisy).save(path)


def write_run(
    name: str, bits: int, identities: str = BY_PHOTO, *, tanh: bool = True, people: Sequence[str] = ()
) -> Path:
    """A run folder as training leaves it, of a network that was never trained."""
    folder = Path("checkpoints") / name
    folder.mkdir(parents=True)
    words = SETTINGS.format(
        name=name,
        identities=identities,
        bits=bits,
        tanh=str(tanh).lower(),
        normalise=str(not tanh).lower(),
        margin="auto" if tanh else "0.2",
        metric="hamming" if tanh else "euclidean",
    )
    (folder / "settings.yaml").write_text(words)
    settings = load_settings(folder / "settings.yaml")
    torch.manual_seed(bits)
    network = EmbeddingNetwork(network_spec(settings)).eval()
    with torch.no_grad():  # of random weights the photos' own part is small beside what they share
        batch = torch.randint(0, 256, (64, SIZE, SIZE, 3), dtype=torch.uint8)
        network.head.bias -= network.head(network.backbone(network.preprocess(batch))).mean(0)
        network.head.weight *= 8
        network.head.bias *= 8
    crops = build_cropper(settings.faces).fingerprint
    save_checkpoint(
        folder / "best.safetensors", network, crops, origin={}, people=tuple(people), metric="hamming",
        trained={"epoch": 4, "validation": None},
    )  # fmt: skip
    (folder / "identities.json").write_text(json.dumps({"training": list(people), "validation": ["class00"]}))
    (folder / "finished.json").write_text("{}")


def photo(name: str) -> np.ndarray:
    return np.asarray(PillowImage.open(name))


def embedded(run: str, labelled: LabelledPhotos) -> tuple[np.ndarray, list[str]]:
    """The network's own values of labelled photos, and their classes, by name."""
    order = sorted(range(len(labelled.files)), key=lambda row: labelled.files[row].name)
    images = np.stack([photo(str(labelled.files[row].path)) for row in order])
    return run_network(load_checkpoint(Path("checkpoints") / run), images), [labelled.identities[row] for row in order]


def expected_ap(distances: Sequence[float], right: Sequence[bool]) -> float:
    total, before, found = 0.0, 0, 0
    for value in sorted(set(distances)):
        tied = [good for distance, good in zip(distances, right, strict=True) if distance == value]
        for place in range(len(tied)):
            others = place * (sum(tied) - 1) / max(1, len(tied) - 1)
            total += sum(tied) / len(tied) * (found + 1 + others) / (before + place + 1)
        before, found = before + len(tied), found + sum(tied)
    return total / sum(right)
