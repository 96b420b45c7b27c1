"""What made a submission, as the journal keeps it: the whole command line, and the system that ranked."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facematch.embedders.embed import PhotoEmbedder
from facematch.pipeline.build import trained_header
from facematch.pipeline.default_checkpoint import is_default
from facematch.pipeline.system import System
from facematch.settings.refine import Step
from facematch.settings.root import Settings
from facematch.tasks.competition.address import shown_url


def command_line() -> str:
    """Return the command line as it was typed, quoted; without what is secret in addresses, and without headers."""
    program = Path(sys.argv[0]).name
    start = {"__main__.py": "python -m facematch"}.get(
        program, f"python {program}" if program[-3:] == ".py" else program
    )
    return " ".join([start, *(shlex.quote(_without_secrets(word)) for word in sys.argv[1:])])


def system_of(settings: Settings, system: System, stage: PhotoEmbedder) -> dict[str, Any]:
    """Return what embeds and ranks as a JSON object: kind and model, checkpoint or file with its SHA-256, the rest.

    `model` is a name for people: that of the run, or of the file. `settings` is everything that decides an embedding.
    """
    kind, decides = settings.embedder.kind, stage.fingerprint.settings
    file = trained_header(settings).path if kind == "network" else settings.embedder.file if kind == "onnx" else None
    model = ""
    if file is not None:
        model = file.parent.name if file.stem in ("best", "last") else file.stem
        model = "default" if is_default(settings) else model
    return {
        "kind": kind,
        "model": model,
        "name": settings.name,
        "checkpoint": None if file is None else str(file),
        "sha256": next((value for key, value in decides.items() if key.endswith("sha256")), None),
        "metric": settings.ranking.metric,
        "index": settings.gallery.index,
        "refine": [_step(each, system) for each in system.steps],
        "settings": {**decides, "faces.miss": settings.faces.miss},
    }


def system_words(system: Mapping[str, Any] | None) -> str:
    """Return a system of the journal in a few words, such as `network default 71233bf7`."""
    if system is None:
        return ""
    digest = str(system.get("sha256") or "")[:8]
    words = [str(system.get("kind", "?")), str(system.get("model", "")), digest]
    members = _mappings(system.get("members"))
    if members:
        words.append(f"({', '.join(system_words(each) for each in members)})")
    return " ".join(word for word in words if word)


def fusion_words(system: Mapping[str, Any] | None) -> str:
    """Return how an ensemble of the journal is fused, and what its probabilities rest on; empty for one system."""
    if system is None or "method" not in system:
        return ""
    words, fits = f"{system['method']}, weights {_value(system.get('weights'))}", _mappings(system.get("fitted_on"))
    if fits:
        pairs = " / ".join(str(each.get("pairs")) for each in fits)
        words += f", fitted on {fits[0].get('people')} people, {pairs} pairs"
    return words


def refine_words(system: Mapping[str, Any] | None) -> str:
    """Return the refine steps of a system of the journal with what is not as usual in them; empty for none."""
    if system is None:
        return ""
    members = [refine_words(each) for each in _mappings(system.get("members"))]
    if any(members):
        return " / ".join(each or "none" for each in members)
    steps = []
    for each in _mappings(system.get("refine")):
        given = " ".join(f"{key}={_value(value)}" for key, value in each.items() if key != "step")
        steps.append(f"{each.get('step')}{f' ({given})' if given else ''}")
    return ", ".join(steps)


def _step(step: Step, system: System) -> dict[str, Any]:
    # With what is not as usual; `known` is the beginning of the digest of the training people's photos.
    values = {"step": step.step, **step.model_dump(mode="json", exclude_defaults=True)}
    if step.needs_known:
        values["known"] = str(system.rank.known_digest)[:8]
    return values


def _mappings(values: object) -> Sequence[Mapping[str, Any]]:
    # A journal of a newer version may hold something else.
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _without_secrets(word: str) -> str:
    if re.match(r"(--set=)?server\b.*\bheaders\b", word):
        return f"{word.partition('headers')[0]}headers=…"
    return re.sub(r"https?://\S+", lambda found: shown_url(found[0]), word)
