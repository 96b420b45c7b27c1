"""`facematch validate`: the score to expect, beside what pixels and the untrained network reach."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from facematch.commands.people import ValidationPeople, validation_people
from facematch.console import Stopwatch, loud, note, out, show_table, working
from facematch.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.embedders import Embedder
from facematch.embedders.pixels import PixelEmbedder
from facematch.embeddings import Embeddings
from facematch.errors import FacematchError
from facematch.evaluation.topk import Figures, each_photo_a_query, fixed_queries
from facematch.faces.values import coverage_of
from facematch.flow import build_embedder, photo_embedder, trained_header
from facematch.networks.checkpoint import CheckpointHeader
from facematch.photos import PhotoFile, find_photos
from facematch.rehearsal.score import read_ground_truth
from facematch.settings import Settings
from facematch.settings_file import load_settings


def validate_command(
    config: Path,
    overrides: Sequence[str],
    query: Path | None,
    gallery: Path | None,
    truth: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print a table: grey pixels, the network before training, and the embedder in use."""
    settings = load_settings(config, overrides)
    fixed = [value for value in (query, gallery, truth) if value is not None]
    if fixed and len(fixed) != 3:
        raise FacematchError("a fixed validation needs all of --query, --gallery and --truth.")
    header = trained_header(settings) if settings.embedder.kind == "network" else None
    embedder = build_embedder(settings)
    people = None
    if not fixed:
        people = validation_people(settings, header.people if header is not None else ())
    watch, rows = Stopwatch(), {}
    for name, each in _systems(settings, header, embedder):
        stage = photo_embedder(settings, each)
        with watch.stage(name):
            if people is not None:
                rows[name] = validate_people(stage, people, name)
            else:
                assert query is not None
                assert gallery is not None
                assert truth is not None
                rows[name] = _validate_folders(stage, query, gallery, truth, name)
    if as_json:
        out.print_json(json.dumps({name: figures.as_dict() for name, figures in rows.items()}))
    else:
        show_figures(rows)
    note(f"seconds: {watch}")


def validate_people(stage: PhotoEmbedder, people: ValidationPeople, what: str) -> Figures:
    """Embed validation people and distractors; every photo of a person asked for is a query in turn."""
    embeddings, identities, asked = embed_people(stage, people, what)
    return each_photo_a_query(embeddings, identities, asked, embeddings.metric)  # type: ignore[arg-type]


def embed_people(stage: PhotoEmbedder, people: ValidationPeople, what: str) -> tuple[Embeddings, list[str], list[bool]]:
    """Return the embeddings of validation people and distractors, who each shows, and whether it is asked for."""
    files = [*_renamed(people.asked.files, "asked"), *_renamed(people.distractors.files, "distractors")]
    who = [*people.asked.identities, *(f"distractor {name}" for name in people.distractors.identities)]
    identities = dict(zip((file.name for file in files), who, strict=True))
    asked = {file.name for file in files[: len(people.asked.files)]}
    embedded = _run(stage, files, what)
    names = embedded.embeddings.names
    return embedded.embeddings, [identities[name] for name in names], [name in asked for name in names]


def show_figures(rows: dict[str, Figures]) -> None:
    """Print the table of figures by system."""
    first = next(iter(rows.values()))
    show_table(
        f"{first.queries} queries, {first.gallery} gallery photos; [95 % interval over people]",
        ["system", "top-1", "", "top-5", "top-10", "score of 1000"],
        [
            [
                name,
                f"{figures.top1:.3f}",
                "" if figures.interval is None else f"[{figures.interval[0]:.3f}–{figures.interval[1]:.3f}]",
                f"{figures.top5:.3f}",
                f"{figures.top10:.3f}",
                f"{figures.score:.0f}",
            ]
            for name, figures in rows.items()
        ],
    )


def _systems(settings: Settings, header: CheckpointHeader | None, embedder: Embedder) -> Iterator[tuple[str, Embedder]]:
    if settings.embedder.kind != "pixels":
        yield "grey pixels", PixelEmbedder()
    if header is not None:
        before = _before_training(header)
        if before is not None:
            yield "before training", before
    yield {"network": "trained", "onnx": "ONNX model", "pixels": "grey pixels"}[settings.embedder.kind], embedder


def _before_training(header: CheckpointHeader) -> Embedder | None:
    # The network as it was before its first step, built again from the same seed and weights.
    from facematch.embedders.network import ModuleEmbedder
    from facematch.networks.spec import spec_from_dict
    from facematch.networks.weights import initial_network, weights_digest

    origin = header.origin
    try:
        network, _ = initial_network(spec_from_dict(header.spec), origin["source"], origin["seed"])
    except FacematchError as error:
        loud(f"the network before training cannot be shown: {error.message}")
        return None
    if weights_digest(network) != origin["sha256"]:
        loud("the network before training cannot be shown: this version of torch starts from other random weights.")
        return None
    return ModuleEmbedder(network)


def _validate_folders(stage: PhotoEmbedder, query: Path, gallery: Path, truth: Path, what: str) -> Figures:
    expected = read_ground_truth(truth)
    sides = []
    for folder in (query, gallery):
        found = find_photos(folder)
        if not found.files:
            raise FacematchError(f"{folder} holds no photos.")
        sides.append(_run(stage, found.files, f"{what}, {folder.name}").embeddings)
    return fixed_queries(sides[0], sides[1], expected, sides[0].metric)  # type: ignore[arg-type]


def _run(stage: PhotoEmbedder, files: Sequence[PhotoFile], what: str) -> EmbeddedPhotos:
    with working(what, len(files)) as progress:
        embedded = stage.run(files, progress)
    note(f"{what}: {coverage_of(embedded.records)}")
    return embedded


def _renamed(files: Sequence[PhotoFile], folder: str) -> list[PhotoFile]:
    return [PhotoFile(f"{folder}/{file.name}", file.path) for file in files]
