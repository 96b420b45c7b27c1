"""A small project on disk: real sample photographs of a few people, a configuration, a trained network."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facematch.cli.app import main
from facematch.tasks.sample.plan import FACES, GALLERY, QUERY, make_plan
from facematch.tasks.sample.write import render_photo

TRUTH = "data/rehearsal/ground_truth.json"
CONFIG = """
name: small
faces: {size: 32}
network: {backbone: resnet18, weights: none, embedding: 16}
training: {epochs: 2, identities_per_batch: 3, photos_per_identity: 2, workers: 0}
server: {group: us}
"""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


Run = Callable[..., Finished]


def run_command(capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...]) -> Finished:
    """Run `facematch ARGUMENTS` in this process, as the command does."""
    capsys.readouterr()
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["facematch", *(str(each) for each in arguments)])
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
    captured = capsys.readouterr()
    return Finished(code, captured.out, captured.err)


def write_project(folder: Path) -> None:
    """Eight people of four photos to train on; three queries, twelve gallery photos."""
    plan = make_plan(2026)
    kept: dict[str, list[Any]] = {"train": [], "query": [], "gallery": []}
    training = sorted({photo.person for photo in plan.photos if photo.path.startswith(FACES)})[:8]
    asked = sorted({photo.person for photo in plan.photos if photo.path.startswith(QUERY)})[:3]
    others = sorted({p.person for p in plan.photos if p.path.startswith(GALLERY)} - set(asked))[:3]
    for photo in plan.photos:
        if photo.person in training and photo.number < 4:
            kept["train"].append(photo)
        elif photo.person in asked and photo.number in (0, 2, 3, 4):
            kept["query" if photo.number == 0 else "gallery"].append(photo)
        elif photo.person in others and photo.number == 0:
            kept["gallery"].append(photo)
    for photo in [each for part in kept.values() for each in part]:
        path = folder / "data" / photo.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render_photo(photo, 2026))
    gallery = {Path(photo.path).name for photo in kept["gallery"]}
    queries = [Path(photo.path).name for photo in kept["query"]]
    truth = {query: [name for name in plan.truth[query] if name in gallery] for query in queries}
    (folder / TRUTH).parent.mkdir(parents=True)
    (folder / TRUTH).write_text(json.dumps(truth))
    (folder / "small.yaml").write_text(CONFIG)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
