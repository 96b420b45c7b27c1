"""Options that several commands share, and their defaults."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file with the settings.")]
Sets = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting, e.g. server.url=http://…; repeatable."),
]
JsonOut = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Again = Annotated[
    bool, typer.Option("--again", help="Send it even where the same answers were scored, or may have been.")
]
AsTheyAre = Annotated[
    bool, typer.Option("--as-they-are", help="Go on where query and gallery look swapped, or more queries than photos.")
]
AnyConfig = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with `paths:` and `server:`.")]
QueryFolder = Annotated[Path, typer.Option(help="Folder of query photos.")]
GalleryFolder = Annotated[Path, typer.Option(help="Folder of gallery photos.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No notes and no progress: results, warnings and errors only.")
]
NONE: list[str] = []  # of an option that may be repeated
NO_PATHS: list[Path] = []
QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")
