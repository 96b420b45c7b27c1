"""The commands for folders of photos: reverse image search, duplicates, UMAP."""

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.program import NONE, JsonOut, Sets, command
from facematch.core.errors import FacematchError
from facematch.core.files import RESULTS

app = typer.Typer()
ImageConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file such as config/images.yaml, which has the defaults.")
]
Photos = Annotated[Path, typer.Option("--in", help="Folder of photos to look in.")]
System = Annotated[
    str | None,
    typer.Option(
        help="pixels, phash, dhash, whash, network, onnx or clip; else the configuration's embedder.kind: pixels."
    ),
]


@command(app, "tasks.images.search:search_command")
def search(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="The images to look for.")],
    folder: Photos,
    k: Annotated[int, typer.Option("-k", min=1, help="How many photos for each image.")] = 10,
    system: System = None,
    turned: Annotated[
        bool, typer.Option("--turned/--no-turned", help="Try the image mirrored and turned by quarters as well.")
    ] = True,
    config: ImageConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
    page: Annotated[
        Path | None, typer.Option("--out", help="Write them to look through: a .html page or a .png.")
    ] = None,
) -> None:
    """Find the photos of a folder that are nearest to an image, mirrored and turned ones too."""


@command(app, "tasks.protocols.classes_command:classes_command")
def classes(
    database: Annotated[Path, typer.Argument(help="Photos to look in: a folder for each class.")],
    queries: Annotated[
        Path | None,
        typer.Argument(help="Photos that ask, likewise; else some of DATABASE's are drawn to ask the rest."),
    ] = None,
    system: System = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many photos each query retrieves.")] = 10,
    threshold: Annotated[
        float | None, typer.Option(help="Distance at which a photo is retrieved.", show_default="chosen on DATABASE")
    ] = None,
    query_count: Annotated[
        int | None, typer.Option(min=1, help="How many photos to draw as queries.", show_default="1 in 11")
    ] = None,
    database_count: Annotated[
        int | None, typer.Option(min=1, help="How many photos to draw as the database.", show_default="all others")
    ] = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Read features from the cache, and do not time them.")
    ] = False,
    config: ImageConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Measure precision and recall of each class of things, and the seconds of features, index and query.

    Precision is A/B and recall A/C, with A relevant and retrieved, B retrieved, C relevant. The query itself is never
    a hit. DATABASE twice: each photo asks all others. Refuses a network that was trained on a photo that asks, by its
    content.
    """


@command(app, "tasks.images.source:source_command")
def source(
    image: Annotated[Path, typer.Argument(help="The image whose origin is looked for.")],
    folder: Photos,
    config: ImageConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Find where an image comes from: every photo of a folder that shows it, at which size, the best copy first.

    Finds the same bytes, the same pixels and near-duplicates: resized, cropped, bordered, mirrored, turned by
    quarters, grey. Exit code 1 when there is none.
    """


@command(app, "tasks.robustness.command:robustness_command")
def robustness(
    path: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photos: each change is made on some of them.")],
    systems: Annotated[
        str,
        typer.Option(
            help="Names with commas: pixels, phash, dhash, whash, network, onnx, clip, near-duplicates. With +turns "
            "after its name a system also tries pictures mirrored and turned by quarters.",
            show_default="all but network, onnx, clip; phash twice",
        ),
    ] = "pixels,phash,phash+turns,dhash,whash,near-duplicates",
    changes: Annotated[
        str, typer.Option(help="Names with commas, for example jpeg-50,crop-10.", show_default="all")
    ] = "",
    photos: Annotated[int, typer.Option("--photos", min=1, help="How many photos are changed, at most.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Which photos are changed, and what noise they get.")] = 1,
    config: ImageConfig = None,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
    page: Annotated[Path | None, typer.Option("--html", help="Write the tables as one HTML page.")] = None,
) -> None:
    """Measure which method survives which change: JPEG, size, crop, turn, colour, border, text, on your own photos."""


umap = typer.Typer(no_args_is_help=True)
app.add_typer(umap, name="umap", help="Lay a folder out as a UMAP of grey pixels and query it.")
UmapPhotos = Annotated[Path, typer.Argument(metavar="PATH", help="Folder of photos.")]
UmapFolder = Annotated[Path, typer.Option("--model", metavar="DIR", help="Folder of the model.")]
UMAP_MODEL = RESULTS / "umap"
Components = Annotated[int, typer.Option(min=1, max=100, help="Dimensions of the embedding.")]
MinDist = Annotated[float, typer.Option(min=0, max=0.99, help="How near photos may lie in the embedding.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same embedding.")]
FixedK = Annotated[int, typer.Option("-k", min=1, help="Neighbours at which all n_neighbors are compared.")]
SIZES = "5,10,15,20,30,50,100"


def sizes_of(text: str) -> tuple[int, ...]:
    """Return n_neighbors from text such as `5,10,15`; `auto` are those that are tried by default."""
    parts = (SIZES if text == "auto" else text).split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise FacematchError(f"n_neighbors are numbers with commas between, or auto; found {text!r}.")
    return tuple(int(part) for part in parts)


@command(umap, name="tune")
def umap_tune(
    path: UmapPhotos,
    n_neighbors: Annotated[str, typer.Option(help="Those to try; each below half of the photos.")] = SIZES,
    components: Components = 8,
    k: FixedK = 10,
    min_dist: MinDist = 0.0,
    seed: Seed = 1,
    overrides: Sets = NONE,
    out: Annotated[Path, typer.Option(help="The .svg file for the plot.")] = RESULTS / "umap-tune.svg",
    as_json: JsonOut = False,
) -> None:
    """Find the n_neighbors whose UMAP is the most trustworthy; print and plot the scores."""
    from facematch.tasks.umap.command import umap_tune_command
    from facematch.tasks.umap.fit import UmapSettings

    fixed = UmapSettings(n_components=components, min_dist=min_dist, seed=seed)
    umap_tune_command(path, overrides, sizes=sizes_of(n_neighbors), fixed=fixed, k=k, plot=out, as_json=as_json)


@command(umap, name="fit")
def umap_fit(
    path: UmapPhotos,
    model: UmapFolder = UMAP_MODEL,
    n_neighbors: Annotated[str, typer.Option(help="A number; auto tries several and keeps the best.")] = "auto",
    components: Components = 8,
    k: FixedK = 10,
    min_dist: MinDist = 0.0,
    seed: Seed = 1,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Fit the photos of a folder and write the model: plain numbers, nothing that runs."""
    from facematch.tasks.umap.command import umap_fit_command
    from facematch.tasks.umap.fit import UmapSettings

    fixed = UmapSettings(n_components=components, min_dist=min_dist, seed=seed)
    umap_fit_command(path, model, overrides, sizes=sizes_of(n_neighbors), fixed=fixed, k=k, as_json=as_json)


@command(umap, "tasks.umap.command:umap_query_command", name="query")
def umap_query(
    image: Annotated[Path, typer.Argument(help="The image to look for.")],
    folder: UmapFolder = UMAP_MODEL,
    k: Annotated[int, typer.Option("-k", min=1, help="How many photos.")] = 10,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Print the photos nearest to an image in the embedding; an image that is there finds itself first."""


@command(umap, "tasks.umap.command:umap_update_command", name="update")
def umap_update(
    path: UmapPhotos,
    folder: UmapFolder = UMAP_MODEL,
    refit: Annotated[bool, typer.Option("--refit", help="Fit again, even where few photos changed.")] = False,
    overrides: Sets = NONE,
    as_json: JsonOut = False,
) -> None:
    """Place new photos, read changed ones again, forget deleted ones; fit again when more than 20 % changed."""


@command(umap, "tasks.umap.command:umap_info_command", name="info")
def umap_info(folder: UmapFolder = UMAP_MODEL, as_json: JsonOut = False) -> None:
    """Print what a model holds."""


@command(app, "tasks.images.duplicates_command:duplicates_command")
def duplicates(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Folders of photos, or photos.")],
    as_json: JsonOut = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: a row for each file of each group.")] = False,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write the groups as one HTML page to look through.")
    ] = None,
    config: ImageConfig = None,
    overrides: Sets = NONE,
) -> None:
    """Find copies: the same bytes, the same pixels, resized, cropped, mirrored, turned by quarters, in a border.

    The largest copy of each group is marked, with what the others take. Nothing is ever deleted.
    """
