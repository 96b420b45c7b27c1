"""Losses of pytorch-metric-learning by their names, with options that are checked (Musgrave et al. 2020)."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.kinds import known_names, refuse_unknown

# What a loss gets here and not from the settings.
_FILLED = ("num_classes", "embedding_size", "descriptors_dim")
# Arguments that are objects of Python, and what only goes with them: settings cannot give them.
_OBJECTS = frozenset(
    (
        "collect_stats", "distance", "embedding_reg_weight", "embedding_regularizer", "mat_based_loss", "reducer",
        "weight_init_func", "weight_reg_weight", "weight_regularizer",
    )
)  # fmt: skip
# Classes there that cannot be a loss of labels here: two are made to be built on, two compare two views of a photo
# and take no labels, and one adapts to all batches before without keeping in its state what it learned.
_UNFIT = ("BaseMetricLossFunction", "GenericPairLoss", "ManifoldLoss", "VICRegLoss", "DynamicSoftMarginLoss")


def require_loss(name: str, options: Mapping[str, Any]) -> type[nn.Module]:
    """Return the class that a loss's name means, in any case, with or without `Loss`: arcface is ArcFaceLoss.

    Raises FacematchError when pytorch-metric-learning is not installed, for an unknown name, for an option that
    the loss does not have and for one missing that it needs; the nearest known one is named.
    """
    known = _known()
    found = known.get(_plain(name))
    if found is None:
        near = nearest_name(_plain(name), known)
        for plain, kind in known.items():
            near = near.replace(f"'{plain}'", repr(kind.__name__))
        raise FacematchError(
            f"loss.name: {name!r} is not a loss{near}.",
            f"Known are {', '.join((*known_names('losses'), *sorted(k.__name__ for k in known.values())))}.",
        )
    arguments = _arguments(found)
    settable = sorted(set(arguments) - {*_FILLED, *_OBJECTS})
    refuse_unknown([each for each in options if each not in settable], settable, found.__name__, "loss.options")
    missing = [key for key in settable if arguments[key].default is inspect.Parameter.empty and key not in options]
    if missing:
        raise FacematchError(
            f"{found.__name__} needs loss.options: {', '.join(missing)}.",
            f"For example --set 'loss.options={{{', '.join(f'{key}: 1' for key in missing)}}}'; see its paper.",
        )
    return found


def build_loss(name: str, options: Mapping[str, Any], *, people: int, dimensions: int) -> nn.Module:
    """Return the loss, which takes N×D embeddings and N integer labels below `people`; weights are random.

    `num_classes` and `embedding_size` are filled in where the loss needs them. Raises FacematchError as
    `require_loss` does, and for a value that the loss refuses.
    """
    kind = require_loss(name, options)
    known = {"num_classes": people, "embedding_size": dimensions, "descriptors_dim": dimensions}
    needed = {
        key: known[key]
        for key, argument in _arguments(kind).items()
        if key in known and argument.default is inspect.Parameter.empty
    }
    try:
        return kind(**needed, **options)
    except Exception as error:  # each loss refuses in its own way
        shown = ", ".join(f"{key}: {value!r}" for key, value in options.items())
        raise FacematchError(f"{kind.__name__} does not take loss.options {{{shown}}}: {error}") from error


def _known() -> dict[str, type[nn.Module]]:
    # Each usable loss by its plain name.
    try:
        from pytorch_metric_learning import losses
    except ImportError as error:
        raise FacematchError(
            "losses other than triplet and cross-entropy need pytorch-metric-learning, which is not installed.",
            "Run: pip install 'facematch[losses]', or pip install pytorch-metric-learning",
        ) from error
    usable: dict[str, Any] = {
        _plain(name): kind
        for name, kind in vars(losses).items()
        if inspect.isclass(kind) and issubclass(kind, losses.BaseMetricLossFunction) and name not in _UNFIT
    }
    return usable


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").removesuffix("loss")


def _arguments(kind: type[nn.Module]) -> dict[str, inspect.Parameter]:
    # The named arguments of a class and of those it passes the rest on to.
    found: dict[str, inspect.Parameter] = {}
    for base in kind.__mro__:
        if "__init__" in vars(base) and base.__module__.startswith("pytorch_metric_learning."):
            initialiser: Any = vars(base)["__init__"]
            for name, parameter in inspect.signature(initialiser).parameters.items():
                if name != "self" and parameter.kind is not parameter.VAR_POSITIONAL:
                    found.setdefault(name, parameter)
    return {name: each for name, each in found.items() if each.kind is not each.VAR_KEYWORD}
