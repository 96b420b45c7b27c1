"""Published models as systems of a comparison."""

from facematch.core.console import info
from facematch.core.errors import FacematchError
from facematch.models.hub import HubRun, hub_run_of
from facematch.models.local import is_here
from facematch.models.registry import Model, models, named
from facematch.pipeline.named_models import CONFIGS
from facematch.settings.compare import CompareSettings, SystemSettings

ALL = "all"


def with_named(wanted: CompareSettings, names: str) -> CompareSettings:
    """Return a comparison with further systems: models by their names, between commas, or `all` that are here.

    Each has the settings file of its kind, which aligns faces; hf://OWNER/REPOSITORY is a run, with its own settings.
    One that is listed already is not listed twice. Raises FacematchError for an unknown name, for a model that embeds
    nothing, and where `all` are none.
    """
    if names == ALL:
        found: list[Model | HubRun] = [each for each in models() if each.embeds and is_here(each)]
        if not found:
            raise FacematchError("--models all: no model is here.", "Fetch one: facematch models list, and then pull.")
        names = ", ".join(each.name for each in found if isinstance(each, Model))
        info(f"models that are here: {names}")
    else:
        given = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
        found = [hub_run_of(name) or named(name) for name in given]
    listed = {each.name for each in wanted.systems}
    every = {each.name: each for each in map(_system, found)}
    systems = [each for name, each in every.items() if name not in listed]
    return wanted.model_copy(update={"systems": (*wanted.systems, *systems)})


def _system(model: Model | HubRun) -> SystemSettings:
    if isinstance(model, HubRun):
        return SystemSettings(name=str(model)[:60], set={"paths.checkpoint": str(model)})
    if model.runs not in CONFIGS:
        raise FacematchError(
            f"--models: {model.name} makes no embeddings that facematch can compare.",
            "`facematch models list` shows what does: faces and general pictures without a star.",
        )
    return SystemSettings(name=model.name, config=CONFIGS[model.runs], set={"embedder.file": model.name})
