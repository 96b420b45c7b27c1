"""Commands on pages are right: the command line takes them, and `--set` names settings with values they take."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from facematch.cli.app import app
from facematch.core.errors import FacematchError
from facematch.settings.compare import CompareSettings
from facematch.settings.file import load_section, load_settings
from page_commands import PAGES, ROOT, blocks, shown

EVERY: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
SCRIPTS = {"train.py": "train", "request_send.py": "request"}
EXAMPLES = ("embedder.kind=mean-colour", "embedder.kind=mine")  # of plug-ins that their pages install before
NAMED = {(str(page.relative_to(ROOT)), line) for page in PAGES for line in shown(page.read_text(encoding="utf-8"))}
COMMANDS = sorted({line: page for page, line in sorted(NAMED, reverse=True)}.items())


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the command that is meant and its options; raises what the command line raises for a wrong one."""
    first, *rest = words[1:]
    name = SCRIPTS.get(first, first)
    found, context = EVERY[name], None
    while rest and rest[0] in getattr(found, "commands", {}):
        context = found.make_context(name, [], parent=context, resilient_parsing=True)
        name, found, rest = f"{name} {rest[0]}", found.commands[rest[0]], rest[1:]
    return name, dict(found.make_context(name, rest, parent=context).params)


def complaint(line: str) -> str | None:
    """Return what is wrong with a command as it is typed, or None."""
    words = shlex.split(line)
    if words[1].startswith("--") or words[1] in ("COMMAND", "help"):
        return None
    if words[1] not in (*EVERY, *SCRIPTS):
        return f"{words[1]} is no command"
    try:
        name, options = parsed(words)
    except Exception as error:  # of the parser: Typer brings its own classes of it, or those of click
        if getattr(error, "format_message", None) is None:
            raise
        # A sentence names a command without all of its arguments: `facematch embed`.
        return None if type(error).__name__ == "MissingParameter" else error.format_message()
    if any(each in line for each in EXAMPLES):
        return None
    config = options.get("config")
    file = config if config is not None and (ROOT / config).is_file() else None
    try:
        if name == "compare":
            load_section(CompareSettings, ROOT / "config/compare.yaml", options.get("overrides") or (), "")
        else:
            load_settings(file and ROOT / file, options.get("overrides") or (), ensembles=True)
    except FacematchError as error:
        return str(error)
    return None if config is None or file is not None or config.stem.isupper() else f"there is no {config}"


def test_the_command_line_takes_what_pages_show() -> None:
    wrong = [f"{page}: {line}\n    {said}" for line, page in COMMANDS if (said := complaint(line)) is not None]
    assert not wrong, "\n".join(wrong)


def test_many_are_shown_and_a_wrong_one_is_found() -> None:
    assert len(COMMANDS) > 150
    assert "No such option" in (complaint("facematch crop A B --confg C") or "")
    assert "is no command" in (complaint("facematch corp A B") or "")
    assert "did you mean 'size'?" in (complaint("facematch validate --set faces.sizze=3") or "")
    assert "there is no" in (complaint("facematch validate --config config/tripelt.yaml") or "")
    assert list(shown("Say `facematch\nplugins`.\n\n    facematch crop A \\\n      B  # note\n")) == [
        "facematch crop A B",
        "facematch plugins",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_benchmarks_and_make_targets_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / name).is_file(), name
    targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    for block in blocks(text, "sh"):
        assert set(re.findall(r"(?m)^make (\w+)", block)) <= set(targets)
    assert set(re.findall(r"`make (\w+)`", text)) <= set(targets)
