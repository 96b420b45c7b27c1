"""Commands that are declared here and done elsewhere: names and types of the options are those of the function."""

import inspect
import types
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from every_command import commands

FORWARDED = {name: each.callback.runs for name, each in commands() if getattr(each.callback, "runs", "")}
DECLARED = dict(commands())


def kinds(annotation: Any) -> set[Any]:
    """The types that a value may have; lists are sequences, and any of a few words is a word."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return {kind for each in inner for kind in kinds(each)}
    if inner and all(isinstance(each, str) for each in inner):
        return {str}
    return {Sequence[inner[0]]} if origin in (list, Sequence) or origin is Sequence else {annotation}


@pytest.mark.parametrize("name", FORWARDED)
def test_a_command_declares_the_options_of_the_function_that_it_runs(name: str) -> None:
    module, _, function = FORWARDED[name].partition(":")
    works = getattr(import_module(f"facematch.{module}"), function)
    declared = get_type_hints(inspect.unwrap(DECLARED[name].callback))
    taken = get_type_hints(works)
    del declared["return"], taken["return"]
    inspect.signature(works).bind(**declared)
    for option, annotation in declared.items():
        assert kinds(annotation) <= kinds(taken[option]), option


def test_most_commands_are_declared_so() -> None:
    assert len(FORWARDED) > 30
    assert Path in kinds(Path | None)
