"""Tables of the reference pages."""

import re
from collections.abc import Sequence
from pathlib import Path

MADE = "<!-- Made from the code by `python docs/tools/reference.py`: change it there. -->"
ROOT = Path(__file__).resolve().parents[2]
_FILE = re.compile(r"\b(?:docs|config|checkpoints)/[\w/.-]+\.(?:md|yaml)\b")


def plain(text: str) -> str:
    """Return text for a cell of a table: on one line, with links to files, nothing else of it read as Markdown."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    for at in range(0, len(parts), 2):
        shown = re.sub(r"([*|])", r"\\\1", parts[at].replace("&", "&amp;").replace("<", "&lt;"))
        parts[at] = _FILE.sub(_linked, re.sub(r"\bNone\b", "null", shown))
    return "".join(parts)


def _linked(name: re.Match[str]) -> str:
    if not (ROOT / name[0]).is_file():
        return name[0]
    place = f"../{name[0].removeprefix('docs/')}" if name[0].startswith("docs/") else f"../../{name[0]}"
    return f"[{name[0]}]({place})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, or nothing where it has no rows."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n" if rows else ""
