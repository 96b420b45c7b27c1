"""What a person sees: results on standard output, progress and notes on standard error."""

import json
import logging
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from facematch.core.text import count_of, first_of, printable


def warn_unread(unread: Sequence[str]) -> None:
    """Say which files of a folder could not be compared."""
    if unread:
        warn(f"{count_of(len(unread), 'file was', 'files were')} not read: {printable(first_of(unread))}")


# A pipe has no width, and cells that are wrapped could not be searched: a table takes there what its cells take.
out = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1000)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
_SECONDS_BETWEEN_LINES = 10.0  # of progress, where no bar can be drawn
_warnings = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


_unheard = ContextVar("unheard", default=False)


def _log(text: str, *values: object) -> None:
    logging.getLogger("facematch").info(text, *values)


@contextmanager
def unheard() -> Iterator[None]:
    """Print nothing meanwhile, in this thread: warnings become Python's, all other lines are logged as `facematch`."""
    token = _unheard.set(True)
    try:
        yield
    finally:
        _unheard.reset(token)


def be_quiet(quiet: bool = True) -> None:
    """Leave out notes and progress (`--quiet`); results, warnings and errors stay."""
    err.quiet = quiet


def result(text: str, style: str | None = None) -> None:
    """Print a line of result."""
    if _unheard.get():
        _log("%s", text)
        return
    out.print(text, style=style, markup=False)


def info(text: str, style: str | None = None, *, wrap: bool = True) -> None:
    """Print a line about the work on standard error; one with a style is a warning, which `--quiet` leaves.

    A terminal gets it in lines of whole words; without `wrap` as it is, such as a command to be copied.
    """
    if _unheard.get():
        if style is None:
            _log("%s", text)
        else:
            warnings.warn(text.removeprefix("! "), stacklevel=2)
        return
    console = _console(style)
    if wrap and console.is_terminal:  # Rich would break a path that is longer than a line
        fill = partial(textwrap.fill, width=console.width, break_long_words=False, break_on_hyphens=False)
        text = "\n".join(map(fill, text.split("\n")))
    console.print(text, style=style, markup=False)


@cache
def info_once(text: str) -> None:
    """Print a line on standard error, once in a command however often it comes."""
    info(text)


def warn(text: str) -> None:
    """Print a warning that must not be overlooked, on standard error."""
    info(f"! {text}", "bold yellow")


@cache
def warn_once(text: str) -> None:
    """Print a warning, once in a command however often it comes."""
    warn(text)


def show_error(message: str, hint: str = "") -> None:
    """Print an error and what to do about it, on standard error."""
    info(f"error: {message}", "bold red")
    if hint:
        info(hint, "none", wrap=False)


def _console(style: str | None) -> Console:
    # Progress bars are drawn on `err`, so that all goes there unless it is silent, and no bar is drawn.
    return _warnings if style is not None and err.quiet else err


def ask(question: str) -> bool:
    """Ask a person at a terminal; anything but yes, and nobody there, is no."""
    if not at_terminal():
        return False
    info(f"{question} [y/N]", "bold yellow")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def at_terminal() -> bool:
    """Return whether a person is there to read and to type."""
    return sys.stdin.isatty() and _is_drawn()


def _is_drawn() -> bool:
    # Whether bars and moving signs are seen.
    return err.is_terminal and not _unheard.get()


def show_json(value: Any) -> None:
    """Print a result as one JSON value on standard output, in ASCII: a name may hold half a character."""
    print(json.dumps(value, indent=2, allow_nan=False))


@contextmanager
def results_aside(aside: bool = True) -> Iterator[None]:
    """Print lines of result among the notes meanwhile, where standard output is for JSON."""
    out.stderr = aside
    try:
        yield
    finally:
        out.stderr = False


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all columns but the first are aligned to the right."""
    if _unheard.get():
        _log("%s: %s", title, [columns, *rows])
        return
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


class Step(Protocol):
    """Takes how much of the work is done, and perhaps `words` about its state."""

    def __call__(self, done: int, words: str = "") -> None: ...


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Step]:
    """Show how far work has come, `done` of it before, and the time left; yields a function that takes the number done.

    A bar on a terminal; elsewhere a line of words every ten seconds, so none where the work ends within them.
    """
    if not _is_drawn():
        yield _lines(what, total, done)
        return
    texts = [TextColumn(f"{{task.{name}}}", markup=False) for name in ("description", "fields[words]")]
    with Progress(
        texts[0], BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), texts[1], console=err, transient=True
    ) as bar:
        task = bar.add_task(what, total=total, completed=done, words="")

        def draw(done: int, words: str = "") -> None:
            bar.update(task, completed=done, words=words)

        yield draw


def _lines(what: str, total: int, before: int) -> Step:
    started = printed = time.monotonic()

    def step(done: int, words: str = "") -> None:
        nonlocal printed
        now = time.monotonic()
        if now - printed < _SECONDS_BETWEEN_LINES or done >= total:
            return
        printed = now
        left = (now - started) * (total - done) / (done - before) if done > before else None
        parts = [words, f"{done / total:.0%}", "" if left is None else f"about {_span(left)} left"]
        info(f"{what}: {', '.join(part for part in parts if part)}")

    return step


def _span(seconds: float) -> str:
    if seconds < 99:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99 * 60 else f"{seconds / 3600:.0f} h"


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is waited for, with a moving sign on a terminal and a plain line elsewhere."""
    if not _is_drawn():
        info(what)
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


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if not _unheard.get():
            info_once(record.getMessage())


_SHOWN = _Shown()


def show_messages() -> None:
    """Show what the library logs, each line once in a command, and warnings as one plain line without source code.

    What Pillow says is left out: it is harmless, or becomes the reason why a photo is not read.
    """
    logger = logging.getLogger("facematch")
    logger.setLevel(logging.INFO)
    logger.addHandler(_SHOWN)
    info_once.cache_clear()
    warn_once.cache_clear()
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=r"PIL\.")

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning) and not _unheard.get():
            info(f"note: {message}", "yellow")

    warnings.showwarning = show
