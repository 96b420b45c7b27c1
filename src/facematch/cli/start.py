"""The commands that somebody new begins with, and those that are programs of their own.

Nothing heavy is imported before a command runs, so that help answers at once.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facematch.cli.program import (
    HELP,
    NONE,
    Again,
    AsTheyAre,
    Command,
    Config,
    JsonOut,
    MaybeConfig,
    Sets,
    command,
    run_program,
)
from facematch.core.shipped import TRIPLET

HASHING = "Learning to hash: short for settings of config/hashing.yaml"

app = typer.Typer()


@command(app)
def train(
    config: MaybeConfig = None,
    overrides: Sets = NONE,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped run, bit for bit; longer by --set training.epochs=N.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an earlier run of this name aside.")] = False,
    exp_name: Annotated[str | None, typer.Option("--exp_name", help="The run's name.", rich_help_panel=HASHING)] = None,
    code_size: Annotated[int | None, typer.Option("--code_size", help="Bits.", rich_help_panel=HASHING)] = None,
    triplet_margin: Annotated[
        float | None, typer.Option("--triplet_margin", help="Margin.", rich_help_panel=HASHING)
    ] = None,
    dataset_name: Annotated[
        str | None,
        typer.Option(
            "--dataset_name",
            help="CUB_200_2011, Stanford_Dogs, or a folder of classes under data/.",
            rich_help_panel=HASHING,
        ),
    ] = None,
) -> None:
    """Train the network on folders of people; the best checkpoint is chosen on people it never saw."""
    from facematch.tasks.training.start import hashing_overrides, train_command

    meant = hashing_overrides(exp_name, code_size, triplet_margin, dataset_name)
    chosen = config or (Path("config/hashing.yaml") if meant else TRIPLET)
    train_command(chosen, [*meant, *overrides], resume=resume, fresh=fresh)


@command(app, "tasks.competition.request:request_command")
def request(
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop before the submission is sent.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the payload is written.")] = None,
    again: Again = False,
    no_expect: Annotated[bool, typer.Option("--no-expect", help="Do not compute the score to expect.")] = False,
    as_they_are: AsTheyAre = False,
    as_json: JsonOut = False,
) -> None:
    """Rank the gallery for every query, check and keep the submission, send it, show the score."""


@command(app, "cli.init:init_command")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to begin in.")] = Path(),
    as_json: JsonOut = False,
) -> None:
    """Write the settings files for editing, folders for photos, and what to do next. Nothing is overwritten."""


@command(app, "cli.settings:settings_command")
def settings(
    config: MaybeConfig = None,
    overrides: Sets = NONE,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the file's JSON schema, which editors complete and check by.")
    ] = False,
    of: Annotated[
        str, typer.Option(metavar="KIND", help="Which kind of file: settings, compare, competition.")
    ] = "settings",
    as_json: JsonOut = False,
) -> None:
    """Check a settings file and print every setting with its value, or the form of such a file."""


@command(app, "cli.demo:demo_command")
def demo(config: Config = Path("config/sample.yaml")) -> None:
    """Run the whole job once: sample data, training, validation, submission to a rehearsal server."""


def main_of(name: Literal["train", "request"]) -> None:
    """Run one command as a program of its own: `train.py` and `request_send.py`."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(cls=Command, context_settings=HELP)(train if name == "train" else request)
    run_program(single)
