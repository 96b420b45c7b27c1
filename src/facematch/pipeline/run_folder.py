"""The folder of one run: settings, log, weights, and the state from which it goes on. Nothing here needs torch."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from facematch.core.errors import FacematchError
from facematch.core.files import sweep, write_bytes
from facematch.core.foreign import quoted, read_as, read_json, reading
from facematch.settings.file import load_section
from facematch.settings.root import Settings

# Settings that may differ when a run is resumed: what does not change its weights, and how long it lasts.
_LENGTH = ("epochs", "patience")
_FREE = ("paths", "server", "models", "embedder", "ranking", "training.workers", "training.device", "training.loggers")
# What is there before the first step is saved: a start that ended in it left nothing worth keeping.
_BEGUN = ("settings.yaml", "identities.json", "photos.json", "tensorboard", "trackers.json", "wandb")
# By safetensors, and by earlier versions, when they were killed.
_LEFT = re.compile(r"\.(tmp\w{6}|(state|(best|last)(-classes)?|settings|identities|photos|finished)\.\w+\.\w{8}\.\w+)")


class _People(BaseModel):
    validation: list[str]


class RunFolder:
    """Names inside a run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / "best.safetensors"  # the weights with the best validation
        self.last = path / "last.safetensors"  # the newest weights
        self.state = path / "state.pt"  # everything needed to go on, also after the end
        self.log = path / "log.jsonl"  # in JSON lines
        self.settings = path / "settings.yaml"  # those the run was started with
        self.finished = path / "finished.json"  # the record that a run leaves when it has ended


def check_run(folder: RunFolder, settings: Settings, *, resume: bool, fresh: bool) -> None:
    """Raise FacematchError when a run cannot start here: a folder that holds a run is never overwritten.

    With `resume` the settings must be those of the run (paths, server, workers and how long it lasts may differ).
    """
    if resume and fresh:
        raise FacematchError("--resume goes on with a run and --fresh starts anew: choose one.")
    if folder.path.exists() and not folder.path.is_dir():
        raise FacematchError(f"{folder.path} is a file, not a folder for a run.", "Choose a name: --set name=NAME.")
    if resume:
        _require_same_settings(folder, settings)
    elif not fresh and folder.path.is_dir() and any(each.name not in _BEGUN for each in folder.path.iterdir()):
        raise FacematchError(
            f"{folder.path} already holds a run.",
            "Go on with it: --resume. Keep it and start anew: --fresh moves it aside. "
            "Or choose another name: --set name=NAME.",
        )


def start_run(folder: RunFolder, settings: Settings, *, fresh: bool) -> None:
    """Make a run folder with its settings; with `fresh` an earlier run is moved aside to NAME.1, NAME.2, …

    Raises FacematchError as `check_run` does, and where the earlier run cannot be moved.
    """
    check_run(folder, settings, resume=False, fresh=fresh)
    if fresh and folder.path.exists():
        number = 1
        while (aside := folder.path.with_name(f"{folder.path.name}.{number}")).exists():
            number += 1
        try:
            folder.path.rename(aside)
        except OSError as error:
            raise FacematchError(
                f"{folder.path} cannot be moved aside to {aside}: {error.strerror or error}.",
                "Choose another name: --set name=NAME.",
            ) from error
    for left in (folder.path / name for name in _BEGUN):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
    _write_settings(folder, settings)


def finished(folder: RunFolder, settings: Settings) -> str | None:
    """Return why a run ended; None where it has not, or where the settings make it last longer now."""
    if not folder.finished.is_file() or _length(settings_of(folder)) != _length(settings):
        return None
    with reading(folder.finished, "the run's end", "Remove it: --resume then tells how far the run is."):
        return str(read_json(folder.finished, "the run's end")["reason"])


def lengthen(folder: RunFolder, settings: Settings) -> None:
    """Write down how long a run that goes on lasts now."""
    before = settings_of(folder)
    if _length(before) != _length(settings):
        folder.finished.unlink(missing_ok=True)  # first: a run that is killed between the two still goes on
        training = before.training.model_copy(update=dict(zip(_LENGTH, _length(settings), strict=True)))
        _write_settings(folder, before.model_copy(update={"training": training}))


def read_log(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the log's lines as values; a last line that was cut short is left out."""
    if not folder.log.is_file():
        return []
    with reading(folder.log, "the training log", "It cannot be made again without training."):
        lines = folder.log.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1] if line]


def validated_on(run: Path) -> frozenset[str] | None:
    """Return whom the training of a run was validated on; None where it does not tell. Raises FacematchError."""
    path = run / "identities.json"
    if not path.is_file():
        return None
    return frozenset(read_as(_People, path, "the run's people", "Remove it, or train anew.").validation)


def sweep_run(folder: RunFolder) -> None:
    """Remove what killed processes left in a run folder that nobody else writes to; of earlier versions, too."""
    if not folder.path.is_dir():
        return
    sweep(folder.path, nobody_else_writes=True)
    for path in folder.path.iterdir():
        if _LEFT.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _require_same_settings(folder: RunFolder, settings: Settings) -> None:
    before, now = flat(settings_of(folder)), flat(settings)
    for key in now:
        if not key.startswith((*_FREE, *(f"training.{each}" for each in _LENGTH))) and before.get(key) != now[key]:
            raise FacematchError(
                f"the run in {folder.path} was started with {key}: {quoted(before.get(key))}, but now it is "
                f"{quoted(now[key])}.",
                "Resume with the same settings, or start a new run with another name: --set name=NAME.",
            )


def settings_of(folder: RunFolder) -> Settings:
    """Return the settings a run was started with. Raises FacematchError where there are none, or none to be read."""
    if not folder.settings.is_file():
        raise FacematchError(
            f"there is no run to resume in {folder.path}: it has no settings.yaml.",
            "Start one without --resume.",
        )
    try:
        return load_section(Settings, folder.settings, (), "")
    except FacematchError as error:
        hint = f"Those are the settings the run was started with. {from_its_weights(folder)}"
        raise FacematchError(error.message, hint) from error


def _write_settings(folder: RunFolder, settings: Settings) -> None:
    text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_bytes(folder.settings, text.encode())


def _length(settings: Settings) -> list[int | None]:
    return [getattr(settings.training, key) for key in _LENGTH]


def from_its_weights(folder: RunFolder) -> str:
    """Return what to do with what is left of a run that cannot go on."""
    kept = [each for each in (folder.best, folder.last) if each.is_file()]
    if not kept:
        return "Start anew: --fresh moves the folder aside."
    newest = max(kept, key=lambda each: each.stat().st_mtime)
    return f"Start a new run from its weights: --set name=NAME --set network.init_from={newest}"


def flat(settings: Settings) -> dict[str, Any]:
    """Return every setting by its name in dots, such as `faces.size`."""
    found: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            found[prefix] = value

    walk("", settings.model_dump(mode="json"))
    return found
