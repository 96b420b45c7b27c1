"""facematch: crop faces, train an embedding, rank a gallery, submit ten names for each query.

These names are promised; docs/library.md shows them at work. Each is loaded when it is first used, so that importing
facematch costs nothing. All other modules are private: they change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "load_embedder": "api",
    "embed": "api",
    "crop": "api",
    "rank": "api",
    "evaluate": "api",
    "verify": "api",
    "train": "api",
    "Submission": "tasks.competition.submission",
    "Embeddings": "ranking.embeddings",
    "Ranking": "ranking.ranking",
    "Estimate": "evaluation.bootstrap",
    "FacematchError": "core.errors",
}
_MODULES = {  # losses.TripletLoss, samplers.PKSampler, datasets.FaceFolder; errors.MissingError and others
    "losses": "losses",
    "samplers": "samplers",
    "datasets": "datasets",
    "errors": "core.errors",
}

__all__ = [
    "Embeddings",
    "Estimate",
    "FacematchError",
    "Ranking",
    "Submission",
    "crop",
    "datasets",
    "embed",
    "evaluate",
    "load_embedder",
    "losses",
    "rank",
    "samplers",
    "train",
    "verify",
]

if TYPE_CHECKING:
    from facematch.api import crop, embed, evaluate, load_embedder, rank, train, verify
    from facematch.core.errors import FacematchError
    from facematch.evaluation.bootstrap import Estimate
    from facematch.ranking.embeddings import Embeddings
    from facematch.ranking.ranking import Ranking
    from facematch.tasks.competition.submission import Submission

    from . import datasets, losses, samplers
    from .core import errors as errors


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"facematch.{_MODULES[name]}")
    if name not in _WHERE:
        raise AttributeError(f"module 'facematch' has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"facematch.{_WHERE[name]}"), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
