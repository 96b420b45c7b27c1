"""A run folder as settings, which `report` and `hash-report` start from; the command by which a run goes on."""

import shlex
import subprocess
import sys
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


def going_on(config: Path, overrides: Sequence[str]) -> str:
    """Return the command that resumes a training, quoted: as it was typed where it was, with `--resume` once."""
    program, typed = Path(sys.argv[0]), sys.argv[1:]
    if program.stem == "train":
        start = [sys.orig_argv[0], sys.argv[0]]
    elif program.stem == "__main__":
        start = [sys.orig_argv[0], "-m", "facematch"]
    else:
        start = [program.stem]
    if program.stem != "train" and typed[:1] != ["train"]:  # called by another program, which gives its settings
        typed = ["train", "--config", str(config), *(part for each in overrides for part in ("--set", each))]
    words = [*start, *(word for word in typed if word not in ("--fresh", "--resume")), "--resume"]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
