"""Where commands write when no place is named: a law over all of them."""

import subprocess
from pathlib import Path

import pytest

from every_command import commands

ROOT = Path(__file__).resolve().parents[2]
READ = ("config/", "data/")  # defaults that are read; `sample` makes data/


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
