"""What compares whole photos: grey pixels, hashes, a network, CLIP; and the photos of a folder, embedded."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facematch.core.errors import FacematchError, nearest_name
from facematch.embedders.clip_model import clip_size
from facematch.embedders.embed import PhotoEmbedder
from facematch.faces.values import record_of
from facematch.photos.photo import PhotoFile, find_photos
from facematch.pipeline.build import build_embedder, photo_embedder, with_checkpoint
from facematch.pipeline.default_checkpoint import own_settings, settings_in_use
from facematch.ranking.embeddings import Embeddings
from facematch.settings.file import load_settings
from facematch.settings.root import Settings

SYSTEMS: tuple[str, ...] = ("pixels", "phash", "dhash", "whash", "network", "onnx", "clip")
_HASHES = ("phash", "dhash", "whash")
# What config/images.yaml says, so that no file is needed.
_DEFAULTS = ("name=images", "faces.detector=none", "faces.size=64", "embedder.kind=pixels")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The photos below a folder that could be read, embedded.

    `files` and `sha256` (of a file's bytes) hold the names of `embeddings`; `unread` says `name (reason)` for
    every other entry of the folder. No pixels are kept.
    """

    files: Mapping[str, PhotoFile]
    embeddings: Embeddings
    sha256: Mapping[str, str]
    unread: tuple[str, ...]


def load_image_settings(config: Path | None, overrides: Sequence[str] = (), system: str | None = None) -> Settings:
    """Return the settings of a YAML file with `overrides`; without a file those of config/images.yaml.

    A network is a run that is named, or the default checkpoint, with its own crops; a checkpoint that brings none sees
    whole photos. Raises FacematchError as `settings_in_use`.
    """
    settings = load_settings(config, overrides if config else (*_DEFAULTS, *overrides))
    if (system or settings.embedder.kind) != "network":
        return settings
    taken = settings_in_use(config, ("name=images", *overrides, "embedder.kind=network"))
    if _own_crops(taken):
        return taken
    return settings if taken.paths.checkpoint is None else with_checkpoint(settings, Path(taken.paths.checkpoint))


def image_settings(settings: Settings, system: str) -> Settings:
    """Return the settings for comparing whole photos by `system`; steps of `refine:`, made for faces, are left out.

    Nobody looks for faces, but for a network with crops of its own, which knows nothing else. Pixels and hashes see
    the photo as a square without its proportions, so that a copy whose proportions were changed stays near; a network
    and an ONNX model see it as `faces.whole` says, as in training; CLIP sees the photo's centre at its model's own
    size, as published. Hashes are compared by their different bits, CLIP by the cosine, pixels by `ranking.metric`, or
    as euclidean where that is of bits. Raises FacematchError for an unknown system, with the nearest name, and where
    CLIP's library or model is missing.
    """
    if system not in SYSTEMS:
        raise FacematchError(
            f"system {system!r} is not known{nearest_name(system, SYSTEMS)}.", f"Known are {', '.join(SYSTEMS)}."
        )
    faces: dict[str, Any] = {} if system == "network" and _own_crops(settings) else {"detector": "none"}
    ranking: dict[str, Any] = {}
    if system == "clip":
        faces |= {"whole": "centre", "size": clip_size(settings.embedder.model)}
        ranking["metric"] = "cosine"
    elif system not in ("network", "onnx"):
        faces["whole"] = "squash"
    if system in _HASHES:
        ranking["metric"] = "hamming"
    elif system == "pixels" and settings.ranking.metric == "hamming":
        ranking["metric"] = "euclidean"
    return settings.model_copy(
        update={
            "faces": settings.faces.model_copy(update=faces),
            "embedder": settings.embedder.model_copy(update={"kind": system}),
            "ranking": settings.ranking.model_copy(update=ranking),
            "refine": (),
        }
    )


def _own_crops(settings: Settings) -> bool:
    path = settings.paths.checkpoint
    return path is not None and own_settings(Path(path)) is not None


def image_stage(settings: Settings, system: str) -> PhotoEmbedder:
    """Return what embeds whole photos by `system`.

    Raises FacematchError for an unknown system, a missing library, and a missing model or checkpoint.
    """
    chosen = image_settings(settings, system)
    return photo_embedder(chosen, build_embedder(chosen))


def embed_images(
    stage: PhotoEmbedder, path: Path, on_progress: Callable[[int], None] = lambda percent: None
) -> ImageSet:
    """Embed the photos below a folder, or one photo. `on_progress` gets the percentage done.

    What was embedded before is read from the cache, so a stopped run goes on. Raises FacematchError when `path`
    is missing or holds no photo that can be read.
    """
    (images,) = image_sets(stage, path, on_progress, at_once=sys.maxsize)
    require_photos(path, len(images.files), images.unread)
    return images


def image_sets(
    stage: PhotoEmbedder,
    path: Path,
    on_progress: Callable[[int], None] = lambda percent: None,
    *,
    at_once: int = 8192,
) -> Iterator[ImageSet]:
    """Yield what `embed_images` returns in sets of so many files, in order: the vectors of all may not fit in memory.

    A set may be empty.
    """
    found = find_photos(path)
    for start in range(0, max(1, len(found.files)), at_once):
        files = found.files[start : start + at_once]
        embedded = stage.run(files, lambda done, before=start: on_progress(100 * (before + done) // len(found.files)))  # type: ignore[misc]
        records = [*embedded.records, *map(record_of, () if start else found.unreadable)]
        read = {record.name: record.sha256 for record in embedded.records if record.status != "unreadable"}
        bad = sorted((record for record in records if record.name not in read), key=lambda record: record.name)
        unread = tuple(f"{record.name} ({record.reason})" for record in bad)
        yield ImageSet({file.name: file for file in files if file.name in read}, embedded.embeddings, read, unread)


def require_photos(path: Path, photos: int, unread: Sequence[str]) -> None:
    """Raise FacematchError when no photo of a path could be read."""
    if not photos:
        first = f", first {unread[0]}" if unread else ""
        raise FacematchError(
            f"{path} holds no photo that can be read ({len(unread)} other files{first}).", "Name a folder of photos."
        )
