"""Read settings from a YAML file and `--set section.key=value`; every mistake is named with its remedy."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from facematch.errors import FacematchError, nearest_name
from facematch.settings import Settings

S = TypeVar("S", bound=BaseModel)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # in C where it is there
    """YAML without code, in which a key given twice is an error instead of a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping; raises for a key that stands twice."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", key_node.start_mark)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def load_settings(
    path: Path | None,
    overrides: Sequence[str] = (),
    *,
    ensembles: bool = False,
    sections: Mapping[str, Any] | None = None,
) -> Settings:
    """Return checked settings: defaults, then the YAML file, then `section.key=value` overrides.

    `sections` stand in place of the file's. Raises FacematchError that names the file, the key, what was found and
    the nearest known key, and for an ensemble unless `ensembles` are welcome.
    """
    settings = load_section(Settings, path, overrides, "config/triplet.yaml shows every key.", sections)
    if settings.ensemble is not None and not ensembles:
        raise FacematchError(
            f"{path or 'the settings'}: an ensemble of {len(settings.ensemble.members)} systems cannot be taken here.",
            "Ensembles are measured by `facematch compare` and submitted by request_send.py; other commands take one "
            "of its members.",
        )
    return settings


def load_section(
    root: type[S], path: Path | None, overrides: Sequence[str], hint: str, sections: Mapping[str, Any] | None = None
) -> S:
    """Return the checked values of a YAML file of another kind, as `load_settings`; `hint` ends an error."""
    values = ({} if path is None else read_yaml(path)) | dict(sections or {})
    for override in overrides:
        _apply(values, override)
    try:
        return root.model_validate(values)
    except ValidationError as error:
        where = "the settings" if path is None else str(path)
        if overrides:
            where += " with --set"
        raise FacematchError(f"{where}: {'; '.join(explain(error, root))}.", hint) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping; raises FacematchError for a missing, unreadable or other file."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except FileNotFoundError:
        raise FacematchError(
            f"{path} does not exist ({path.absolute()}).",
            "Name a settings file, for example --config config/triplet.yaml",
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FacematchError(f"{path} is not a YAML file that can be read: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise FacematchError(f"{path} holds {type(values).__name__}; expected sections such as `faces:` with keys.")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise FacematchError(
            f"--set {override}: expected section.key=value.",
            "For example: --set server.url=http://10.1.2.3:3001/results/",
        )
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise FacematchError(f"--set {override}: {text!r} is not a YAML value: {error}") from error
    if isinstance(value, dict) and not text.lstrip().startswith("{"):
        value = text  # `server.group=Team: A` is a name, not a mapping
    inner = values
    for key in keys[:-1]:
        if inner.get(key) is None:  # a section that is not there, or `null`
            inner[key] = {}
        inner = inner[key]
        if not isinstance(inner, dict):
            raise FacematchError(f"--set {override}: {key} is a single value, not a section.")
    inner[keys[-1]] = value


def explain(error: ValidationError, root: type[BaseModel]) -> Iterable[str]:
    """Yield one line for each mistake in values for `root`, with the nearest known key for an unknown one."""
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"] if not str(part).startswith(("dict[", "literal[")))
        if item["type"] == "extra_forbidden":
            yield f"{place} is not a known setting{nearest_name(str(item['loc'][-1]), _keys(root, item['loc'][:-1]))}"
        else:
            given = "" if isinstance(item["input"], dict) else f" (found {item['input']!r})"
            yield f"{place}: {item['msg'].removeprefix('Value error, ')}{given}".lstrip(": ")


def _keys(root: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    # The known keys of the section at `place`; in a list of sections its place names one by number and kind.
    sections = [root]
    for part in place:
        inner = [kind for each in sections if str(part) in each.model_fields
                 for kind in _models(each.model_fields[str(part)].annotation)]  # fmt: skip
        of_kind = [each for each in sections if part in [field.default for field in each.model_fields.values()]]
        sections = inner or of_kind or sections
    return list(sections[0].model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    # The sections that a type is made of, however deep they stand in it.
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
