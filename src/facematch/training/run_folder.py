"""The folder of one run: settings, log, weights, and the state from which it goes on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from facematch.errors import FacematchError
from facematch.files import replacing, write_bytes
from facematch.settings import Settings

# Settings that may differ when a run is resumed: none of them changes its weights.
_FREE = ("paths", "server", "embedder", "ranking", "training.workers", "training.device")


@dataclass(frozen=True)
class RunFolder:
    """Names inside a run folder."""

    path: Path

    @property
    def best(self) -> Path:
        """Return the weights with the best validation."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """Return the newest weights."""
        return self.path / "last.safetensors"

    @property
    def state(self) -> Path:
        """Return everything needed to go on; it is removed when the run is finished."""
        return self.path / "state.pt"

    @property
    def log(self) -> Path:
        """Return the JSON-lines log."""
        return self.path / "log.jsonl"

    @property
    def settings(self) -> Path:
        """Return the settings the run was started with."""
        return self.path / "settings.yaml"

    @property
    def finished(self) -> Path:
        """Return the record that a run leaves when it has ended."""
        return self.path / "finished.json"


def check_run(folder: RunFolder, settings: Settings, *, resume: bool, fresh: bool) -> None:
    """Raise FacematchError when a run cannot start here: a folder that holds a run is never overwritten.

    With `resume` the settings must be those of the run (paths, server and workers may differ).
    """
    if resume:
        _require_same_settings(folder, settings)
    elif not fresh and folder.path.exists() and any(folder.path.iterdir()):
        raise FacematchError(
            f"{folder.path} already holds a run.",
            "Go on with it: --resume. Keep it and start anew: --fresh moves it aside. "
            "Or choose another name: --set name=NAME.",
        )


def start_run(folder: RunFolder, settings: Settings) -> None:
    """Make a run folder with its settings; an earlier run is moved aside to NAME.1, NAME.2, …"""
    if folder.path.exists():
        number = 1
        while (aside := folder.path.with_name(f"{folder.path.name}.{number}")).exists():
            number += 1
        folder.path.rename(aside)
    text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_bytes(folder.settings, text.encode())


def save_state(folder: RunFolder, state: dict[str, Any]) -> None:
    """Write the training state, whole or not at all."""
    with replacing(folder.state) as temporary:
        torch.save(state, temporary)


def load_state(folder: RunFolder) -> dict[str, Any] | None:
    """Read the training state without running code; None when the run had not saved one yet."""
    if not folder.state.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(folder.state, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise FacematchError(
            f"{folder.state} cannot be read: {error}",
            f"The weights up to then are in {folder.last}; start anew from them with network.weights.",
        ) from error
    return state


def save_classes(path: Path, objective: nn.Module, people: Sequence[str]) -> None:
    """Write an objective's weights beside the network's, whole or not at all, with whom its classes are, in order.

    They tell the training people apart; retrieval needs none of them.
    """
    tensors = {name: each.detach().cpu().contiguous() for name, each in objective.named_parameters()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"people": json.dumps(list(people))})


def cut_log(folder: RunFolder, length: int) -> None:
    """Shorten the log to its length when the state was saved, so that no step stands in it twice."""
    if folder.log.is_file() and folder.log.stat().st_size > length:
        with folder.log.open("rb+") as opened:
            opened.truncate(length)


def read_log(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the log's lines as values; a last line that was cut short is left out."""
    if not folder.log.is_file():
        return []
    lines = folder.log.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def _require_same_settings(folder: RunFolder, settings: Settings) -> None:
    if not folder.settings.is_file():
        raise FacematchError(
            f"there is no run to resume in {folder.path}: it has no settings.yaml.",
            "Start one without --resume.",
        )
    before = _flat(Settings.model_validate(yaml.safe_load(folder.settings.read_text(encoding="utf-8"))))
    now = _flat(settings)
    for key in now:
        if not key.startswith(_FREE) and before.get(key) != now[key]:
            raise FacematchError(
                f"the run in {folder.path} was started with {key}: {before.get(key)!r}, but now it is {now[key]!r}.",
                "Resume with the same settings, or start a new run with another name: --set name=NAME.",
            )


def _flat(settings: Settings) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = value

    walk("", settings.model_dump(mode="json"))
    return flat
