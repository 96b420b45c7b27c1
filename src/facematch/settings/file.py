"""Read settings from a YAML file and `--set section.key=value`; every mistake is named with its remedy."""

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from facematch.core.errors import SettingsError, nearest_name, typed
from facematch.core.foreign import quoted, read_limited, reading, require_limits
from facematch.core.shipped import find_settings, log_taken
from facematch.core.text import LONGEST, brief
from facematch.settings.root import Settings

S = TypeVar("S", bound=BaseModel)


_LONGEST = 1000  # characters of mistakes, after which the others are only counted
_TAG = "tag:yaml.org,2002:"
_KINDS: dict[type[yaml.Node], tuple[str, ...]] = {
    yaml.ScalarNode: ("null", "bool", "int", "float", "str"),
    yaml.SequenceNode: ("seq",),
    yaml.MappingNode: ("map",),
}
_BITS = 64  # of a whole number


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # in C where it is there
    """YAML without code and without dates: text, numbers, true and false in lists and mappings.

    A key given twice is an error instead of a silent choice, and so is a value that is not of its tag's kind.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return a node's value; raises for one that is not of its kind, and for numbers of more than 64 bits."""
        kind = node.tag.removeprefix(_TAG)
        try:
            if kind not in _KINDS[type(node)]:
                raise ValueError
            value = super().construct_object(node, deep)
            if isinstance(value, int) and value.bit_length() > _BITS:
                raise ValueError
        except (ValueError, KeyError) as error:  # what its constructors raise for a value of another kind
            text = brief(node.value, 40) if isinstance(node.value, str) else "what is here"
            problem = f"{text} is no {brief(kind, 40)}" + (" of 64 bits" if kind == "int" else "")
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping; raises for a key that is there twice, is itself a list, or merges another mapping."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            problem = "a list or a mapping is not a key"
            if isinstance(key_node, yaml.ScalarNode):
                problem = "'<<' cannot bring another mapping's keys here: write them out"
                if key_node.tag != _TAG + "merge":
                    key = self.construct_object(key_node, deep=True)
                    problem = f"{quoted(key)} is given twice" if key in seen else ""
                    seen.add(key)
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.yaml_implicit_resolvers = {  # a run may be called 2024-05-17, or =
    first: [each for each in kinds if each[0] not in (_TAG + "timestamp", _TAG + "value")]
    for first, kinds in _Loader.yaml_implicit_resolvers.items()
}


def _parse(text: str) -> Any:
    # The value of a YAML text. Raises ValueError that names where what is wrong.
    try:
        value = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ValueError(place + brief(", ".join(filter(None, (error.context, error.problem))))) from error
    except yaml.YAMLError as error:
        raise ValueError(brief(error)) from error
    except RecursionError:
        raise ValueError("its lists are nested too deep") from None
    require_limits(value, "settings")
    return value


def load_settings(
    path: Path | str | None,
    overrides: Sequence[str] = (),
    *,
    ensembles: bool = False,
    sections: Mapping[str, Any] | None = None,
) -> Settings:
    """Return checked settings: defaults, then the YAML file, then `section.key=value` overrides.

    `sections` replace the file's. Raises FacematchError that names the file, the key, what was found and
    the nearest known key, and for an ensemble unless `ensembles` are welcome.
    """
    settings = load_section(Settings, path, overrides, "config/triplet.yaml shows every key.", sections)
    if settings.ensemble is not None and not ensembles:
        raise SettingsError(
            f"{path or 'the settings'}: an ensemble of {len(settings.ensemble.members)} systems cannot be taken here.",
            f"Ensembles are measured by `facematch compare` and submitted by `{typed('request')}`; other commands take "
            "one of its members.",
        )
    return settings


def overrides_of(keywords: Mapping[str, object]) -> list[str]:
    """Return keywords as `load_settings` takes overrides: `faces__size=112` says `faces.size=112`."""
    return [f"{name.replace('__', '.')}={json.dumps(value, default=str)}" for name, value in keywords.items()]


def load_section(
    root: type[S],
    path: Path | str | None,
    overrides: Sequence[str],
    hint: str,
    sections: Mapping[str, Any] | None = None,
) -> S:
    """Return the checked values of a YAML file of another kind, as `load_settings`; `hint` ends an error."""
    values = read_values(path, overrides, sections)
    try:
        return root.model_validate(values)
    except ValidationError as error:
        where = "the settings" if path is None else str(path)
        if overrides:
            where += " with --set"
        raise SettingsError(f"{where}: {'; '.join(explain(error, root))}.", hint) from error


def read_values(
    path: Path | str | None, overrides: Sequence[str], sections: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a YAML file and overrides hold, as `load_settings` joins them, before it is checked."""
    values = ({} if path is None else read_yaml(Path(path))) | dict(sections or {})
    for override in overrides:
        _apply(values, override)
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping; a relative `config/…` is looked for as `find_settings` does.

    Raises FacematchError for a missing, unreadable or other file.
    """
    with reading(path, "the settings", ""):
        try:
            place = find_settings(path)
            values = _parse(read_limited(place, "settings").decode("utf-8-sig"))
        except ValueError as error:
            raise SettingsError(f"{path} is not a YAML file that can be read: {brief(error)}.") from error
    log_taken(path, place)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds {type(values).__name__}; expected sections such as `faces:` with keys.")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise SettingsError(
            f"--set {brief(override)}: expected section.key=value.",
            "For example: --set server.url=http://10.1.2.3:3001/results/",
        )
    try:
        value = _parse(text)
    except ValueError as error:
        raise SettingsError(f"--set {brief(override)} is not a YAML value: {brief(error)}.") from error
    if isinstance(value, dict) and not text.lstrip().startswith("{"):
        value = text  # `server.group=Team: A` is a name, not a mapping
    inner = values
    for key in keys[:-1]:
        if inner.get(key) is None:  # a section that is not there, or `null`
            inner[key] = {}
        inner = inner[key]
        if not isinstance(inner, dict):
            raise SettingsError(f"--set {brief(override)}: {brief(key)} is a single value, not a section.")
    inner[keys[-1]] = value


def explain(error: ValidationError, root: type[BaseModel]) -> Iterable[str]:
    """Yield one line for each mistake in values for `root`, with the nearest known key for an unknown one."""
    every, length = error.errors(include_url=False), 0
    for number, item in enumerate(every):
        if length > _LONGEST:
            yield f"and {len(every) - number:,} more mistakes"
            return
        parts = [str(part) for part in item["loc"] if not str(part).startswith(("dict[", "literal[", "step["))]
        line = brief(".".join(parts))
        if item["type"] == "extra_forbidden":
            line += f" is not a known setting{nearest_name(str(item['loc'][-1]), _keys(root, item['loc'][:-1]))}"
        else:
            given, context = item["input"], item.get("ctx", {})
            line += f": {brief(item['msg'].removeprefix('Value error, '), 2 * LONGEST)}"
            line += "" if isinstance(given, dict) else f" (found {quoted(given)})"
            if isinstance(given, str) and (known := context.get("expected") or context.get("expected_tags")):
                line += nearest_name(given, re.findall("'([^']*)'", known))
        length += len(line)
        yield line.lstrip(": ")


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
    # The sections that a type is made of, however deep they are in it.
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
