"""The one exception that reaches a user: what was found, what was expected, what to do; and every exit code."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

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
    or change that mends it. The command line prints both and leaves with `exit_code`.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known name closest to `name`, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def typed(command: str, folder: Path = Path()) -> str:
    """Return how a command is typed in a folder: in a clone `python train.py` and `python request_send.py`."""
    script = {"train": "train.py", "request": "request_send.py"}.get(command, "")
    return f"python {script}" if (folder / script).is_file() else f"facematch {command}"
