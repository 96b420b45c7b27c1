"""How a page was made: the command that makes it again, when, and by which versions."""

import platform
import shlex
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from facematch import __version__


def how_made(
    words: Sequence[object],
    options: Sequence[tuple[str, object]],
    overrides: Sequence[str],
    packages: Sequence[str] = (),
) -> tuple[tuple[str, str], ...]:
    """Return a page's facts, each with its name: `facematch WORDS` with the options that are not None.

    `packages` that are not installed have no version.
    """
    given = [part for option, value in options if value is not None for part in (option, str(value))]
    sets = [part for each in without_server(overrides) for part in ("--set", each)]
    found = [f"facematch {__version__}", f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue  # an extra
    return (
        ("command", shlex.join(["facematch", *map(str, words), *given, *sets])),
        ("made", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")),
        ("versions", ", ".join(found)),
    )


def without_server(overrides: Sequence[str]) -> list[str]:
    """Return the overrides but for where submissions are sent: that is nobody's business who gets the page."""
    return [each for each in overrides if not each.strip().startswith(("server", "set.server"))]
