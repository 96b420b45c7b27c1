"""Which network is in use: a run by its name, or the one that comes with facematch, each with its own settings."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from facematch.core.console import info, info_once
from facematch.core.errors import FacematchError, MissingError, nearest_name, typed
from facematch.core.shipped import shipped_file, shipped_places
from facematch.core.text import brief
from facematch.pipeline.build import run_folder, with_checkpoint
from facematch.pipeline.named_models import names_embedder, with_models
from facematch.settings.file import load_settings, read_values
from facematch.settings.root import Settings

NAME = "default.safetensors"
_OF_RUN = ("settings.yaml", "best.safetensors", "last.safetensors")
_BROUGHT = ("faces", "network", "ranking", "refine")
_OF_MACHINE = ("precision", "device", "workers", "channels_last")
SHA256 = "9a861a20c849c108929183c5e7a4ce2b856884f041667ba9a886cc836dfc7215"


def settings_in_use(
    path: Path | str | None, overrides: Sequence[str] = (), *, ensembles: bool = False, unasked: bool = True
) -> Settings:
    """Return `load_settings` with the checkpoint in use, and the settings that this was trained with.

    It is `paths.checkpoint`, as `find_run` finds it, or the run that is named in `overrides` (`name=RUN`), or, where
    nothing was trained under the configuration's own name, the default checkpoint; with `unasked` false that has to be
    asked for. A run's own `faces`, `network`, `ranking` and `refine` stand in place of the file's; `overrides` still
    win. Where a published model is named, its file and its input are taken. A note says what was taken. Raises
    FacematchError as `load_settings`, `find_run`, `default_file` and `with_models`.
    """
    values = read_values(path, overrides)
    run, asked = _run_in_use(values, overrides, unasked=unasked)
    own = None if run is None else own_settings(run)
    settings = with_models(load_settings(path, overrides, ensembles=ensembles, sections=_brought(own, values)))
    if run is None:
        return settings
    if not asked:
        info(
            f"{run_folder(settings)} is not trained yet: the network that comes with facematch is used, with its own "
            "crops (paths.checkpoint: default)",
            "yellow",
        )
    elif own is not None:
        what = "the network that comes with facematch" if run.name == NAME else run
        info_once(f"{what}: used with its own {', '.join(_BROUGHT)} ({own})")
    return with_checkpoint(settings, run)


def find_run(given: Path, checkpoints: Path, what: str = "checkpoint") -> Path:
    """Return the run folder or the checkpoint that is meant: a path, a name below `checkpoints`, or `default`.

    A folder that holds a run goes before one that does not. hf://OWNER/REPOSITORY is a run of Hugging Face, which is
    fetched. Raises FacematchError, which begins with `what`, where there is none.
    """
    if str(given) == "default":
        return default_file()
    if given.parts[:1] == ("hf:",):
        from facematch.pipeline.hub_runs import hub_run_folder

        return hub_run_folder(given, what)
    places = [given, *([checkpoints / given] if len(given.parts) == 1 and not given.is_absolute() else [])]
    try:
        for each in places:
            if (each / NAME).is_file() and not (each / "best.safetensors").is_file():
                return each / NAME
            if each.is_file() or any((each / name).is_file() for name in _OF_RUN):
                return each
        if there := next((each for each in places if each.exists()), None):
            return there  # what it lacks is said where it is read
    except OSError as error:  # a name that is too long
        raise FacematchError(f"{what}: {brief(given)} cannot be looked for: {error.strerror}.") from error
    runs = [each.parent.name for each in checkpoints.glob("*/settings.yaml")]
    raise MissingError(
        f"{what}: {given} does not exist{nearest_name(given.name, runs)}: there is no "
        f"{' and no '.join(str(each.absolute()) for each in places)}.",
        f"Name a run folder, a .safetensors file, hf://OWNER/REPOSITORY or default, the network that comes with "
        f"facematch; or train: {typed('train')}",
    )


def run_path(run: Path, overrides: Sequence[str]) -> Path:
    """Return the run folder or checkpoint that is meant, as `find_run` finds it below `paths.checkpoints`."""
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


def first_weights(settings: Settings) -> str:
    """Return where the first weights of a training come from: `network.init_from` as `find_run`, else `weights`."""
    given = settings.network.init_from
    if given is None:
        return settings.network.weights
    return str(find_run(Path(given), settings.paths.checkpoints, "network.init_from"))


def own_settings(run: Path) -> Path | None:
    """Return the file of the settings that a run folder or a checkpoint in it was trained with; None without one."""
    file = (run if run.is_dir() else run.parent) / "settings.yaml"
    return file if file.is_file() else None


@cache
def default_file() -> Path:
    """Return the default checkpoint, in the repository or beside the installed package; its settings lie with it.

    Raises FacematchError where it is missing, and where its weights are not those that were shipped.
    """
    return shipped_file(_places(), SHA256, "the default checkpoint", f"train a network: {typed('train')}")


def is_default(settings: Settings) -> bool:
    """Return whether the default checkpoint is the one in use."""
    path = settings.paths.checkpoint
    return isinstance(path, Path) and path.name == NAME and path.resolve() == default_file().resolve()


def _places() -> list[Path]:
    return shipped_places(f"checkpoints/default/{NAME}")


def _run_in_use(values: Mapping[str, Any], overrides: Sequence[str], *, unasked: bool) -> tuple[Path | None, bool]:
    # The checkpoint that brings its settings, and whether it was asked for; values are not checked yet.
    kind, file = _in(values, "embedder", "kind", "network"), _in(values, "embedder", "file", "")
    if values.get("ensemble") is not None or kind != "network" or names_embedder(file):
        return None, False
    checkpoints, given = (
        Path(_in(values, "paths", "checkpoints", "checkpoints")),
        _in(values, "paths", "checkpoint", ""),
    )
    if given:
        return find_run(Path(given), checkpoints), True
    own = checkpoints / str(values.get("name", Settings().name))
    if (own / "settings.yaml").is_file() or (own / "best.safetensors").is_file():  # not what `tune` leaves alone
        named = any(each.partition("=")[0].strip() == "name" for each in overrides)
        return (own, True) if named else (None, False)
    return (default_file() if unasked and any(each.is_file() for each in _places()) else None), False


def _in(values: Mapping[str, Any], section: str, key: str, otherwise: str) -> str:
    inner = values.get(section)
    found = inner.get(key) if isinstance(inner, dict) else None
    return otherwise if found is None else str(found)


def _brought(file: Path | None, values: Mapping[str, Any]) -> dict[str, Any]:
    # A run's sections; how it learned comes along, since it is checked against them, but not on which machine.
    if file is None:
        return {}
    own = load_settings(file).model_dump(mode="json")
    here = values.get("training")
    machine = {name: here[name] for name in _OF_MACHINE if name in here} if isinstance(here, dict) else {}
    return {**{name: own[name] for name in (*_BROUGHT, "loss")}, "training": {**own["training"], **machine}}
