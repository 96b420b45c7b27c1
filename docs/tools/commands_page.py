"""The reference page of the command line."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from cells import MADE, plain, table
from typer.main import get_command

from facematch.cli.app import app
from facematch.cli.program import PANELS
from facematch.core.errors import EXIT_CODES

SCRIPTS = {"train": "python train.py", "request": "python request_send.py"}
_WORDS = {Path: "PATH", str: "TEXT", int: "N", float: "NUMBER"}


def commands() -> Iterator[tuple[str, str, Any]]:
    """Yield the panel, the whole name and the command of each, in the order of the help."""
    there = get_command(app).commands  # type: ignore[attr-defined]
    for panel, names in PANELS.items():
        for name in names:
            inner = getattr(there[name], "commands", {})
            if not inner or there[name].invoke_without_command:
                yield panel, name, there[name]
            yield from ((panel, f"{name} {sub}", each) for sub, each in inner.items())


def parameter(each: Any, kind: Any) -> tuple[str, str, str]:
    """Return how an option or argument is typed, what it is for, and what it is without."""
    if each.param_type_name == "argument":
        typed = f"`{each.metavar or each.name.upper()}`"
    else:
        typed = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
        typed += "" if kind is bool else f" {each_value(each.metavar, kind)}"
    return typed, plain(each.help or ""), default(each)


def each_value(metavar: str | None, kind: Any) -> str:
    """Return what an option takes: the word it was given, the choices, or a word for its type."""
    if metavar is not None:
        return f"`{metavar}`"
    inner = [each for each in get_args(kind) if each is not type(None)]
    if inner and all(isinstance(each, str) for each in inner):
        return " \\| ".join(f"`{each}`" for each in inner)
    return each_value(None, inner[0]) if inner else f"`{_WORDS[kind]}`"


def default(each: Any) -> str:
    """Return what is taken where an option or argument is not given."""
    if each.required:
        return "**required**"
    if isinstance(each.show_default, str):
        return plain(each.show_default)
    value = each.default() if callable(each.default) else each.default
    if value in (None, False, "") or (isinstance(value, list | tuple) and not value) or each.show_default is False:
        return ""
    return "on" if value is True else f"`{value}`"


def usage(name: str, command: Any) -> str:
    """Return a line with the arguments of a command."""
    words = [
        (each.metavar or each.name.upper()) if each.required else f"[{each.metavar or each.name.upper()}]"
        for each in command.params
        if each.param_type_name == "argument"
    ]
    needed = [f"{each.opts[0]} …" for each in command.params if each.param_type_name == "option" and each.required]
    return " ".join([f"facematch {name}", *words, *needed, "[options]"])


def command_page() -> str:
    """Return the page of the command line."""
    parts = [f"# Command line\n\n{MADE}\n\n{_BEFORE.strip()}\n"]
    parts.append(table(("exit code", "means"), [(str(code), plain(said)) for code, said in EXIT_CODES.items()]))
    panel = ""
    for above, name, command in commands():
        if above != panel:
            panel = above
            rows = [
                (
                    f"[`{each}`](#facematch-{each.replace(' ', '-')})",
                    plain(inspect.cleandoc(one.help or "").split("\n")[0]),
                )
                for other, each, one in commands()
                if other == panel
            ]
            parts.append(f"## {panel}\n\n{table(('command', 'does'), rows)}")
        about = "\n\n".join(plain(each) for each in inspect.cleandoc(command.help or "").split("\n\n"))
        script = f"\nIn a clone the same as `{SCRIPTS[name]}`.\n" if name in SCRIPTS else ""
        kinds = get_type_hints(inspect.unwrap(command.callback))
        rows = [parameter(each, kinds[each.name]) for each in command.params if each.name not in ("help", "quiet")]
        parts.append(f"### facematch {name}\n\n{about}\n{script}\n    {usage(name, command)}\n")
        parts.append(table(("option or argument", "what for", "default"), rows))
    return "\n".join(each for each in parts if each)


_BEFORE = """
`facematch COMMAND -h` prints the same. Every command takes `-h`, `-q` (results, warnings and errors only) and, where it
prints a result, `--json`: the result goes to standard output, notes and warnings to standard error. `--set` may be
repeated; its keys are those of [the settings](settings.md). Pages and pictures go to `results/` where no place is
named.
`python -m facematch` is `facematch`; `facematch --install-completion` completes commands in the shell, and
`facematch --version` tells the version.
"""
