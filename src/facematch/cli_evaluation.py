"""The commands that tell what a system is worth, and when a match is none."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facematch.cli_options import TRIPLET, Config, JsonOut, Sets

app = typer.Typer()


@app.command(rich_help_panel="Evaluation")
def validate(
    config: Config = TRIPLET,
    set_: Sets = None,
    query: Annotated[Path | None, typer.Option(help="A fixed query folder instead of validation people.")] = None,
    gallery: Annotated[Path | None, typer.Option(help="Its gallery folder.")] = None,
    truth: Annotated[Path | None, typer.Option(help='Its ground truth: {"query": ["gallery", …]}.')] = None,
    json_: JsonOut = False,
) -> None:
    """Tell the score to expect: retrieval of unseen people, beside raw pixels and the untrained network."""
    from facematch.commands.validate import validate_command

    validate_command(config, set_ or [], query, gallery, truth, as_json=json_)


@app.command(rich_help_panel="Evaluation")
def tune(
    config: Config = TRIPLET,
    set_: Sets = None,
    goal: Annotated[
        Literal["score", "map"], typer.Option(help="What steps have to gain: the competition's score, or mAP.")
    ] = "score",
    json_: JsonOut = False,
) -> None:
    """Try every refine step and threshold on validation people; keep what gains for `--set refine=tuned`."""
    from facematch.commands.tune import tune_command

    tune_command(config, set_ or [], goal=goal, as_json=json_)


@app.command(rich_help_panel="Evaluation")
def verify(
    pairs: Annotated[Path, typer.Argument(help="Labelled pairs: CSV with a, b, same (and fold), or LFW's pairs.txt.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Where the photos' names start.", show_default="images/ beside the pairs, else their folder"),
    ] = None,
    config: Config = TRIPLET,
    set_: Sets = None,
    json_: JsonOut = False,
) -> None:
    """Tell same from different people in labelled pairs of photos: accuracy over folds, AUC, EER, TAR@FAR."""
    from facematch.commands.verify import verify_command

    verify_command(pairs, images, config, set_ or [], as_json=json_)


@app.command(rich_help_panel="The main job")
def answer(
    config: Config = TRIPLET,
    set_: Sets = None,
    threshold: Annotated[
        Literal["static", "dynamic", "dynamic-query", "isotonic", "platt", "conformal"],
        typer.Option(help="How near is near enough; all but conformal are fitted by `tune`."),
    ] = "static",
    false_accepts: Annotated[
        float, typer.Option(help="conformal: the promised rate of unknown people who are given a name.")
    ] = 0.05,
    probability: Annotated[
        float, typer.Option(min=0, max=1, help="isotonic, platt: accept from this probability of the same person on.")
    ] = 0.5,
    json_: JsonOut = False,
) -> None:
    """Tell whom of the gallery each query shows, or that it is nobody: every photo that is near enough, as CSV."""
    from facematch.commands.answer import answer_command

    answer_command(config, set_ or [], threshold, false_accepts=false_accepts, probability=probability, as_json=json_)
