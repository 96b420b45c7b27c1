"""`facematch identities` and `facematch augment-preview`: look before training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facematch.charts.contact_sheet import titled
from facematch.core.console import result, show_json
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.core.text import evenly
from facematch.identities.values import LabelledPhotos
from facematch.photos.encoded import png_bytes
from facematch.pipeline.people import training_and_validation
from facematch.settings.file import load_settings
from facematch.tasks.training.blending import blended_face


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
    from facematch.tasks.training.crops import PhotoReader, frames_to_blend

    augment = build_augmentation(settings.augment, settings.faces.size)
    people, _ = training_and_validation(settings)
    tried = LabelledPhotos.of(evenly(people.pairs, 4 * count))
    crops = PhotoReader(settings).crops(tried, "skip", "training photos tried")
    if not crops.files:
        raise FacematchError("no face was found in the training photos that were tried.", "Look: facematch crop IN OUT")
    images, made, teacher = list(crops.images[:count]), [], settings.loss.teacher
    if teacher is not None and teacher.blends:
        frames, aligned = frames_to_blend(settings, teacher, crops)
        made = [blended_face(frames, settings.faces.size, aligned, seed)[0] for seed in range(count)]
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
