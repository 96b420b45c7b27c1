"""A training that takes a second: eight people in patterns of grey, the smallest network, no detector."""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facematch.cli.app import main

TRAIN = ("train", "--config", "tiny.yaml")
RUN = Path("checkpoints/tiny")
CONFIG = """
name: tiny
faces: {size: 32, detector: none}
network: {backbone: shufflenet_v2_x0_5, weights: none, embedding: 16}
training: {epochs: 2, identities_per_batch: 3, photos_per_identity: 2, workers: 0, precision: fp32, patience: null,
           device: cpu}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all it said."""

    code: int
    text: str


Run = Callable[..., Ended]


def write_project(folder: Path) -> None:
    """Write photos of eight people, four of each, and tiny.yaml."""
    rng = np.random.default_rng(0)
    for person in range(8):
        pattern = np.kron(rng.uniform(-60, 60, size=(4, 4, 1)), np.ones((8, 8, 1)))
        (folder / f"data/faces/person{person}").mkdir(parents=True)
        for number in range(4):
            photo = pattern + rng.uniform(60, 195, size=3) + rng.normal(scale=10, size=(32, 32, 3))
            path = folder / f"data/faces/person{person}/{number}.png"
            cv2.imwrite(str(path), np.clip(photo, 0, 255).astype(np.uint8))
    (folder / "tiny.yaml").write_text(CONFIG)


def facematch(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """Run a command in this process."""
    capsys.readouterr()
    code: Any = 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["facematch", *arguments])
        patched.setattr(
            "facematch.tasks.training.command.show_trained", lambda *_: None
        )  # a comparison that takes seconds
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    captured = capsys.readouterr()
    return Ended(code, captured.out + captured.err)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def log_of(run: Path) -> list[dict[str, Any]]:
    """Return a run's log without what differs from time to time: its speed."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def parts(run: Path) -> list[object]:
    """Return all that two runs of the same settings have in common to the last bit."""
    return [digest(run / "best.safetensors"), digest(run / "last.safetensors"), log_of(run)]
