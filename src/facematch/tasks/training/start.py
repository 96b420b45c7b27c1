"""What `train` checks before torch is loaded, which takes seconds: a misspelt setting is an error at once."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from facematch.core.console import result
from facematch.identities.published import PUBLISHED
from facematch.pipeline.build import run_folder
from facematch.pipeline.default_checkpoint import first_weights
from facematch.pipeline.run_folder import RunFolder, check_run, finished, sweep_run
from facematch.settings.file import load_settings
from facematch.tasks.training.run_lock import holding


def train_command(config: Path, overrides: Sequence[str], *, resume: bool, fresh: bool) -> None:
    """Check the settings and the run folder, which is this process's until the end, then train as the settings say.

    Raises FacematchError as `load_settings`, `first_weights`, `holding`, `check_run` and `train`.
    """
    settings = load_settings(config, overrides)
    first_weights(settings)  # whether they are there
    folder = RunFolder(run_folder(settings))
    with holding(folder.path):
        sweep_run(folder)
        if resume and (reason := finished(folder, settings)) is not None:
            result(f"{folder.path} is finished: {reason}")
            return
        check_run(folder, settings, resume=resume, fresh=fresh)
        from facematch.tasks.training.command import train

        train(settings, folder, config, going_on(config, overrides), resume=resume, fresh=fresh)


def hashing_overrides(
    exp_name: str | None, code_size: int | None, triplet_margin: float | None, dataset_name: str | None
) -> list[str]:
    """Return the original command line of learning to hash as settings; empty where none of it was given.

    A data set that is not published is a folder of classes under data/, a fifth of whose photos is the test.
    """
    given = {"name": exp_name, "network.embedding": code_size, "loss.margin": triplet_margin}
    found = [f"{setting}={value}" for setting, value in given.items() if value is not None]
    if dataset_name in PUBLISHED:
        found.append(f"identities.dataset={dataset_name}")
    elif dataset_name is not None:
        folder = json.dumps([str(Path("data") / dataset_name)])
        found += ["identities.dataset=null", f"identities.train={folder}", "identities.test_share=0.2"]
    return found


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
