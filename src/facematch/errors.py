"""The one exception that reaches a user: what was found, what was expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class FacematchError(Exception):
    """An error the user can mend.

    `message` names the file or setting, what was found and what was expected; `hint` is the command
    or change that mends it. The command line prints both and leaves with `exit_code`.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
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
