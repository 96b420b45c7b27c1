"""Docstrings' examples (`>>>`) as blocks of code on the pages of the reference."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(?m)^(>>> .*(?:\n(?!\s*$).*)*)")


class Doctests(griffe.Extension):
    """Fences each paragraph that begins with `>>>`."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\1\n```", obj.docstring.value)
