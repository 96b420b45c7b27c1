"""The commands about submissions: made anywhere, checked, kept, sent, compared."""

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import (
    GALLERY,
    QUERY,
    Again,
    AnyConfig,
    AsTheyAre,
    GalleryFolder,
    JsonOut,
    QueryFolder,
    Quiet,
    Sets,
)
from facematch.core.errors import USAGE, FacematchError
from facematch.core.files import RESULTS

app = typer.Typer()
listed = typer.Typer(invoke_without_command=True)
app.add_typer(listed, name="submissions")
_Payload = Annotated[Path, typer.Argument(help="The JSON text of a submission.")]
_Number = Annotated[int, typer.Argument(metavar="N", help="The submission's number.")]


@app.command()
def check(
    file: _Payload,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    config: AnyConfig = None,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Name every defect of a payload, ours or not; exit code 1 when it has one."""
    from facematch.tasks.competition.submit import check_command

    check_command(file, query, gallery, config, set_ or [], as_json=json_)


@app.command()
def submit(
    file: _Payload,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    config: AnyConfig = None,
    set_: Sets = None,
    again: Again = False,
    as_they_are: AsTheyAre = False,
    json_: JsonOut = False,
) -> None:
    """Check, keep and send a payload that was made elsewhere."""
    from facematch.tasks.competition.submit import submit_command

    submit_command(
        file, query, gallery, config, set_ or [], again=again, as_they_are=as_they_are, as_json=json_
    )  # fmt: skip


@app.command()
def resend(
    number: Annotated[int | None, typer.Argument(help="The submission's number.", show_default=False)] = None,
    pending: Annotated[bool, typer.Option("--pending", help="All that were to be sent and were not scored.")] = False,
    config: AnyConfig = None,
    set_: Sets = None,
    again: Again = False,
    json_: JsonOut = False,
) -> None:
    """Send a kept submission, to server.url (--set server.url=ADDRESS) or to where it was sent last."""
    from facematch.tasks.competition.submit import resend_command

    resend_command(number, config, set_ or [], pending=pending, again=again, as_json=json_)


@listed.callback()
def submissions(
    context: typer.Context, config: AnyConfig = None, set_: Sets = None, json_: JsonOut = False, quiet: Quiet = False
) -> None:
    """List the kept submissions with their scores, best first; `show` tells all of one, `drop` forgets one."""
    from facematch.cli.program import silence
    from facematch.tasks.competition.submissions import submissions_command

    silence(quiet)
    if context.invoked_subcommand is None:
        submissions_command(config, set_ or [], as_json=json_)
    elif config or set_ or json_:
        raise FacematchError(
            f"options stand after {context.invoked_subcommand}.",
            f"For example: facematch submissions {context.invoked_subcommand} 1 --json",
            USAGE,
        )


@listed.command("show")
def show_submission(number: _Number, config: AnyConfig = None, set_: Sets = None, json_: JsonOut = False) -> None:
    """Tell all that is kept of a submission: the command, the system, the folders, every attempt."""
    from facematch.tasks.competition.submissions import show_command

    show_command(number, config, set_ or [], as_json=json_)


@listed.command("drop")
def drop_submission(number: _Number, config: AnyConfig = None, set_: Sets = None, json_: JsonOut = False) -> None:
    """Forget a submission that was not sent, or surely not scored."""
    from facematch.tasks.competition.submissions import drop_command

    drop_command(number, config, set_ or [], as_json=json_)


@app.command()
def rescore(
    truth: Annotated[Path, typer.Option("--truth", help='The ground truth: {"query": ["gallery", …]}.')],
    config: AnyConfig = None,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Score all kept submissions against a ground truth."""
    from facematch.tasks.competition.submissions import rescore_command

    rescore_command(truth, config, set_ or [], as_json=json_)


@app.command()
def diff(
    first: Annotated[int, typer.Argument(help="A submission's number.")],
    second: Annotated[int, typer.Argument(help="Another's.")],
    out: Annotated[Path, typer.Option(help="The HTML page to write.")] = RESULTS / "diff.html",
    config: AnyConfig = None,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Show which queries two submissions answer differently, with thumbnails on an HTML page."""
    from facematch.tasks.competition.submissions import diff_command

    diff_command(first, second, out, config, set_ or [], as_json=json_)
