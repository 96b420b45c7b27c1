"""The card of a run that is published: what Hugging Face reads, and what whoever takes it has to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facematch import __version__
from facematch.core.text import count_of, number_words
from facematch.networks.checkpoint import CheckpointHeader

_TAGS = ("facematch", "face-recognition", "image-retrieval", "metric-learning")
_LIMITS = """\
Whom its training photos hardly show it confuses more, and its figures do not tell: measure it on photos like yours
(`facematch figures --attributes FILE` by group). A match is a photo to look at, not evidence: not for deciding anything
about a person – identification by authorities, access, employment, credit, surveillance. The licence above is its
publisher's word for the weights; the photos it was trained on may have terms of their own.

The file holds SHA-256 digests of the names of the people it was trained on, by which facematch notices that somebody is
measured on whom it has learned. A name that can be guessed can be tried."""


@dataclass(frozen=True)
class Told:
    """What a card tells beside the checkpoint's header: settings as JSON has them, counts, a log's epochs.

    `trained` says whether the settings tell how it was trained: those of a checkpoint alone may not.
    """

    address: str
    licence: str
    sha256: str
    settings: Mapping[str, Any]
    left_out: Sequence[str]
    photos: int | None
    epochs: Sequence[Mapping[str, Any]]
    trained: bool = True


def card_of(header: CheckpointHeader, told: Told) -> str:
    """Return the card in Markdown: front matter, use, training in counts only, recipe, figures, limits."""
    network, size = told.settings["network"], header.fingerprint.settings["faces.size"]
    numbers = "its backbone's features" if header.spec.embedding == "features" else f"{header.spec.embedding} numbers"
    lines = [
        *_front(told.licence),
        f"# {told.address.removeprefix('hf://')}",
        "",
        f"{network['backbone']} that turns the picture of a face ({size}×{size} pixels) into {numbers}, compared by "
        f"{header.metric} distance. Trained with facematch {__version__}.",
        "",
        "## Use",
        "",
        "    pip install 'facematch[train,hub]'",
        f"    facematch validate --set paths.checkpoint={told.address}",
        f"    facematch train --set network.init_from={told.address}",
        "",
        "It brings its own crops, network, ranking and refine steps (`settings.yaml`). SHA-256 of `best.safetensors`:",
        "",
        f"    {told.sha256}",
        "",
        "## What it was trained on",
        "",
        f"{count_of(len(header.people), 'person', 'people')}"
        + ("" if told.photos is None else f", {count_of(told.photos, 'photo', 'photos')}")
        + ". No name, photo or path is published with it.",
        "",
        "## Recipe",
        "",
        *_recipe(told),
        "",
        "## Figures",
        "",
        *_figures(header, told.epochs),
        "",
        "## What limits it",
        "",
        _LIMITS,
    ]
    return "\n".join(lines) + "\n"


def _front(licence: str) -> list[str]:
    tags = [f"  - {each}" for each in _TAGS]
    head = ["---", f"license: {licence}", "library_name: facematch", "pipeline_tag: image-feature-extraction", "tags:"]
    return [*head, *tags, "---", ""]


def _recipe(told: Told) -> list[str]:
    training, loss, faces = (told.settings[name] for name in ("training", "loss", "faces"))
    rows = {
        "faces": faces["detector"] + (f" + {faces['second_look']}" if faces["second_look"] != "none" else ""),
        "crops": f"{faces['size']} pixels, margin {faces['margin']:g}",
    }
    learned = {
        "loss": f"{loss['name']}, margin {loss['margin']}, mining {_plain(loss['mining'])}",
        "epochs": f"{training['epochs']} at most",
        "batch": f"{training['identities_per_batch']} people, {training['photos_per_identity']} photos of each",
        "learning rate": _plain(training["learning_rate"]),
        "seed": str(told.settings["seed"]),
    }
    if told.trained:
        rows |= learned
    if told.left_out:
        rows["not published"] = ", ".join(told.left_out)
    return ["| | |", "| --- | --- |", *(f"| {name} | {_cell(value)} |" for name, value in rows.items())]


def _figures(header: CheckpointHeader, epochs: Sequence[Mapping[str, Any]]) -> list[str]:
    # Of the epoch whose weights these are, and as they went on.
    kept = _numbers(header.trained.get("validation"))
    if not kept:
        return ["Its training has told none."]
    epoch = header.trained.get("epoch")
    said = f"On its validation photos, after epoch {epoch}, which they chose and whose weights these are:"
    lines = [said, "", *_table(["figure", "value"], [[name, _number(value)] for name, value in kept.items()])]
    rows = [(each.get("epoch"), _numbers(each.get("validation"))) for each in epochs]
    names = [name for name in kept if any(name in values for _, values in rows)]
    if names and len(rows) > 1:
        told = [[str(at), *(_number(v[name]) if name in v else "" for name in names)] for at, v in rows]
        lines += ["", *_table(["epoch", *names], told)]
    return lines


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        return {}
    return {str(key): float(value) for key, value in values.items() if isinstance(value, int | float)}


def _number(value: float) -> str:
    return number_words(value, ",.0f" if value == round(value) and value > 1 else ".3f")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_cell, each))} |" for each in lines]


def _plain(value: Any) -> str:
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, Mapping) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
