"""`facematch identities` and `facematch augment-preview`: look before training."""

from collections.abc import Sequence
from pathlib import Path

import cv2

from facematch.augment import FACE_DEFAULT, build_augmentation, preview
from facematch.cache import cache_folder
from facematch.commands.people import training_and_validation
from facematch.console import say
from facematch.errors import FacematchError
from facematch.evenly import evenly
from facematch.faces.stream import crop_cache, crop_photos
from facematch.faces.values import Crop
from facematch.files import write_bytes
from facematch.flow import build_cropper, photo_limits
from facematch.settings_file import load_settings


def identities_command(config: Path, overrides: Sequence[str]) -> None:
    """Check the labelled photos and print what a run would use."""
    people, validation = training_and_validation(load_settings(config, overrides))
    if validation.by_photo:
        say(f"training: {len(people.people)} classes, {len(people.files)} photos")
        say(
            f"validation: {len(validation.asked.files)} other photos of them, test: {len(validation.test.files)} photos"
        )
        return
    say(f"training: {len(people.people)} people, {len(people.files)} photos")
    say(f"validation: {len(validation.asked.people)} other people, {len(validation.asked.files)} photos")
    if validation.distractors.files:
        say(f"distractors: {len(validation.distractors.people)} people, {len(validation.distractors.files)} photos")


def augment_preview_command(out: Path, config: Path, overrides: Sequence[str], count: int) -> None:
    """Write a picture: crops of training photos on the left, augmented variants beside them."""
    settings = load_settings(config, overrides)
    augment = build_augmentation(
        settings.augment if settings.augment is not None else FACE_DEFAULT, settings.faces.size
    )
    people, _ = training_and_validation(settings)
    chosen = evenly(people.files, 4 * count)
    cropper = build_cropper(settings.faces)
    with crop_cache(cache_folder(settings.paths.cache), cropper) as cache:
        outcomes = crop_photos(chosen, cropper, cache, miss="skip", limits=photo_limits(settings.photos))
        images = [outcome.image for outcome in outcomes if isinstance(outcome, Crop)][:count]
    if not images:
        raise FacematchError("no face was found in the training photos that were tried.", "Look: facematch crop IN OUT")
    picture = preview(images, augment, seed=settings.seed)
    _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_bytes(out, png.tobytes())
    say(f"{len(images)} crops and their variants: {out}")
