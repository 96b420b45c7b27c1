"""What commands write where no place is named, and what they print for programs: a law over all commands."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from facematch.cli import app

ROOT = Path(__file__).resolve().parents[1]
READ = ("config/", "data/")  # defaults that are read; `sample` makes data/


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name, those of groups as `umap fit`."""
    for name, each in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(each, "commands", None)
        yield from ((f"{name} {sub}", command) for sub, command in inner.items()) if inner else [(name, each)]


def paths() -> list[tuple[str, str]]:
    found = []
    for name, command in commands():
        for param in command.params:
            if isinstance(param.default, Path):
                found.append((f"{name} {param.opts[0]}", str(param.default)))
    return found


@pytest.mark.parametrize(("option", "default"), paths())
def test_nothing_is_written_outside_of_folders_that_git_ignores(option: str, default: str) -> None:
    assert default.startswith((*READ, "results/")) or option in ("sample --out", "init folder")  # that is their work


def test_git_ignores_results() -> None:
    done = subprocess.run(["git", "check-ignore", "results/compare.html", "submissions/x"], cwd=ROOT, check=False)
    assert done.returncode == 0 or not (ROOT / ".git").exists()
