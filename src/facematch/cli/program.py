"""What all commands share: options and their defaults, help, `--quiet`, what ends a command and with which code."""

import inspect
import io
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from facematch.core.errors import EXIT_CODES, INTERRUPTED, FacematchError

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file with the settings.")]
Sets = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting, e.g. server.url=http://…; repeatable."),
]
JsonOut = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Again = Annotated[
    bool, typer.Option("--again", help="Send it even where the same answers were scored, or may have been.")
]
AsTheyAre = Annotated[
    bool, typer.Option("--as-they-are", help="Go on where query and gallery look swapped, or more queries than photos.")
]
MaybeConfig = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with the settings.", show_default="config/triplet.yaml"),
]
AnyConfig = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with `paths:` and `server:`.")]
QueryFolder = Annotated[Path, typer.Option(help="Folder of query photos.")]
GalleryFolder = Annotated[Path, typer.Option(help="Folder of gallery photos.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No notes and no progress: results, warnings and errors only.")
]
NONE: list[str] = []  # of an option that may be repeated
NO_PATHS: list[Path] = []
QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")

HELP = {"help_option_names": ["-h", "--help"]}
# The order of the help, by panel: first what a newcomer needs, in the order it is needed.
PANELS = {
    "The main job": ("init", "identities", "crop", "train", "validate", "tune", "request", "answer", "settings"),
    "Submissions": ("submissions", "resend", "check", "submit", "diff", "rescore"),
    "Evaluation": ("figures", "report", "compare", "verify", "leaks", "hash-report", "revisited"),
    "Rehearsal": ("demo", "sample", "serve"),
    "Networks and embeddings": ("models", "export", "push", "embed", "rank", "augment-preview", "plugins"),
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
 facematch COMMAND -h has more.
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


class Command(TyperCommand):
    """A command that says so when Ctrl-C ends it: Typer's does not."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        from facematch.core.console import info

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            info("stopped; nothing is half written", "yellow")
            raise SystemExit(INTERRUPTED) from None


def command(
    app: typer.Typer, runs: str = "", name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command to `app`, with `--quiet` after its own options and a word on Ctrl-C.

    `runs` names the function that works, such as `tasks.crop.crop:crop_command`. It is imported when the command runs,
    and takes the options by the names they are declared with; without it the declared function itself is run.
    """

    def add(declared: Callable[..., None]) -> Callable[..., None]:
        @wraps(declared)
        def run(*given: Any, quiet: bool, **options: Any) -> None:
            silence(quiet)
            module, _, function = runs.partition(":")
            works = getattr(import_module(f"facematch.{module}"), function) if runs else declared
            works(*given, **options)

        signature = inspect.signature(declared)
        last = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), last])  # type: ignore[attr-defined]
        run.__annotations__ = {**declared.__annotations__, "quiet": Quiet}
        run.runs = runs  # type: ignore[attr-defined]
        app.command(name, cls=Command)(run)
        return run

    return add


def arrange(app: typer.Typer) -> None:
    """Give every command and group of the program its panel in the help."""
    named: dict[str, Any] = {str(group.name): group for group in app.registered_groups}
    named |= {each.name or str(getattr(each.callback, "__name__", "")): each for each in app.registered_commands}
    for name, each in named.items():
        each.rich_help_panel = _panels().get(name)


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
    except (FacematchError, ModuleNotFoundError) as error:
        from facematch.core.extras import missing

        told = error if isinstance(error, FacematchError) else missing(error)
        if told is None:
            raise
        show_error(told.message, told.hint)
        sys.exit(told.exit_code)


def silence(quiet: bool) -> None:
    """Leave out notes and progress where `--quiet` was given, before the command or after it."""
    if quiet:
        from facematch.core.console import be_quiet

        be_quiet()


def _panels() -> dict[str, str]:
    return {name: panel for panel, names in PANELS.items() for name in names}
