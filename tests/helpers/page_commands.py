"""The commands that pages show: in blocks of shell, in indented blocks, and in backticks within a sentence."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / "docs/reference/commands.md"  # from the command line itself
PAGES = [ROOT / "README.md", ROOT / "checkpoints/default/README.md", *sorted({*(ROOT / "docs").rglob("*.md")} - {MADE})]
OURS = ("facematch ", "python train.py", "python request_send.py")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str, *languages: str) -> list[str]:
    """Return the fenced blocks of a page in these languages."""
    return [body for language, body in _BLOCK.findall(text) if language in languages]


def lines_of(block: str) -> list[str]:
    """Return a block's lines, those that end in a backslash joined with the next."""
    return re.sub(r" *\\\n *", " ", block).splitlines()


def shown(text: str) -> Iterator[str]:
    """Yield every command of ours on a page, as it is typed, without what follows a `#`."""
    indented = re.sub(r"(?m)^(?! {4}|\t).*$", "", _BLOCK.sub("", text))
    in_blocks = [line.strip() for block in (*blocks(text, "sh"), indented) for line in lines_of(block)]
    in_sentences = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", _BLOCK.sub("", text))]
    for line in (*in_blocks, *in_sentences):
        if line.startswith(OURS) and (words := words_of(line)):
            yield shlex.join(words)


def words_of(line: str) -> list[str]:
    """Return the words of a typed line up to a `#` or `>`; a `…` stands for further words, or for an option's value."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quotation that the sentence does not end
        return []
    words = words[: words.index(">")] if ">" in words else words
    before = ["", *words]
    return [word for at, word in enumerate(words) if word != "…" or before[at].startswith("--")]
