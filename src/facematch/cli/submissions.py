"""The commands about submissions: made anywhere, checked, kept, sent, compared."""

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.program import (
    GALLERY,
    NONE,
    QUERY,
    Again,
    AnyConfig,
    AsTheyAre,
    GalleryFolder,
    JsonOut,
    QueryFolder,
    Quiet,
    Sets,
    command,
    silence,
)
from facematch.core.errors import USAGE, FacematchError
from facematch.core.files import RESULTS

app = typer.Typer()
listed = typer.Typer(invoke_without_command=True)
app.add_typer(listed, name="submissions")
_Payload = Annotated[Path, typer.Argument(help="The JSON text of a submission.")]
_Number = Annotated[int, typer.Argument(metavar="N", help="The submission's number.")]


@command(app, "tasks.competition.submit:check_command")
def check(
    file: _Payload,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    config: AnyConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Name every defect of a payload, ours or not; exit code 1 when it has one."""


@command(app, "tasks.competition.submit:submit_command")
def submit(
    file: _Payload,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    config: AnyConfig = None,
    overrides: Sets = NONE,
    again: Again = False,
    as_they_are: AsTheyAre = False,
    as_json: JsonOut = False,
) -> None:
    """Check, keep and send a payload that was made elsewhere."""


@command(app, "tasks.competition.submit:resend_command")
def resend(
    number: Annotated[int | None, typer.Argument(help="The submission's number.", show_default=False)] = None,
    pending: Annotated[bool, typer.Option("--pending", help="All that were to be sent and were not scored.")] = False,
    config: AnyConfig = None,
    overrides: Sets = NONE,
    again: Again = False,
    as_json: JsonOut = False,
) -> None:
    """Send a stored submission, to server.url (--set server.url=ADDRESS) or to where it was sent last."""


@listed.callback()
def submissions(
    context: typer.Context,
    config: AnyConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
    quiet: Quiet = False,
) -> None:
    """List the stored submissions with their scores, best first; `show` has all of one, `drop` forgets one."""
    from facematch.tasks.competition.submissions import submissions_command

    silence(quiet)
    if context.invoked_subcommand is None:
        submissions_command(config, overrides, as_json=as_json)
    elif config or overrides or as_json:
        raise FacematchError(
            f"options stand after {context.invoked_subcommand}.",
            f"For example: facematch submissions {context.invoked_subcommand} 1 --json",
            USAGE,
        )


@command(listed, "tasks.competition.submissions:show_command", name="show")
def show_submission(
    number: _Number, config: AnyConfig = None, overrides: Sets = NONE, as_json: JsonOut = False
) -> None:
    """Show all that is stored of a submission: the command, the system, the folders, every attempt."""


@command(listed, "tasks.competition.submissions:drop_command", name="drop")
def drop_submission(
    number: _Number, config: AnyConfig = None, overrides: Sets = NONE, as_json: JsonOut = False
) -> None:
    """Forget a submission that was not sent, or surely not scored."""


@command(app, "tasks.competition.submissions:rescore_command")
def rescore(
    truth: Annotated[Path, typer.Option("--truth", help='The ground truth: {"query": ["gallery", …]}.')],
    config: AnyConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Score all stored submissions against a ground truth."""


@command(app, "tasks.competition.submissions:diff_command")
def diff(
    first: Annotated[int, typer.Argument(help="A submission's number.")],
    second: Annotated[int, typer.Argument(help="Another's.")],
    page: Annotated[Path, typer.Option("--out", help="The HTML page to write.")] = RESULTS / "diff.html",
    config: AnyConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Show which queries two submissions answer differently, with thumbnails on an HTML page."""
