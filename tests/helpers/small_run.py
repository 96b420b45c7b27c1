"""A run folder with a network of few weights, as training leaves one; its people and paths are in it by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from facematch.networks.checkpoint import save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.pipeline.build import build_cropper, network_spec
from facematch.settings.file import load_settings

SMALL: Mapping[str, Any] = {
    "name": "small",
    "faces": {"size": 48, "margin": 0.35},
    "network": {"backbone": "resnet18", "embedding": 8},
    "ranking": {"metric": "cosine"},
    "refine": ["flip"],
}
FILE = "/home/ada/weights.pth"
PEOPLE = ("Ada Lovelace", "Grace Hopper", "Zoë")


def write_run(folder: Path, **changes: Any) -> Path:
    """Write the run, with sections of its settings changed, and its log of two epochs."""
    folder.mkdir(parents=True)
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump({**SMALL, **changes}))
    loaded = load_settings(settings)
    settings.write_text(yaml.safe_dump(loaded.model_dump(mode="json"), sort_keys=False))
    torch.manual_seed(0)
    save_checkpoint(
        folder / "best.safetensors",
        EmbeddingNetwork(network_spec(loaded)),
        build_cropper(loaded.faces).fingerprint,
        origin={"source": FILE, "notice": f"weights: {FILE}", "seed": 1, "sha256": "x"},
        people=PEOPLE,
        metric="cosine",
        trained={"epoch": 2, "validation": {"top-1": 0.75, "score": 800.0}},
    )
    lines = [
        {"kind": "epoch", "epoch": epoch, "step": 10 * epoch, "validation": {"top-1": 0.25 * (epoch + 1)}}
        for epoch in (1, 2)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    (folder / "identities.json").write_text(json.dumps({"training": list(PEOPLE), "validation": ["Alan Turing"]}))
    return folder
