"""The members of an ensemble, each with its own settings."""

from facematch.core.errors import FacematchError
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.settings.ensemble import EnsembleSettings
from facematch.settings.root import Settings


def ensemble_members(settings: Settings, ensemble: EnsembleSettings) -> list[Settings]:
    """Return the settings of each member; where photos, labels and the cache are is told by the ensemble's file."""
    found = []
    for number, each in enumerate(ensemble.members, start=1):
        try:
            member = settings_in_use(each.config, each.overrides(), unasked=False)
        except FacematchError as error:
            raise FacematchError(f"member {number} of the ensemble: {error.message}", error.hint) from error
        kept = ("query", "gallery", "cache")
        paths = member.paths.model_copy(update={name: getattr(settings.paths, name) for name in kept})
        shared = {"paths": paths, "identities": settings.identities, "photos": settings.photos}
        found.append(member.model_copy(update=shared))
    return found
