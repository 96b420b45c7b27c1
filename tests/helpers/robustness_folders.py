"""Folders of made photos, and the methods that know them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.near_duplicates.contents import content_cache, read_contents
from facematch.photos.photo import Photo, PhotoLimits, find_photos, read_photo
from facematch.pipeline.images import load_image_settings
from facematch.tasks.robustness.command import open_system
from facematch.tasks.robustness.methods import EmbeddingMethod, NearDuplicateMethod, Pictures, pictures_of
from leak_photos import made_photo

LIMITS = PhotoLimits()


def saved(folder: Path, name: str, image: NDArray[np.uint8]) -> None:
    folder.mkdir(exist_ok=True)
    PillowImage.fromarray(image).save(folder / name)


def made_folder(folder: Path, count: int, width: int = 96, height: int = 64) -> Path:
    """A folder of pictures `0.png` … that share nothing."""
    for seed in range(count):
        saved(folder, f"{seed}.png", made_photo(seed, width, height))
    return folder


def folder_pictures(folder: Path, cache: Path) -> Pictures:
    with content_cache(cache) as opened:
        pictures = pictures_of(read_contents(find_photos(folder).files, opened, LIMITS)[0], opened, LIMITS)
        smalls = [pictures.views.thumbnail(view) for view in range(len(pictures.views.pictures))]
    return replace(pictures, views=replace(pictures.views, thumbnail=smalls.__getitem__))


def pixels(folder: Path, name: str) -> NDArray[np.uint8]:
    file = next(file for file in find_photos(folder).files if file.name == name)
    photo = read_photo(file, LIMITS)
    assert isinstance(photo, Photo)
    return photo.image


def near_duplicates(folder: Path, cache: Path, copies: dict[str, set[str]] | None = None) -> NearDuplicateMethod:
    return NearDuplicateMethod(folder_pictures(folder, cache), copies or {})


def system(name: str, folder: Path, copies: dict[str, set[str]] | None = None) -> EmbeddingMethod:
    return open_system(load_image_settings(None), name, folder, copies or {})
