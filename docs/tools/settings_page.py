"""The reference page of the settings.

What a setting is for stands beside it in config/*.yaml; where that says nothing, beside it in the settings' source.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from cells import MADE, ROOT, plain, table
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from facematch.settings.file import load_settings
from facematch.settings.refine import PluginStep
from facematch.settings.root import Settings
from facematch.settings.schema import FORMS

OWN_FILES = {"finder": "finder", "ensemble": "ensemble"}  # sections that the main file only names
_HEAD = ("key", "default", "takes", "what for")
_WORDS = {
    "integer": "whole number", "boolean": "`true` \\| `false`", "string": "text", "null": "`null`", "": "any value",
}  # fmt: skip


def comments(file: str) -> dict[str, str]:
    """Return what config/FILE.yaml says beside each key, by its dotted name."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    name, column = "", 0
    for line in (ROOT / "config" / f"{file}.yaml").read_text(encoding="utf-8").splitlines():
        key = re.match(r"( *)(?:# (?=[a-z_]+: ))?([\w-]+):(?: |$)", line)
        if key and not line.startswith("#") and not ("#" in key[0] and len(key[1]) > 6):
            while above and above[-1][0] >= len(key[1]):
                above.pop()
            above.append((len(key[1]), key[2]))
            name, column = ".".join(each for _, each in above), len(key[1])
            if said := re.search(r"\s#\s(.*)$", line[key.end() - 1 :]):
                found.setdefault(name, said[1].strip())
        elif name in found and (more := re.match(r"( +)#\s(.*)$", line)) and len(more[1]) > column + 4:
            found[name] += " " + more[2].strip()
    return found


def source_comments(section: type[BaseModel]) -> dict[str, str]:
    """Return what the source says beside each field of a section, or in comments on the lines above it."""
    found: dict[str, str] = {}
    for kind in reversed([each for each in section.__mro__ if issubclass(each, BaseModel) and each is not BaseModel]):
        before: list[str] = []
        for line in textwrap.dedent(inspect.getsource(kind)).splitlines():
            field = re.match(r"    (\w+): ", line)
            if field and (said := re.search(r"  # (?!type:|fmt:)(.*)$", line)):
                found[field[1]] = said[1]
            elif field and before:
                found[field[1]] = " ".join(before)
            above = re.match(r"    # (.*)$", line)
            before = [*before, above[1]] if above else []
    return found


def takes(node: Mapping[str, Any], every: Mapping[str, Any]) -> str:
    """Return what a JSON schema takes, in words."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return takes(every[name], every) if every[name].get("type") != "object" else "a section"
    if "enum" in node or "const" in node:
        return " \\| ".join(f"`{each}`" for each in node.get("enum", [node.get("const")]))
    if forms := node.get("anyOf") or node.get("oneOf"):
        said = [takes(each, every) for each in forms]
        return " \\| ".join(each for each in dict.fromkeys(said) if each not in ("`null`", f"list of {said[0]}")) + (
            ", or a list" if f"list of {said[0]}" in said else ""
        )
    kind = node.get("type", "")
    if kind == "array":
        parts = node.get("prefixItems")
        return f"{len(parts)} × {takes(parts[0], every)}" if parts else f"list of {takes(node.get('items', {}), every)}"
    if kind == "object":
        inner = node.get("additionalProperties")
        return (
            f"name: {'value' if 'anyOf' in inner else takes(inner, every)}" if isinstance(inner, dict) else "a section"
        )
    return f"{node.get('format') or _WORDS.get(kind, kind)}{bounds(node)}"


def bounds(node: Mapping[str, Any]) -> str:
    """Return the range of a number's schema."""
    low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum", node.get("exclusiveMaximum"))
    said = f" above {low}" if "exclusiveMinimum" in node else f" from {low}" if low is not None else ""
    return said + (f" below {high}" if "exclusiveMaximum" in node else f" to {high}" if high is not None else "")


def shown(value: Any) -> str:
    """Return a default as it would stand in the file."""
    if value is None or isinstance(value, bool):
        return f"`{'null' if value is None else str(value).lower()}`"
    if isinstance(value, BaseModel):
        return shown(value.model_dump(mode="json", exclude_defaults=True))
    if isinstance(value, list | tuple):
        return f"`[{', '.join(shown(each).strip('`') for each in value)}]`"
    if isinstance(value, dict):
        inner = ", ".join(f"{key}: {shown(each).strip('`')}" for key, each in value.items())
        return f"`{{{inner}}}`"
    return f"`{value:g}`" if isinstance(value, float) and abs(value) < 1e6 else f"`{value}`"


def section_of(field: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, one or several, or None."""
    pending = [field.annotation]
    while pending:
        kind = pending.pop(0)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        pending += get_args(kind)
    return None


def rows_of(
    section: type[BaseModel], prefix: str, said: Mapping[str, str], given: BaseModel | None = None
) -> list[tuple[str, ...]]:
    """Return a row for each key of a section and of the sections in it; `given` is what the shipped file says."""
    schema = section.model_json_schema(mode="validation")
    beside, rows = source_comments(section), []
    whole_file = {section_of(each): name for name, each in Settings.model_fields.items()}
    whole_file.pop(None)
    for name, field in section.model_fields.items():
        inner, value = section_of(field), field.get_default(call_default_factory=True)
        taken = takes(schema["properties"][name], schema.get("$defs", {}))
        if inner in whole_file and section is not Settings:
            taken, inner = taken.replace("a section", f"as [{whole_file[inner]}](#{whole_file[inner]})"), None
        if name == "refine":
            taken, inner = "[steps](#refine-step-by-step)", None
        within = isinstance(value, BaseModel) and inner is not None and section is not Settings  # its keys follow
        start = "**required**" if value is PydanticUndefined else "" if within else shown(value)
        ours = getattr(given, name, value)
        if ours != value and not within:
            start += f"; triplet.yaml {shown(ours)}"
        rows.append((f"`{prefix}{name}`", start, taken, plain(said.get(f"{prefix}{name}") or beside.get(name, ""))))
        if inner is not None and section is not Settings:
            rows += rows_of(inner, f"{prefix}{name}.", said, ours if isinstance(ours, BaseModel) else None)
    return rows


def steps() -> Iterator[type[BaseModel]]:
    """Yield the refine steps in the order in which they are done."""
    pending = [Settings.model_fields["refine"].annotation]
    while pending:
        kind = pending.pop(0)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not PluginStep:
            yield kind
        pending = [*get_args(kind), *pending]


def part(heading: str, section: type[BaseModel], rows: list[tuple[str, ...]]) -> str:
    """Return a section under its heading: its docstring and its rows."""
    about = "\n\n".join(plain(each) for each in inspect.cleandoc(section.__doc__ or "").split("\n\n"))
    return f"{heading}\n\n{about}\n\n{table(_HEAD, rows)}"


def settings_page() -> str:
    """Return the page of the settings."""
    said = comments("triplet")
    for section, file in OWN_FILES.items():
        said |= {key: each for key, each in comments(file).items() if key.startswith(f"{section}.")}
    given = load_settings(ROOT / "config" / "triplet.yaml")
    inner = {name: section_of(field) for name, field in Settings.model_fields.items() if name != "refine"}
    rows = rows_of(Settings, "", said, given)
    alone = [row for row in rows if inner.get(row[0].strip("`")) is None]
    parts = [f"# Settings\n\n{MADE}\n\n{_BEFORE.strip()}\n", f"## The whole file\n\n{table(_HEAD, alone)}"]
    for name, kind in inner.items():
        if kind is not None:
            parts.append(part(f"## {name}", kind, rows_of(kind, f"{name}.", said, getattr(given, name))))
    parts.append(f"## refine, step by step\n\n{_OF_STEPS.strip()}\n")
    for kind in dict.fromkeys(steps()):
        step = [row for row in rows_of(kind, "", {}) if row[0] != "`step`"]
        parts.append(part(f"### {kind.model_fields['step'].default}", kind, step))
    for form in ("compare", "competition"):
        parts.append(part(f"## config/{form}.yaml", FORMS[form], rows_of(FORMS[form], "", comments(form))))
    return "\n".join(each.rstrip() + "\n" for each in parts)


_BEFORE = """
A settings file holds what differs from the defaults below; [config/triplet.yaml](../../config/triplet.yaml) shows
every key, and is what commands read unless `--config` names another. `--set KEY=VALUE` overrides one value for a
single run, `facematch settings --config FILE` checks a file and prints every value, and a misspelt key is an error
that names the nearest one. Relative paths start at the folder in which the command is run. Editors that know the YAML
language server complete keys and check values by `config/*.schema.json`. Which files there are:
[Install](../guides/install.md#the-files-you-edit).
"""
_OF_STEPS = """
An entry of `refine:` is a step's name, or a mapping with `step:` and its values: `{step: query-expansion, n: 2}`. They
are done in the order in which they stand in the file. What each gains and when it hurts:
[refine steps](../refine.md).
"""
