"""Published models as systems of a comparison."""

from facematch.core.console import info
from facematch.core.errors import FacematchError
from facematch.models.local import is_here
from facematch.models.registry import Model, models, named
from facematch.pipeline.named_models import CONFIGS
from facematch.settings.compare import CompareSettings, SystemSettings

ALL = "all"


def with_named(wanted: CompareSettings, names: str) -> CompareSettings:
    """Return a comparison with further systems: models by their names, between commas, or `all` that are here.

    Each has the settings file of its kind, which aligns faces. One that is listed already is not listed twice. Raises
    FacematchError for an unknown name, for a model that embeds nothing, and where `all` are none.
    """
    if names == ALL:
        found = [each for each in models() if each.embeds and is_here(each)]
        if not found:
            raise FacematchError("--models all: no model is here.", "Fetch one: facematch models list, and then pull.")
        info(f"models that are here: {', '.join(each.name for each in found)}")
    else:
        found = [named(name.strip()) for name in names.split(",") if name.strip()]
    listed = {each.name for each in wanted.systems}
    systems = [_system(each) for each in dict.fromkeys(found) if each.name not in listed]
    return wanted.model_copy(update={"systems": (*wanted.systems, *systems)})


def _system(model: Model) -> SystemSettings:
    if model.runs not in CONFIGS:
        raise FacematchError(
            f"--models: {model.name} makes no embeddings that facematch can compare.",
            "`facematch models list` shows what does: faces and general pictures without a star.",
        )
    return SystemSettings(name=model.name, config=CONFIGS[model.runs], set={"embedder.file": model.name})
