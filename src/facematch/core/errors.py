"""The one exception that reaches a user: what was found, what was expected, what to do; and every exit code."""

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from unicodedata import category

FAILED, USAGE, UNKNOWN, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "done",
        FAILED: "an error and its remedy; check: a defect; leaks: a leak; source: no copy",
        USAGE: "a wrong command line; leaks, source: bad input",
        UNKNOWN: "sent, and the answer was lost: it may have been scored",
        INTERRUPTED: "stopped by Ctrl-C: nothing is half written; training resumes",
        TERMINATED: "stopped by SIGTERM, likewise",
    }
)


class FacematchError(Exception):
    """An error the user can mend.

    `message` names the file or setting, what was found and what was expected; `hint` is the command
    or change that mends it. The command line prints both and leaves with `exit_code`. Names and values from files are
    in them as they are: here they are cut to what a screen shows, and what a terminal would obey is escaped.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = FAILED) -> None:
        self.message = _for_a_screen(message, 1400)
        self.hint = _for_a_screen(hint, 550)
        super().__init__(self.message)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class SettingsError(FacematchError):
    """A settings file or an override that cannot be understood, or holds what does not go together."""


class MissingError(FacematchError):
    """A file or a folder that is not there."""


class DamagedError(FacematchError):
    """A file that is damaged, of another kind, or that the system does not let be read."""


class MismatchError(FacematchError):
    """Embeddings, networks or crops that were made in different ways, so that they cannot be compared."""


def _for_a_screen(text: str, limit: int) -> str:
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(each if is_plain(each) else repr(each)[1:-1] for each in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def is_plain(letter: str) -> bool:
    """Return whether a terminal shows a character, or ends a line with it, and does nothing else; any space is one."""
    return letter.isprintable() or letter == "\n" or category(letter) == "Zs"


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known name closest to `name`, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def typed(command: str, folder: Path = Path()) -> str:
    """Return how a command is typed in a folder: in a clone `python train.py` and `python request_send.py`."""
    script = {"train": "train.py", "request": "request_send.py"}.get(command, "")
    return f"python {script}" if (folder / script).is_file() else f"facematch {command}"


@contextmanager
def silenced() -> Iterator[None]:
    """Leave out what libraries log and warn of meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
