"""The commands about published models: listed, shown, fetched on their terms, checked."""

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.program import NONE, JsonOut, MaybeConfig, Sets, command

app = typer.Typer()
group = typer.Typer(no_args_is_help=True)
app.add_typer(group, name="models", help="Published models by name: list, fetch on their terms, check.")
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name; `facematch models list` has all.")]


@command(group, "tasks.models.command:list_command", name="list")
def list_models(as_json: JsonOut = False) -> None:
    """List the models: kind, size, terms, a published figure, whether it is here."""


@command(group, "tasks.models.command:show_command", name="show")
def show_model(name: _Name, as_json: JsonOut = False) -> None:
    """Show all that is known of a model: origin, terms, input, figures with their sources."""


@command(group, "tasks.models.command:pull_command", name="pull")
def pull_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="The models to fetch.")],
    config: MaybeConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Fetch models whose terms are in models.terms (free unless --set models.terms=[free,research]); checked."""


@command(group, "tasks.models.command:check_command", name="check")
def check_models(as_json: JsonOut = False) -> None:
    """Compare the SHA-256 of every model that is here; exit code 1 where one differs."""


@command(group, "tasks.models.command:path_command", name="path")
def path_of_model(name: _Name, as_json: JsonOut = False) -> None:
    """Print where a model's file lies, or where to put it by hand."""


@command(app, "tasks.export.push:push_command")
def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's name or its folder.")],
    address: Annotated[str, typer.Argument(metavar="hf://OWNER/REPOSITORY", help="Where it is published.")],
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="The weights' licence: mit, apache-2.0, cc-by-nc-4.0, other …")
    ],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Add a commit to a repository that is there.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write what would go to results/push, and send nothing.")
    ] = False,
    as_json: JsonOut = False,
) -> None:
    """Publish a run on Hugging Face: weights, settings and a card, without people's names and without paths."""
