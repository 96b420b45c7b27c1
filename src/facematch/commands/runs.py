"""A run folder as settings: what `report` and `hash-report` start from."""

from collections.abc import Sequence
from pathlib import Path

from facematch.errors import FacematchError
from facematch.settings import Settings
from facematch.settings_file import load_settings


def run_settings(run: Path, overrides: Sequence[str], instead: str = "") -> Settings:
    """Return the settings a run was started with, with overrides; `instead` tells what else could be given.

    Raises FacematchError when there is no such folder, and when it holds no run.
    """
    if not run.is_dir():
        raise FacematchError(f"there is no run folder {run}.", "Runs are made by train.py, under checkpoints/.")
    if not (run / "settings.yaml").is_file():
        raise FacematchError(
            f"{run} holds no run: it has no settings.yaml.",
            f"Name a folder that train.py made, for example checkpoints/triplet{instead}.",
        )
    return load_settings(run / "settings.yaml", overrides)
