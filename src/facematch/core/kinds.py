"""What the name of an embedder, detector, refine step, threshold or loss means: ours, and those of plug-ins.

A plug-in is an entry point of an installed package, in one of the groups `facematch.embedders`, `facematch.detectors`,
`facematch.refine`, `facematch.thresholds` and `facematch.losses`. Ours are written the same way, `module:object`, and
are made by the same `make`; nothing is imported before its name is used.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Literal, get_args

from facematch.core.errors import FacematchError, nearest_name
from facematch.core.text import brief

Group = Literal["embedders", "detectors", "refine", "thresholds", "losses"]
GROUPS: tuple[Group, ...] = get_args(Group)
OURS = "facematch"

# What a kind is called with besides its options, where it has parameters of these names.
GIVEN: Mapping[Group, tuple[str, ...]] = MappingProxyType(
    {
        "embedders": ("kind", "device", "precision", "seed", "settings"),
        "detectors": ("faces",),
        "refine": ("query", "gallery", "k", "metric", "people", "whitening", "known"),
        "thresholds": (),
        "losses": ("dimensions", "people"),
    }
)

_HASH = "facematch.embedders.hashes:HashEmbedder"
_OURS: Mapping[Group, Mapping[str, str]] = MappingProxyType(
    {
        "embedders": {
            "network": "facematch.pipeline.build:network_embedder",
            "onnx": "facematch.pipeline.build:onnx_embedder",
            "dlib": "facematch.embedders.dlib:DlibEmbedder",
            "clip": "facematch.pipeline.build:clip_embedder",
            "timm": "facematch.embedders.timm:TimmEmbedder",
            "pixels": "facematch.embedders.pixels:PixelEmbedder",
            "phash": _HASH,
            "dhash": _HASH,
            "whash": _HASH,
        },
        "detectors": {
            "haar": "facematch.pipeline.detectors:haar",
            "yunet": "facematch.pipeline.detectors:yunet",
            "centerface": "facematch.pipeline.detectors:centerface",
            "scrfd": "facematch.pipeline.detectors:scrfd",
            "retinaface": "facematch.pipeline.detectors:retinaface",
            "finder": "facematch.pipeline.detectors:finder",
            "none": "facematch.faces.detectors:NoDetector",
        },
        "refine": {  # in the order in which steps are done
            "flip": "facematch.embedders.views:FlipEmbedder",
            "views": "facematch.embedders.views:ViewsEmbedder",
            "whiten": "facematch.refine.steps:whiten",
            "templates": "facematch.refine.steps:templates",
            "database-augmentation": "facematch.refine.steps:database_augmentation",
            "query-expansion": "facematch.refine.steps:query_expansion",
            "blend": "facematch.refine.expansion:blend_neighbours",
            "bridge": "facematch.refine.bridge:bridge",
            "cohort": "facematch.refine.cohort:normalise_by_cohort",
            "k-reciprocal": "facematch.refine.k_reciprocal:k_reciprocal",
        },
        "thresholds": {
            "static": "facematch.thresholds.fitting:static",
            "dynamic": "facematch.thresholds.fitting:dynamic",
            "dynamic-query": "facematch.thresholds.fitting:dynamic_query",
            "isotonic": "facematch.thresholds.fitting:isotonic",
            "platt": "facematch.thresholds.fitting:platt",
        },
        "losses": {
            "triplet": "facematch.tasks.training.objective:TripletObjective",
            "cross-entropy": "facematch.tasks.training.objective:ClassObjective",
            "none": "facematch.tasks.training.objective:Objective",
        },
    }
)


@dataclass(frozen=True)
class Kind:
    """A name, what it stands for (`module:object`) and the package that brings it, with its version."""

    group: Group
    name: str
    target: str
    package: str = OURS

    @property
    def ours(self) -> bool:
        """Return whether facematch itself brings it."""
        return self.package == OURS

    @cached_property
    def loaded(self) -> Any:
        """Return the object. Raises FacematchError, which names the package, where that cannot be imported."""
        module, _, name = self.target.partition(":")
        if self.ours:
            return getattr(import_module(module), name)
        try:
            return EntryPoint(self.name, self.target, f"{OURS}.{self.group}").load()
        except Exception as error:  # another's code runs at its import
            raise FacematchError(
                f"{self.name} of the package {self.package} cannot be loaded from {self.target}: "
                f"{type(error).__name__}: {brief(str(error))}.",
                "Install that package again, or a version of it that fits; `facematch plugins` lists all.",
            ) from error

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Return what it is called with, by name. Raises FacematchError for what cannot be called."""
        try:
            return inspect.signature(self.loaded).parameters
        except (TypeError, ValueError) as error:
            raise FacematchError(
                f"{self.name} of the package {self.package} is {self.target}, which cannot be called.",
                "It is a defect of that package.",
            ) from error


def own_names(group: Group) -> tuple[str, ...]:
    """Return the names that facematch itself brings."""
    return tuple(_OURS[group])


def known_names(group: Group) -> tuple[str, ...]:
    """Return all names: ours, then those of plug-ins in their order."""
    return (*own_names(group), *(name for name in plugins(group) if name not in _OURS[group]))


@cache
def plugins(group: Group) -> dict[str, list[Kind]]:
    """Return what other packages bring, by name; one of ours, or one that two packages bring, is not taken."""
    found: dict[str, list[Kind]] = {}
    for entry in sorted(entry_points(group=f"{OURS}.{group}"), key=lambda each: (each.name, each.value)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
        kind = Kind(group, entry.name, entry.value, package)
        if kind not in (there := found.setdefault(entry.name, [])):  # a package may lie in two folders of the path
            there.append(kind)
    return found


def find_kind(group: Group, name: str) -> Kind | None:
    """Return what a name means, or None. Raises FacematchError for a name that two packages bring."""
    if name in _OURS[group]:
        return Kind(group, name, _OURS[group][name])
    found = plugins(group).get(name, [])
    if len(found) > 1:
        raise FacematchError(
            f"{name} is brought by {' and by '.join(each.package for each in found)}.", "Uninstall one of them."
        )
    return found[0] if found else None


def require_kind(group: Group, name: str) -> Kind:
    """Return what a name means. Raises ValueError, which lists the known names, for one that nobody brings."""
    if (kind := find_kind(group, name)) is not None:
        return kind
    known = known_names(group)
    raise ValueError(f"expected one of {', '.join(known)}{nearest_name(name, known)}")


def known_kind(group: Group) -> Callable[[str], str]:
    """Return a validator of settings: it returns a name that is known and raises ValueError for others."""

    def known(name: str) -> str:
        require_kind(group, name)
        return name

    return known


def require_options(kind: Kind, options: Collection[str], given: Collection[str], place: str) -> None:
    """Raise FacematchError for an option that a kind does not have, and for one missing that it needs.

    `given` are the names of what it gets without being asked for; `place` is the setting that holds the options.
    """
    named = {n: each for n, each in kind.parameters.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    settable = [name for name in named if name not in given]
    if not any(each.kind is each.VAR_KEYWORD for each in kind.parameters.values()):
        refuse_unknown([each for each in options if each not in named], settable, kind.name, place)
    needed = [name for name in settable if named[name].default is inspect.Parameter.empty and name not in options]
    if needed:
        raise FacematchError(
            f"{kind.name} needs {', '.join(f'{place}.{name}' for name in needed)}.", f"Add --set {place}.{needed[0]}=…"
        )


def refuse_unknown(unknown: Sequence[str], settable: Sequence[str], name: str, place: str) -> None:
    """Raise FacematchError for the first option that `name` does not have, with the nearest of those it has."""
    for option in unknown:
        raise FacematchError(
            f"{place}.{option} is not an option of {name}{nearest_name(option, settable)}.",
            f"It has {', '.join(settable)}." if settable else "It has none.",
        )


def make(kind: Kind, options: Mapping[str, Any], given: Mapping[str, Any], place: str) -> Any:
    """Return what a kind makes of `options`, the user's, and of those of `given` that it has a parameter for.

    An option goes before what is given. Raises FacematchError as `require_options`, and for whatever a plug-in raises.
    """
    require_options(kind, options, given, place)
    taken = {name: value for name, value in given.items() if name in kind.parameters} | dict(options)
    if kind.ours:
        return kind.loaded(**taken)
    with blaming(kind):
        return kind.loaded(**taken)


@contextmanager
def blaming(kind: Kind) -> Iterator[None]:
    """Turn whatever the code of a plug-in raises into a FacematchError that names its package."""
    try:
        yield
    except FacematchError:
        raise
    except Exception as error:  # each fails in its own way
        raise FacematchError(
            f"{kind.name} of the package {kind.package} failed: {type(error).__name__}: {brief(str(error))}.",
            "Check its options; otherwise it is a defect of that package.",
        ) from error
