"""The commands of `facematch`, for laws over all of them."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from facematch.cli.app import app


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name, those of groups as `umap fit`."""
    for name, each in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(each, "commands", {})
        if not inner or each.invoke_without_command:
            yield name, each
        yield from ((f"{name} {sub}", command) for sub, command in inner.items())
