"""The network that comes with facematch, for whoever has not trained one: `paths.checkpoint: default`."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from facematch.console import note
from facematch.errors import FacematchError, typed
from facematch.files import sha256_of_file
from facematch.settings import Settings
from facematch.settings_file import load_settings, read_yaml
from facematch.shipped import shipped_places

NAME = "default.safetensors"
SHA256 = "71233bf74ead7a210fb4094fee4bb7372a33d0a97ef27b0d4efe307cb01b60ec"


def settings_in_use(
    path: Path | str | None, overrides: Sequence[str] = (), *, ensembles: bool = False, unasked: bool = True
) -> Settings:
    """Return `load_settings`, with the default checkpoint where that is asked for or nothing else was trained.

    With `unasked` false it has to be asked for. It brings its own `faces`, `network`, `ranking` and `refine`;
    `overrides` still win. Raises FacematchError as `load_settings`, and where the default checkpoint is missing or
    is not the one that was shipped.
    """
    settings = load_settings(path, overrides, ensembles=ensembles)
    asked = settings.paths.checkpoint == "default" and settings.embedder.kind == "network"
    if not (asked or (unasked and _nothing_trained(settings) and _found() is not None)):
        return settings
    file = default_file()
    brought = read_yaml(file.with_name("settings.yaml"))
    settings = load_settings(path, overrides, ensembles=ensembles, sections=brought)
    if not asked:
        note(
            f"{settings.paths.checkpoints / settings.name} is not trained yet: the network that comes with facematch "
            "is used, with its own crops (paths.checkpoint: default)",
            "yellow",
        )
    paths = settings.paths.model_copy(update={"checkpoint": file})
    return settings.model_copy(update={"paths": paths})


@cache
def default_file() -> Path:
    """Return the default checkpoint, in the repository or beside the installed package; its settings lie with it.

    Raises FacematchError where it is missing, and where its weights are not those that were shipped.
    """
    file = _found()
    again = f"Install facematch again, or train a network: {typed('train')}"
    if file is None:
        places = " nor ".join(str(each) for each in _places())
        raise FacematchError(f"the default checkpoint is missing: there is neither {places}.", again)
    found = sha256_of_file(file)
    if found != SHA256:
        raise FacematchError(
            f"{file} is not the file that was shipped: its SHA-256 begins {found[:12]}, expected {SHA256[:12]}.",
            f"It is damaged or was changed. {again}",
        )
    return file


def is_default(settings: Settings) -> bool:
    """Return whether the default checkpoint is the one in use."""
    path = settings.paths.checkpoint
    return isinstance(path, Path) and path.name == NAME and path == default_file()


def _places() -> list[Path]:
    return shipped_places(f"checkpoints/default/{NAME}")


def _found() -> Path | None:
    return next((each for each in _places() if each.is_file()), None)


def _nothing_trained(settings: Settings) -> bool:
    # And a network is wanted: a folder alone, such as `tune` leaves, is no run.
    run = settings.paths.checkpoints / settings.name
    wanted = settings.embedder.kind == "network" and settings.ensemble is None and settings.paths.checkpoint is None
    return wanted and not any((run / name).exists() for name in ("settings.yaml", "best.safetensors"))
