"""`facematch validate`: the score to expect, beside what pixels and the untrained network reach."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from facematch.commands.evaluated import EmbeddedPeople, embed_files, embed_people, photos_of, rank_people
from facematch.commands.people import validation_photos
from facematch.console import Stopwatch, loud, note, out, show_table
from facematch.default_checkpoint import is_default, settings_in_use
from facematch.embed import PhotoEmbedder
from facematch.embedders import Embedder
from facematch.embedders.pixels import PixelEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.topk import KS, Figures, each_photo_a_query, judged_figures, ranked_queries
from facematch.flow import build_embedder, photo_embedder, trained_header, trained_people
from facematch.flow_refine import build_ranker, gallery_people, refine_steps, with_views
from facematch.networks.checkpoint import CheckpointHeader
from facematch.ranking import Metric
from facematch.refine.chain import Ranker, needs_folds
from facematch.rehearsal.score import read_ground_truth
from facematch.settings import Settings
from facematch.settings_refine import Step


def validate_command(
    config: Path,
    overrides: Sequence[str],
    fixed: tuple[Path, Path, Path] | None,
    *,
    as_json: bool,
) -> None:
    """Print a table: grey pixels, the network before training where it was trained here, and the embedder in use.

    `fixed` are query folder, gallery folder and ground truth, in place of validation people.
    """
    settings = settings_in_use(config, overrides)
    header = trained_header(settings) if settings.embedder.kind == "network" else None
    embedder = build_embedder(settings)
    steps = refine_steps(settings, embedder)
    people = None
    if fixed is None:
        people = validation_photos(settings, trained_people(settings))
    watch, rows = Stopwatch(), {}
    for name, each, refined in _systems(settings, header, embedder, steps):
        stage = photo_embedder(settings, with_views(settings, each, refined))
        rank = build_ranker(settings, refined)
        with watch.stage(name):
            if people is not None:
                rows[name] = _validate_people(embed_people(stage, people, name), rank, in_folds=needs_folds(steps))
            else:
                assert fixed is not None
                rows[name] = _validate_folders(stage, fixed, name, rank, gallery_people(refined, fixed[1]))
    if as_json:
        out.print_json(json.dumps({name: figures.as_dict() for name, figures in rows.items()}))
    else:
        show_figures(rows)
        if people is not None and needs_folds(steps):
            note("each photo asks once, in folds: a refined gallery must not hold the photo that asks")
    note(f"seconds: {watch}")


def _validate_people(people: EmbeddedPeople, rank: Ranker, *, in_folds: bool) -> Figures:
    if not in_folds and people.fixed_sides is None:  # the same figures, from ten places of each ranking
        metric: Metric = people.embeddings.metric  # type: ignore[assignment]
        return each_photo_a_query(people.embeddings, people.identities, people.asked, metric)
    return judged_figures(rank_people(people, rank, in_folds=in_folds).judged)


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


def _systems(
    settings: Settings, header: CheckpointHeader | None, embedder: Embedder, steps: tuple[Step, ...]
) -> Iterator[tuple[str, Embedder, tuple[Step, ...]]]:
    if settings.embedder.kind != "pixels":
        yield "grey pixels", PixelEmbedder(), ()
    shipped = is_default(settings)
    if header is not None and not shipped:
        before = _before_training(header)
        if before is not None:
            yield "before training", before, ()
    kind = settings.embedder.kind
    name = {"network": "shipped" if shipped else "trained", "onnx": "ONNX model", "pixels": "grey pixels"}.get(
        kind, kind
    )
    yield name, embedder, ()
    if steps:
        yield f"{name} + {', '.join(step.step for step in steps)}", embedder, steps


def _before_training(header: CheckpointHeader) -> Embedder | None:
    # The network as it was before its first step, built again from the same seed and weights.
    from facematch.embedders.network import ModuleEmbedder
    from facematch.networks.weights import initial_network, weights_digest

    origin = header.origin
    try:
        network, _ = initial_network(header.spec, origin["source"], origin["seed"])
    except FacematchError as error:
        loud(f"the network before training cannot be shown: {error.message}")
        return None
    if weights_digest(network) != origin["sha256"]:
        loud("the network before training cannot be shown: this version of torch starts from other random weights.")
        return None
    return ModuleEmbedder(network)


def _validate_folders(
    stage: PhotoEmbedder,
    fixed: tuple[Path, Path, Path],
    what: str,
    rank: Ranker,
    known: Mapping[str, str] | None,
) -> Figures:
    expected = read_ground_truth(fixed[2])
    sides = [embed_files(stage, photos_of(each).files, f"{what}, {each.name}").embeddings for each in fixed[:2]]
    return ranked_queries(rank(sides[0], sides[1], max(KS), known), expected)
