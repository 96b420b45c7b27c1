"""What of a run goes to others: weights that hold digests of people's names, settings that name no file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facematch.core.errors import FacematchError
from facematch.core.foreign import quoted
from facematch.core.tensor_file import read_tensor_header
from facematch.identities.values import person_digest
from facematch.models.registry import models
from facematch.networks.checkpoint import CheckpointHeader, load_checkpoint, save_checkpoint
from facematch.pipeline.hub_runs import PUBLISHED
from facematch.settings.embedding import BY_FILE
from facematch.settings.root import Settings

_PLAIN = ("auto", "imagenet", "none")  # weights that are nobody's file
_SLASHED = ("network.backbone",)  # timm/NAME


def nameless(people: Sequence[str]) -> tuple[str, ...]:
    """Return digests of people's names, in the order of the digests, which is not that of the names."""
    return tuple(sorted(map(person_digest, people)))


def published_settings(settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that others get, as JSON has them, and the names of those that were left out.

    A detector's file becomes the name of a published model of its kind; a teacher, files of weights, and refine steps
    that compare with people of this machine stay here.
    """
    left = []
    faces = dict.fromkeys(f"{kind}_file" for kind in (*BY_FILE, "finder"))
    for kind in BY_FILE:
        if kind in (settings.faces.detector, settings.faces.looking_behind):
            faces[f"{kind}_file"] = next(Path(each.name) for each in models() if each.runs == kind)
    left += [f"faces.{key}" for key, value in faces.items() if getattr(settings.faces, key) not in (None, value)]
    network: dict[str, Any] = {"init_from": None}
    if settings.network.weights not in _PLAIN:
        network["weights"] = "none"
    left += [f"network.{key}" for key, value in network.items() if getattr(settings.network, key) != value]
    refine = tuple(each for each in settings.refine if getattr(each, "people", None) is None)
    left += [f"refine: {each.step}" for each in settings.refine if each not in refine]
    if settings.loss.teacher is not None:
        left.append("loss.teacher")
    told = settings.model_copy(
        update={
            "faces": settings.faces.model_copy(update=faces),
            "network": settings.network.model_copy(update=network),
            "refine": refine,
            "loss": settings.loss.model_copy(update={"teacher": None}),
        }
    )
    return told.model_dump(mode="json", include=set(PUBLISHED)), left


def write_weights(header: CheckpointHeader, out: Path) -> None:
    """Write a checkpoint that names nobody and no file, in the precision it has.

    Raises FacematchError as `load_checkpoint`.
    """
    tensors = read_tensor_header(header.path, "checkpoint").tensors
    first = header.origin["source"] if header.origin["source"] in _PLAIN else "none"
    save_checkpoint(
        out,
        load_checkpoint(header.path),
        header.fingerprint.only("faces."),
        origin={"source": first, "seed": header.origin["seed"], "sha256": header.origin["sha256"]},
        people=nameless(header.people),
        metric=header.metric,
        trained=header.trained,
        half=any(each.dtype == "F16" for each in tensors.values()),
    )


def require_nameless(values: Mapping[str, Any], people: Sequence[str]) -> None:
    """Raise FacematchError for a text in `values`, as JSON has them, that names one of `people` or a file."""
    names = {each.casefold() for each in people}
    for key, text in _texts("", values):
        figures = key.split(".") if key.startswith("trained") else ()  # of which a name may be that of a figure
        if any(each.casefold() in names for each in (text, *figures)):
            raise FacematchError(f"{key} names one of the people it was trained on: nothing was sent.", _ANOTHER)
        if ("/" in text or "\\" in text) and key not in _SLASHED:
            raise FacematchError(f"{key} is {quoted(text)}, a path of this machine: nothing was sent.", _ANOTHER)


_ANOTHER = "Change it in a copy of the run folder: in its settings.yaml, or train with other settings."


def _texts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{place}.{key}" if place else str(key), inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(place, inner)
