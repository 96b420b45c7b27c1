"""A run as settings, which `report`, `export` and `hash-report` start from; the command by which a run goes on."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from facematch.core.errors import FacematchError
from facematch.pipeline.build import with_checkpoint
from facematch.pipeline.default_checkpoint import NAME, find_run, own_settings, settings_in_use
from facematch.settings.file import load_settings
from facematch.settings.root import Settings


def run_path(run: Path, overrides: Sequence[str]) -> Path:
    """Return the run folder or checkpoint that is meant; names are looked for below `paths.checkpoints`.

    Raises FacematchError as `find_run`.
    """
    places = [each for each in overrides if each.startswith("paths.")]
    return find_run(run, load_settings(None, places).paths.checkpoints)


def run_settings(run: Path, overrides: Sequence[str], *, config: Path | None = None, instead: str = "") -> Settings:
    """Return the settings a run was started with, with overrides, and its checkpoint in use.

    A checkpoint without settings beside it takes those of `config`; None: it is no run. `instead` tells what else
    could be given. Raises FacematchError as `run_path`, and when it holds no run.
    """
    found = run_path(run, overrides)
    own = own_settings(found)
    if own is None and config is None:
        raise FacematchError(
            f"{found} holds no run: it has no settings.yaml.",
            f"Name a folder that training made, for example checkpoints/triplet{instead}.",
        )
    if any(each.partition("=")[0].strip() == "paths.checkpoint" for each in overrides):
        return settings_in_use(own or config, overrides)
    name = ["name=default"] if found.name == NAME else []  # its settings tell none
    return with_checkpoint(load_settings(own or config, [*name, *overrides]), found)


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
