"""The command line. Each command is a few lines here; its work is in `facematch.tasks`.

Nothing heavy is imported before a command runs, so that help answers at once.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facematch import __version__
from facematch.cli import evaluation, images, models, start, submissions
from facematch.cli.program import (
    GALLERY,
    HELP,
    NONE,
    QUERY,
    Config,
    GalleryFolder,
    JsonOut,
    Program,
    QueryFolder,
    Quiet,
    Sets,
    arrange,
    command,
    run_program,
    silence,
)
from facematch.core.errors import FacematchError
from facematch.core.files import RESULTS
from facematch.core.shipped import TRIPLET

app = typer.Typer(
    cls=Program,
    context_settings=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Match faces: crop, train, validate, rank a gallery for every query, submit ten names each.",
)


@command(app)
def export(
    out: Annotated[Path, typer.Option(help="The .onnx or .safetensors file to write.")],
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            help="A run's name, its folder, a .safetensors file, or default.",
            show_default="the configuration's run",
        ),
    ] = None,
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    half: Annotated[bool, typer.Option("--half", help="Half precision: half the size.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit integers: a quarter of the size, and faster.")] = False,
    calibrate: Annotated[
        Path | None, typer.Option(help="Photos whose crops give int8 its ranges; a few hundred are used.")
    ] = None,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="People (a folder each) for the table of what half and int8 cost.",
            show_default="the validation people, with --half or --int8",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    with_people: Annotated[
        bool,
        typer.Option(
            "--with-people", help="Name the people it learned in the .onnx file; else it has digests of names."
        ),
    ] = False,
    as_json: JsonOut = False,
) -> None:
    """Write a trained network as an ONNX file that describes its own input, or as a checkpoint; checked."""
    from facematch.tasks.export.command import export_command

    if half and int8:
        raise FacematchError("--half and --int8 are two files: choose one.")
    precision: Literal["float32", "float16", "int8"] = "float16" if half else "int8" if int8 else "float32"
    export_command(
        checkpoint, out, config, overrides,
        precision=precision, calibrate=calibrate, measure=measure, force=force, with_people=with_people,
        as_json=as_json,
    )  # fmt: skip


for each in (start.app, evaluation.app, submissions.app, images.app, models.app):
    app.registered_commands += each.registered_commands
    app.registered_groups += each.registered_groups


@command(app, "tasks.crop.crop:crop_command")
def crop(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, or one photo.")],
    folder: Annotated[Path, typer.Argument(metavar="out", help="Folder for crops, crops.csv and contact sheets.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with `faces:`.")] = None,
    overrides: Sets = NONE,
    compare: Annotated[
        str | None, typer.Option(help="Detectors side by side instead, such as haar,yunet,haar+yunet: OUT/compare.png.")
    ] = None,
    as_json: JsonOut = False,
) -> None:
    """Crop the faces of a folder; one CSV row for every file met, and contact sheets to look through."""


@command(app, "tasks.crop.crop:embed_command")
def embed(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, or one photo.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors, .npz, .csv or .parquet file to write.")],
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Write the embeddings of a folder with names and fingerprint, for `rank` or for other programs."""


@command(app, "tasks.crop.crop:rank_command")
def rank(
    query: Annotated[Path, typer.Argument(help="Embeddings of the queries: .safetensors or .npz of `embed`.")],
    gallery: Annotated[Path, typer.Argument(help="Embeddings of the gallery.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many names for each query.")] = 10,
    metric: Annotated[
        str | None, typer.Option(help="euclidean, cosine, jaccard, manhattan; hamming for codes.")
    ] = None,
    index: Annotated[
        str, typer.Option(help="What finds the nearest: auto, exact, hnsw, ivf-pq; for codes multi-index-hashing.")
    ] = "auto",
    as_json: JsonOut = False,
) -> None:
    """Rank saved embeddings: prints CSV with query, rank, gallery photo and distance."""


@command(app, "tasks.training.start:identities_command")
def identities(config: Config = TRIPLET, overrides: Sets = NONE, as_json: JsonOut = False) -> None:
    """Check the labelled photos before a run and say what to mend."""


@command(app, "tasks.plugins.command:plugins_command")
def plugins(
    every: Annotated[bool, typer.Option("--all", help="facematch's own kinds as well.")] = False,
    as_json: JsonOut = False,
) -> None:
    """List what installed packages add: embedders, detectors, refine steps, thresholds and losses."""


@command(app, "tasks.training.start:augment_preview_command", name="augment-preview")
def augment_preview(
    out: Annotated[Path, typer.Argument(help="The PNG file to write.")] = RESULTS / "augment-preview.png",
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    count: Annotated[int, typer.Option(min=1, max=50, help="How many training photos to show.")] = 8,
    as_json: JsonOut = False,
) -> None:
    """Write a picture of what training sees: crops, and blends of them, on the left, augmented variants beside them."""


@command(app, "tasks.sample.write:sample_command")
def sample(
    out: Annotated[Path, typer.Option(help="Folder for the sample data.")] = Path("data"),
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 2026,
    as_json: JsonOut = False,
) -> None:
    """Make photographs to rehearse with: 100 real faces, one photograph each, varied."""


@command(app, "tasks.rehearsal.serve:serve_command")
def serve(
    truth: Annotated[
        Path,
        typer.Option(
            "--ground-truth",
            "--truth",
            help="Ground truth to score against.",
            show_default="ground_truth.json in data/rehearsal",
        ),
    ] = Path("data/rehearsal/ground_truth.json"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 takes a free one.")] = 8000,
    mood: Annotated[
        str,
        typer.Option(
            help="steady; slow: answers take seconds; flaky: errors, answers lost after scoring or cut short; "
            "down: 503 or a closed connection; html: a page with status 200."
        ),
    ] = "steady",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Same seed, same order of a mood's misbehaviour.")] = 1,
    group: Annotated[
        str | None, typer.Option(help="Your group: its missed queries are shown, to browsers on this machine.")
    ] = None,
    query: QueryFolder = QUERY,
    gallery: GalleryFolder = GALLERY,
    store: Annotated[
        Path | None, typer.Option(help="Where submissions are kept.", show_default="rehearsal-….sqlite in submissions")
    ] = None,
    rate: Annotated[float, typer.Option(min=1, metavar="N", help="Submissions a minute from one address.")] = 600,
    form: Annotated[
        Path | None, typer.Option(help="The competition's form.", show_default="config/competition.yaml")
    ] = None,
) -> None:
    """Run a competition server with a leaderboard to rehearse with; answers in every dialect. Ctrl-C stops it."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facematch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Match faces: crop, train, validate, rank a gallery for every query, submit ten names each."""
    silence(quiet)


arrange(app)


def main() -> None:
    """Run `facematch`."""
    run_program(app)
