"""The settings files' forms as JSON schema, which editors complete and check by.

A schema takes what the readers take: numbers for names, numbers that YAML reads as text (`1e-3`), `yes` and `no` as
YAML 1.2 reads them, short forms. What only a reader can tell – which settings go together – it does not.
"""

from collections.abc import Mapping
from typing import Any

from facematch.core.errors import FacematchError, nearest_name
from facematch.settings.compare import CompareSettings
from facematch.settings.competition import CompetitionForm
from facematch.settings.root import Settings
from facematch.settings.section import Section

FORMS: Mapping[str, type[Section]] = {
    "settings": Settings,
    "compare": CompareSettings,
    "competition": CompetitionForm,
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXTS = {
    "number-as-text": r"^\s*[+-]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$",
    "yes-or-no": r"^([yY]([eE][sS])?|[nN][oO]?|[oO]([nN]|[fF][fF])|[tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|0|1)$",
}
_BESIDE = ("title", "description", "default")  # what is said of a value, and holds for each of its forms
_AS_TEXT = {"integer": "number-as-text", "number": "number-as-text", "boolean": "yes-or-no"}


def section_of(form: str) -> type[Section]:
    """Return the values of a kind of settings file; raises FacematchError for an unknown one."""
    if form not in FORMS:
        raise FacematchError(f"--of {form} is not known{nearest_name(form, FORMS)}.", f"Known are {', '.join(FORMS)}.")
    return FORMS[form]


def schema_of(form: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a kind of settings file; raises FacematchError for an unknown one."""
    schema: dict[str, Any] = _as_read(section_of(form).model_json_schema(mode="validation"))
    schema["$defs"] = schema.get("$defs", {}) | {
        name: {"type": "string", "pattern": pattern} for name, pattern in _TEXTS.items()
    }
    return {"$schema": _DIALECT, **schema, "title": f"facematch: {form}"}


def _as_read(node: Any) -> Any:
    # A schema of values as they are kept, made one of values as they are read.
    if isinstance(node, list):
        return [_as_read(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: each if key in ("default", "enum", "const") else _as_read(each) for key, each in node.items()}
    kind = node.get("type")
    if kind == "string" and not {"enum", "const", "format"} & set(node):
        return node | {"type": ["string", "number"]}
    if isinstance(kind, str) and kind in _AS_TEXT:
        beside = {key: each for key, each in node.items() if key in _BESIDE}
        plain = {key: each for key, each in node.items() if key not in _BESIDE}
        forms = [plain, {"$ref": f"#/$defs/{_AS_TEXT[kind]}"}] + [{"enum": [0, 1]}] * (kind == "boolean")
        return {"anyOf": forms, **beside}
    return node
