"""What a person sees: results on standard output, progress and notes on standard error."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

# A pipe has no width, and cells wrapped at 80 letters could not be searched.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False, soft_wrap=True)
_warnings = Console(stderr=True, highlight=False, soft_wrap=True)


def be_quiet(quiet: bool = True) -> None:
    """Leave out notes and progress (`--quiet`); results, warnings and errors stay."""
    err.quiet = quiet


def say(text: str, style: str | None = None) -> None:
    """Print a line of result."""
    out.print(text, style=style, markup=False)


def note(text: str, style: str | None = None) -> None:
    """Print a line about the work on standard error; one with a style is a warning, which `--quiet` leaves."""
    _console(style).print(text, style=style, markup=False)


def loud(text: str) -> None:
    """Print a warning that must not be overlooked, on standard error."""
    note(f"! {text}", "bold yellow")


def say_error(message: str, hint: str = "") -> None:
    """Print an error and what to do about it, on standard error."""
    note(f"error: {message}", "bold red")
    if hint:
        note(hint, "none")


def _console(style: str | None) -> Console:
    # Progress bars are drawn on `err`, so that all goes there unless it is silent, and no bar is drawn.
    return _warnings if style is not None and err.quiet else err


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all columns but the first are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@contextmanager
def working(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress with the time left; yields a function that takes the number done.

    Nothing is drawn when standard error is not a terminal, so logs stay clean.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is waited for, with a moving sign on a terminal and a plain line elsewhere."""
    if not err.is_terminal:
        note(what)
        yield
        return
    with err.status(what):
        yield


class Stopwatch:
    """Seconds of each stage, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time the block takes to a stage."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())


def warnings_as_notes() -> None:
    """Show warnings as one plain line instead of file names and source code."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning):
            note(f"note: {message}", "yellow")

    warnings.showwarning = show
