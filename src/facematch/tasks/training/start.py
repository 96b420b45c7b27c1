"""The commands `train`, `identities` and `augment-preview` before torch is loaded, which takes seconds: a misspelt
setting is an error at once."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facematch.charts.contact_sheet import titled
from facematch.core.console import result, show_json
from facematch.core.errors import FacematchError
from facematch.core.extras import require
from facematch.core.files import write_bytes
from facematch.core.text import evenly
from facematch.identities.published import PUBLISHED
from facematch.identities.values import LabelledPhotos
from facematch.photos.encoded import png_bytes
from facematch.pipeline.build import run_folder
from facematch.pipeline.default_checkpoint import first_weights
from facematch.pipeline.people import training_and_validation
from facematch.pipeline.run_folder import RunFolder, check_run, finished, sweep_run
from facematch.pipeline.trackers import require_loggers
from facematch.settings.file import load_settings
from facematch.tasks.training.blending import blended_face
from facematch.tasks.training.run_lock import holding


def train_command(config: Path, overrides: Sequence[str], *, resume: bool, fresh: bool) -> None:
    """Check the settings and the run folder, which is this process's until the end, then train as the settings say.

    Raises FacematchError as `load_settings`, `require`, `require_loggers`, `first_weights`, `holding`, `check_run` and
    `train`.
    """
    settings = load_settings(config, overrides)
    require("torch", "torchvision", "albumentations")
    require_loggers(settings.training.loggers)
    if settings.finder is None:
        first_weights(settings)  # whether they are there
    folder = RunFolder(run_folder(settings))
    with holding(folder.path):
        sweep_run(folder)
        if resume and (reason := finished(folder, settings)) is not None:
            result(f"{folder.path} is finished: {reason}")
            return
        check_run(folder, settings, resume=resume, fresh=fresh)
        again = going_on(config, overrides)
        if settings.finder is not None:
            from facematch.tasks.finder.command import train_finder

            train_finder(settings, settings.finder, folder, again, resume=resume, fresh=fresh)
            return
        from facematch.tasks.training.command import train

        train(settings, folder, config, again, resume=resume, fresh=fresh)


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


def identities_command(config: Path, overrides: Sequence[str], *, as_json: bool = False) -> None:
    """Check the labelled photos and print what a run would use."""
    people, validation = training_and_validation(load_settings(config, overrides))
    if as_json:
        sides = {
            "training": people,
            "validation": validation.queries,
            "test": validation.test,
            "distractors": validation.distractors,
        }
        counts = {side: {"people": len(each.people), "photos": len(each.files)} for side, each in sides.items()}
        show_json({"split_by": "photo" if validation.by_photo else "person", **counts})
        return
    asked, others = validation.queries, validation.distractors
    if validation.by_photo:
        result(f"training: {len(people.people)} classes, {len(people.files)} photos")
        result(f"validation: {len(asked.files)} other photos of them, test: {len(validation.test.files)} photos")
        return
    result(f"training: {len(people.people)} people, {len(people.files)} photos")
    result(f"validation: {len(asked.people)} other people, {len(asked.files)} photos")
    if others.files:
        result(f"distractors: {len(others.people)} people, {len(others.files)} photos")


def augment_preview_command(
    out: Path, config: Path, overrides: Sequence[str], count: int, *, as_json: bool = False
) -> None:
    """Write a picture: crops of training photos on the left, augmented variants beside them; then as many blends."""
    settings = load_settings(config, overrides)
    from facematch.tasks.training.augment import build_augmentation, preview  # after that check: it loads torch
    from facematch.tasks.training.crops import PhotoReader
    from facematch.tasks.training.teachers import frames_to_blend

    augment = build_augmentation(settings.augment, settings.faces.size)
    people, _ = training_and_validation(settings)
    tried = LabelledPhotos.of(evenly(people.pairs, 4 * count))
    crops = PhotoReader(settings).crops(tried, "skip", "training photos tried")
    if not crops.files:
        raise FacematchError("no face was found in the training photos that were tried.", "Look: facematch crop IN OUT")
    images, made, teacher = list(crops.images[:count]), [], settings.loss.teacher
    if teacher is not None and teacher.blends:
        frames = frames_to_blend(settings, teacher, crops)
        made = [blended_face(frames, settings.faces.size, seed)[0] for seed in range(count)]
    crops_seen = preview(images, augment, seed=settings.seed)
    grids = [titled(crops_seen, "Crops of training photos, and what training sees of each")]
    if made:
        title = "Blends of two faces, which the teacher embeds, and what training sees of each"
        grids.append(titled(preview(made, augment, seed=settings.seed + 1), title))
    write_bytes(out, png_bytes(np.vstack(grids)))
    if as_json:
        show_json({"picture": str(out), "crops": len(images), "blends": len(made)})
        return
    blended = f", {len(made)} blends" if made else ""
    result(f"{len(images)} crops{blended} and their variants: {out}")
