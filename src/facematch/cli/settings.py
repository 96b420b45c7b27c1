"""`facematch settings`: what a settings file and `--set` come to, or the form of such a file for an editor."""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from facematch.core.console import result, show_json
from facematch.core.shipped import CONFIG, TRIPLET
from facematch.settings.file import load_section
from facematch.settings.schema import schema_of, section_of


def settings_command(config: Path | None, overrides: Sequence[str], of: str, *, schema: bool, as_json: bool) -> None:
    """Print every setting with its value, as YAML or JSON, or a JSON schema.

    Raises FacematchError for a mistake in the file, and for an unknown kind of file.
    """
    if schema:
        result(schema_text(of).rstrip())
        return
    section = section_of(of)
    chosen = config or (TRIPLET if of == "settings" else CONFIG / f"{of}.yaml")
    values = load_section(section, chosen, overrides, f"`facematch settings --schema --of {of}` shows every key.")
    # Of a comparison only what is set: a plain system has no `method`, not even null.
    kept = values.model_dump(mode="json", exclude_unset=of == "compare")
    if as_json:
        show_json(kept)
    else:
        result(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=120).rstrip())


def schema_text(of: str) -> str:
    """Return the JSON schema of a kind of settings file, as it lies in `config/`; raises as `schema_of`."""
    return json.dumps(schema_of(of), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
