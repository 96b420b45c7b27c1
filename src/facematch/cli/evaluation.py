"""The commands that measure what a system is worth, and when a match is none."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facematch.cli.program import NO_PATHS, NONE, Config, JsonOut, MaybeConfig, Sets, command
from facematch.core.files import RESULTS
from facematch.core.shipped import TRIPLET

app = typer.Typer()
Fixed = Annotated[Path | None, typer.Option(help="A fixed query folder instead of validation people.")]
FixedGallery = Annotated[Path | None, typer.Option(help="Its gallery folder.")]
Attributes = Annotated[
    Path | None, typer.Option(help="CSV with a row for each photo or person: figures for subgroups.")
]
Truth = Annotated[Path | None, typer.Option(help='Its ground truth: {"query": ["gallery", …]}.')]

Renderings = Annotated[
    bool,
    typer.Option(
        "--renderings", help="Ask the gallery drawn, painted and printed, too, a row for each way: docs/domains.md."
    ),
]


@command(app, "tasks.report.validate:validate_command")
def validate(
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    query: Fixed = None,
    gallery: FixedGallery = None,
    truth: Truth = None,
    renderings: Renderings = False,
    as_json: JsonOut = False,
) -> None:
    """Show the score to expect: retrieval of unseen people, beside grey pixels and the shipped network.

    Where another system does better on the same people, that is said with the setting that takes it.
    """


@command(app, "tasks.tuning.command:tune_command")
def tune(
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    goal: Annotated[
        Literal["score", "map"], typer.Option(help="What steps have to gain: the competition's score, or mAP.")
    ] = "score",
    as_json: JsonOut = False,
) -> None:
    """Try every refine step and threshold on validation people; keep what gains for `--set refine=tuned`."""


@command(app, "tasks.report.figures_command:figures_command")
def figures(
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    query: Fixed = None,
    gallery: FixedGallery = None,
    truth: Truth = None,
    attributes: Attributes = None,
    column: Annotated[list[str], typer.Option(help="A column of it; repeatable. Default: all.")] = NONE,
    against: Annotated[
        Path | None, typer.Option(help="Another YAML file: tests which figures differ on the same queries.")
    ] = None,
    as_json: JsonOut = False,
) -> None:
    """Print every figure with its interval: retrieval, precision and recall, verification, open set, subgroups."""


@command(app, "tasks.report.command:report_command")
def report(
    run: Annotated[Path | None, typer.Argument(help="A run's name, its folder, or default.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page to write.", show_default="report-NAME.html in results/")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="A YAML file instead of a run.")] = None,
    overrides: Sets = NONE,
    query: Fixed = None,
    gallery: FixedGallery = None,
    truth: Truth = None,
    attributes: Attributes = None,
    as_json: JsonOut = False,
) -> None:
    """Show an evaluation as one HTML file: figures, curves, the worst queries with their answers, a map."""


@command(app, "tasks.compare.command:compare_command")
def compare(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="YAML file that lists systems and what they are compared on.")
    ] = Path("config/compare.yaml"),
    overrides: Sets = NONE,
    page: Annotated[Path, typer.Option("--out", help="The page to write.")] = RESULTS / "compare.html",
    renderings: Renderings = False,
    models: Annotated[
        str | None, typer.Option(help="Published models as well: names with commas, or all that are here.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Rank and time again what is finished.")] = False,
    as_json: JsonOut = False,
) -> None:
    """Choose what to submit: every listed system on the same photos, what it reaches, what it takes, which is better.

    Prints tables and writes charts as one HTML file. What is finished is stored, so a stopped run goes on. With
    photos.across in the file photographs ask drawn or rendered pictures; --renderings is for where there are none.
    """


@command(app, "tasks.hashing.command:hash_report_command", name="hash-report")
def hash_report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Runs that learned to hash, by name or folder, e.g. CUB_32."),
    ] = NO_PATHS,
    on: Annotated[
        Literal["test", "validation"] | None,
        typer.Option(
            help="Which photos are queries.", show_default="the test where a run has one, else its validation"
        ),
    ] = None,
    references: Annotated[
        list[Path],
        typer.Option("--reference", help="A run without codes, shown beside them by its floats; repeatable."),
    ] = NO_PATHS,
    page: Annotated[Path, typer.Option("--out", help="The page to write.")] = RESULTS / "hash-report.html",
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Choose a code size: what the codes of each run find, what they lose to floats, what they cost.

    Prints a table and writes charts as one HTML file. Runs are compared where their photos are the same.
    """


@command(app, "tasks.protocols.verify:verify_command")
def verify(
    pairs: Annotated[Path, typer.Argument(help="Labelled pairs: CSV with a, b, same (and fold), or LFW's pairs.txt.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Where the photos' names start.", show_default="images/ beside the pairs, else their folder"),
    ] = None,
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Tell same from different people in labelled pairs of photos: accuracy over folds, AUC, EER, TAR@FAR."""


@command(app, "tasks.protocols.revisited_command:revisited_command")
def revisited(
    truth: Annotated[Path, typer.Argument(help="gnd_roxford5k.pkl or gnd_rparis6k.pkl as published, or as JSON.")],
    photos: Annotated[Path, typer.Argument(help="The data set's photos, queries and gallery in one folder.")],
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Score ROxford5k or RParis6k by its protocol: mAP and mP@k, easy, medium and hard."""


@command(app, "tasks.leaks.command:leaks_command")
def leaks(
    sets: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=FOLDER…",
            help="Folders to compare, e.g. train=A test=B.",
            show_default="the sets of the configuration",
        ),
    ] = NONE,
    config: MaybeConfig = None,
    overrides: Sets = NONE,
    people: Annotated[
        bool, typer.Option("--people", help="The first folder below each FOLDER is a person: compare their names too.")
    ] = False,
    page: Annotated[Path | None, typer.Option("--out", help="An HTML page to write: both sides of each pair.")] = None,
    as_json: JsonOut = False,
) -> None:
    """Find what is on both sides of a split: people are compared by name, photos by content.

    Exit code 1 when there is a leak, 2 for bad input, 0 when there is none.
    """


@command(app, "tasks.tuning.answer:answer_command")
def answer(
    config: Config = TRIPLET,
    overrides: Sets = NONE,
    kind: Annotated[
        str,
        typer.Option(
            "--threshold",
            help="How near is near enough: static, dynamic, dynamic-query, isotonic, platt, a plug-in's, all of which "
            "`tune` fits, or conformal.",
        ),
    ] = "static",
    false_accepts: Annotated[
        float, typer.Option(help="conformal: the promised rate of unknown people who are given a name.")
    ] = 0.05,
    probability: Annotated[
        float, typer.Option(help="isotonic, platt: accept from this probability of the same person on.")
    ] = 0.5,
    as_json: JsonOut = False,
) -> None:
    """Name whom of the gallery each query shows, or that it is nobody: every photo that is near enough, as CSV."""
