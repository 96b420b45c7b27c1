"""How the command line behaves as a whole: its help, `--quiet` for every command, what ends it and with which code."""

import inspect
import io
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from facematch.cli.options import Quiet
from facematch.core.errors import EXIT_CODES, INTERRUPTED, FacematchError

HELP = {"help_option_names": ["-h", "--help"]}
# The order of the help, by panel: first what a newcomer needs, in the order it is needed.
PANELS = {
    "The main job": ("init", "identities", "crop", "train", "validate", "tune", "request", "answer"),
    "Submissions": ("submissions", "resend", "check", "submit", "diff", "rescore"),
    "Evaluation": ("figures", "report", "compare", "verify", "leaks", "hash-report", "revisited"),
    "Rehearsal": ("demo", "sample", "serve"),
    "Networks and embeddings": ("export", "embed", "rank", "augment-preview"),
    "Folders of photos": ("search", "source", "duplicates", "classes", "robustness", "umap"),
}
_FIRST = """\
 To begin with, in an empty folder or a clone:

   facematch init                           settings to edit, what to do
   facematch crop data/faces results/crops  which faces are found
   facematch train                          learn from data/faces/PERSON/*.jpg
   facematch validate                       the score to expect, on others
   facematch request --dry-run              everything but the post

 With nothing trained, the network that comes with facematch is used.
 facematch COMMAND -h tells more.
"""


class Program(TyperGroup):
    """The commands of `facematch` in their order, with the first ones to try and the exit codes below them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        names = list(_panels())
        return sorted(super().list_commands(ctx), key=lambda name: names.index(name) if name in names else len(names))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before a command; `facematch help COMMAND` is `facematch COMMAND --help`."""
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        super().format_help(ctx, formatter)
        codes = "\n   ".join(f"{code:<3}  {meaning}" for code, meaning in EXIT_CODES.items())
        typer.echo(f"{_FIRST}\n Exit codes:\n\n   {codes}\n")


class _Command(TyperCommand):
    # Typer ends a command on Ctrl-C without a word.
    def invoke(self, ctx: Any) -> Any:
        from facematch.core.console import info

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            info("stopped; nothing is half written", "yellow")
            raise SystemExit(INTERRUPTED) from None


def arrange(app: typer.Typer, panels: Mapping[str, str] | None = None) -> None:
    """Give every command its panel in the help, `--quiet`, and a word on Ctrl-C."""
    panels = _panels() if panels is None else panels
    for each in app.registered_commands:
        each.cls, each.callback = _Command, None if each.callback is None else with_quiet(each.callback)
        each.rich_help_panel = panels.get(each.name or str(getattr(each.callback, "__name__", "")))
    for group in app.registered_groups:
        group.rich_help_panel = panels.get(str(group.name))
        assert group.typer_instance is not None
        arrange(group.typer_instance, {})


def run_program(program: typer.Typer) -> None:
    """Run a program; an error ends it with what to do about it and with its exit code."""
    from facematch.core.console import be_quiet, show_error, show_messages

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may hold half a character, or one that the terminal lacks
            stream.reconfigure(errors="backslashreplace")
    show_messages()
    be_quiet(False)
    # Completion is for the command `facematch`, though it be asked of `python -m facematch`.
    completing = any(each.endswith("-completion") for each in sys.argv[1:2])
    try:
        program(prog_name="facematch" if completing else None)
    except FacematchError as error:
        show_error(error.message, error.hint)
        sys.exit(error.exit_code)


def with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes `--quiet` as well, after its own options."""

    @wraps(command)
    def run(*given: Any, quiet: bool, **options: Any) -> None:
        silence(quiet)
        command(*given, **options)

    signature = inspect.signature(command)
    last = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), last])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "quiet": Quiet}
    return run


def silence(quiet: bool) -> None:
    """Leave out notes and progress where `--quiet` was given, before the command or after it."""
    if quiet:
        from facematch.core.console import be_quiet

        be_quiet()


def _panels() -> dict[str, str]:
    return {name: panel for panel, names in PANELS.items() for name in names}
