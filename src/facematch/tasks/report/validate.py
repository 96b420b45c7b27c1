"""`facematch validate`: the score to expect, beside what pixels, the shipped and the untrained network reach."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from facematch.core.console import Stopwatch, info, show_json, warn
from facematch.core.errors import FacematchError
from facematch.networks.checkpoint import CheckpointHeader
from facematch.pipeline.beside import (
    Contestant,
    Standing,
    in_use,
    rivals,
    say_where_worse,
    show_standings,
    stand,
)
from facematch.pipeline.build import trained_header, trained_people
from facematch.pipeline.default_checkpoint import is_default, settings_in_use
from facematch.pipeline.evaluated import fixed_folders, folder_photos, task_photos
from facematch.pipeline.people import enough_people, validation_photos
from facematch.refine.chain import needs_folds
from facematch.settings.competition import load_form
from facematch.settings.root import Settings
from facematch.tasks.report.renderings import show_renderings


def validate_command(
    config: Path,
    overrides: Sequence[str],
    query: Path | None,
    gallery: Path | None,
    truth: Path | None,
    renderings: bool,
    *,
    as_json: bool,
) -> None:
    """Print a table: what has to be beaten, the network before training where it was trained here, what is in use.

    Query folder, gallery folder and ground truth stand in place of validation people. With `renderings` their gallery
    is drawn, painted and printed, one after the other.
    """
    fixed = fixed_folders(query, gallery, truth)
    settings = settings_in_use(config, overrides)
    header = trained_header(settings) if settings.embedder.kind == "network" else None
    ours = in_use(settings)
    in_folds = needs_folds(ours[-1].steps)
    if fixed is None:
        people = validation_photos(settings, trained_people(settings))
        if renderings:
            people, _ = enough_people(people, 0, settings.seed)
        photos = task_photos(people, in_folds=in_folds)
    else:
        photos = folder_photos(settings, fixed)
    weights = load_form(settings.server.form).weights
    watch, others = Stopwatch(), rivals(settings)
    if renderings:
        show_renderings(settings, photos, [*others, *ours], weights, as_json=as_json)
        return
    standings: list[Standing] = []
    for each in [*others, *_before_training(settings, header), *ours]:
        with watch.stage(each.name):
            standings.append(stand(each, photos, weights))
    if as_json:
        show_json(_as_json(standings, others))
    else:
        show_standings(standings)
        if fixed is None and in_folds:
            info("each photo asks once, in folds: a refined gallery must not hold the photo that asks")
    say_where_worse(standings[-1], _those(standings, others), config)
    info(f"seconds: {watch}")


def _those(standings: Sequence[Standing], which: Sequence[Contestant]) -> list[Standing]:
    names = {each.name for each in which}
    return [each for each in standings if each.name in names]


def _as_json(standings: Sequence[Standing], others: Sequence[Contestant]) -> dict[str, dict[str, object]]:
    # By system; the one in use also tells how far it is above those it has to beat.
    found = {each.name: each.figures.as_dict() for each in standings}
    for each in standings:
        if each.flattered:
            found[each.name]["people_trained_on"] = each.seen
    against = {each.name: standings[-1].against(each) for each in _those(standings, others)}
    shown = {name: None if each is None else each.as_dict() for name, each in against.items()}
    found[standings[-1].name]["against"] = shown
    return found


def _before_training(settings: Settings, header: CheckpointHeader | None) -> Iterator[Contestant]:
    # The network as it was before its first step, built again from the same seed and weights.
    from facematch.embedders.network import ModuleEmbedder
    from facematch.networks.embedding import weights_digest
    from facematch.networks.weights import initial_network

    if header is None or is_default(settings):
        return
    origin = header.origin
    try:
        network, _ = initial_network(header.spec, origin["source"], origin["seed"])
    except FacematchError as error:
        warn(f"the network before training cannot be shown: {error.message}")
        return
    if weights_digest(network) != origin["sha256"]:
        warn("the network before training cannot be shown: this version of torch starts from other random weights.")
        return
    yield Contestant("before training", settings, ModuleEmbedder(network))
