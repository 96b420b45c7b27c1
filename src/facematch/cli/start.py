"""The commands that somebody new begins with."""

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import Config, JsonOut

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to begin in.")] = Path(),
    json_: JsonOut = False,
) -> None:
    """Write the settings files for editing, folders for photos, and what to do next. Nothing is overwritten."""
    from facematch.cli.init import init_command

    init_command(folder, as_json=json_)


@app.command()
def demo(config: Config = Path("config/sample.yaml")) -> None:
    """Run the whole job once: sample data, training, validation, submission to a rehearsal server."""
    from facematch.cli.demo import demo_command

    demo_command(config)
