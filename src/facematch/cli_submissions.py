"""The commands about submissions: made anywhere, checked, kept, sent, compared."""

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli_options import GALLERY, QUERY, Again, AnyConfig, GalleryFolder, JsonOut, QueryFolder, Sets
from facematch.files import RESULTS

app = typer.Typer()
_Payload = Annotated[Path, typer.Argument(help="The JSON text of a submission.")]


@app.command()
def check(
    file: _Payload,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    config: AnyConfig = None,
    set_: Sets = None,
) -> None:
    """Name every defect of a payload, ours or not; exit code 1 when it has one."""
    from facematch.commands.submit import check_command

    check_command(file, query, gallery, config, set_ or [])


@app.command()
def submit(
    file: _Payload,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    config: AnyConfig = None,
    set_: Sets = None,
    again: Again = False,
) -> None:
    """Check, keep and send a payload that was made elsewhere."""
    from facematch.commands.submit import submit_command

    submit_command(file, query, gallery, config, set_ or [], again=again)


@app.command()
def resend(
    number: Annotated[int | None, typer.Argument(help="The submission's number.", show_default=False)] = None,
    pending: Annotated[bool, typer.Option("--pending", help="All that were to be sent and were not scored.")] = False,
    config: AnyConfig = None,
    set_: Sets = None,
    again: Again = False,
) -> None:
    """Send a kept submission, to server.url or to where it was sent last."""
    from facematch.commands.submit import resend_command

    resend_command(number, config, set_ or [], pending=pending, again=again)


@app.command()
def submissions(config: AnyConfig = None, set_: Sets = None, json_: JsonOut = False) -> None:
    """List the kept submissions with their scores, best first."""
    from facematch.commands.submissions import submissions_command

    submissions_command(config, set_ or [], as_json=json_)


@app.command()
def rescore(
    truth: Annotated[Path, typer.Option("--truth", help='The ground truth: {"query": ["gallery", …]}.')],
    config: AnyConfig = None,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Score all kept submissions against a ground truth."""
    from facematch.commands.submissions import rescore_command

    rescore_command(truth, config, set_ or [], as_json=json_)


@app.command()
def diff(
    first: Annotated[int, typer.Argument(help="A submission's number.")],
    second: Annotated[int, typer.Argument(help="Another's.")],
    out: Annotated[Path, typer.Option(help="The HTML page to write.")] = RESULTS / "diff.html",
    config: AnyConfig = None,
    set_: Sets = None,
) -> None:
    """Show which queries two submissions answer differently, with thumbnails on an HTML page."""
    from facematch.commands.submissions import diff_command

    diff_command(first, second, out, config, set_ or [])
