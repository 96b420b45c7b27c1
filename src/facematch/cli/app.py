"""The command line. Each command is a few lines here; its work is in `facematch.tasks`.

Nothing heavy is imported before a command runs, so that help answers at once.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facematch import __version__
from facematch.cli import evaluation, images, start, submissions
from facematch.cli.options import (
    GALLERY,
    QUERY,
    Again,
    AsTheyAre,
    Config,
    GalleryFolder,
    JsonOut,
    QueryFolder,
    Quiet,
    Sets,
)
from facematch.cli.program import HELP, Program, arrange, run_program, silence
from facematch.core.errors import FacematchError
from facematch.core.files import RESULTS
from facematch.settings.file import TRIPLET

HASHING = "Learning to hash: short for settings of config/hashing.yaml"

app = typer.Typer(
    cls=Program,
    context_settings=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Match faces: crop, train, validate, rank a gallery for every query, submit ten names each.",
)


@app.command()
def train(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="YAML file with the settings.", show_default="config/triplet.yaml"),
    ] = None,
    set_: Sets = None,
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
    train_command(chosen, [*meant, *(set_ or [])], resume=resume, fresh=fresh)


@app.command()
def request(
    config: Config = TRIPLET,
    set_: Sets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop before the submission is sent.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the payload is written.")] = None,
    again: Again = False,
    no_expect: Annotated[bool, typer.Option("--no-expect", help="Do not compute the score to expect.")] = False,
    as_they_are: AsTheyAre = False,
    json_: JsonOut = False,
) -> None:
    """Rank the gallery for every query, check and keep the submission, send it, show the score."""
    from facematch.tasks.competition.request import Wishes, request_command

    wishes = Wishes(dry_run, out, again, not no_expect, as_they_are, json_)
    request_command(config, set_ or [], wishes)


@app.command()
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
    set_: Sets = None,
    half: Annotated[bool, typer.Option("--half", help="Half precision: half the size.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit integers: a quarter of the size, and faster.")] = False,
    calibrate: Annotated[
        Path | None, typer.Option(help="Photos whose crops tell int8 its ranges; a few hundred are used.")
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
    json_: JsonOut = False,
) -> None:
    """Write a trained network as an ONNX file that describes its own input, or as a checkpoint; checked."""
    from facematch.tasks.export.command import export_command

    if half and int8:
        raise FacematchError("--half and --int8 are two files: choose one.")
    precision: Literal["float32", "float16", "int8"] = "float16" if half else "int8" if int8 else "float32"
    export_command(
        checkpoint, out, config, set_ or [],
        precision=precision, calibrate=calibrate, measure=measure, force=force, with_people=with_people,
        as_json=json_,
    )  # fmt: skip


for each in (start.app, evaluation.app, submissions.app, images.app):
    app.registered_commands += each.registered_commands
    app.registered_groups += each.registered_groups


@app.command()
def crop(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, or one photo.")],
    out: Annotated[Path, typer.Argument(help="Folder for crops, crops.csv and contact sheets.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with `faces:`.")] = None,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Crop the faces of a folder; one CSV row for every file met, and contact sheets to look through."""
    from facematch.tasks.crop.crop import crop_command

    crop_command(photos, out, config, set_ or [], as_json=json_)


@app.command()
def embed(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, or one photo.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors, .npz, .csv or .parquet file to write.")],
    config: Config = TRIPLET,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Write the embeddings of a folder with names and fingerprint, for `rank` or for other programs."""
    from facematch.tasks.crop.embed import embed_command

    embed_command(photos, out, config, set_ or [], as_json=json_)


@app.command()
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
    json_: JsonOut = False,
) -> None:
    """Rank saved embeddings: prints CSV with query, rank, gallery photo and distance."""
    from facematch.tasks.crop.embed import rank_command

    rank_command(query, gallery, k, metric, index, as_json=json_)


@app.command()
def identities(config: Config = TRIPLET, set_: Sets = None, json_: JsonOut = False) -> None:
    """Check the labelled photos before a run and say what to mend."""
    from facematch.tasks.training.identities_command import identities_command

    identities_command(config, set_ or [], as_json=json_)


@app.command("augment-preview")
def augment_preview(
    out: Annotated[Path, typer.Argument(help="The PNG file to write.")] = RESULTS / "augment-preview.png",
    config: Config = TRIPLET,
    set_: Sets = None,
    count: Annotated[int, typer.Option(min=1, max=50, help="How many training photos to show.")] = 8,
    json_: JsonOut = False,
) -> None:
    """Write a picture of what training sees: crops, and blends of them, on the left, augmented variants beside them."""
    from facematch.tasks.training.identities_command import augment_preview_command

    augment_preview_command(out, config, set_ or [], count, as_json=json_)


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="Folder for the sample data.")] = Path("data"),
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 2026,
    json_: JsonOut = False,
) -> None:
    """Make photographs to rehearse with: 100 real faces, one photograph each, varied."""
    from facematch.tasks.sample.command import sample_command

    sample_command(out, seed, as_json=json_)


@app.command()
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
    from facematch.tasks.rehearsal.serve import serve_command

    serve_command(
        truth, host, port,
        mood=mood, seed=seed, group=group, query=query, gallery=gallery, store=store, rate=rate, form=form,
    )  # fmt: skip


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


def main_of(command: Literal["train", "request"]) -> None:
    """Run one command as a program of its own: `train.py` and `request_send.py`."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(context_settings=HELP)(train if command == "train" else request)
    arrange(single)
    run_program(single)
