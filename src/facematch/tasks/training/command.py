"""From folders of people to a run folder under checkpoints/; `train_start` has checked the settings by then."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from facematch.core.console import Stopwatch, info, progress, result, show_table, warn
from facematch.core.errors import FacematchError
from facematch.core.files import write_json
from facematch.core.foreign import read_json, reading
from facematch.core.kinds import GIVEN, find_kind, require_options
from facematch.core.text import interval_words, with_interval
from facematch.evaluation.tie_groups import task_ties
from facematch.evaluation.tied_figures import tied_figures
from facematch.evaluation.topk import Figures
from facematch.identities.values import person_digest, trained_among
from facematch.losses.by_name import require_loss
from facematch.networks.checkpoint import save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork, weights_digest
from facematch.networks.weights import Origin, initial_network, native_size, require_size
from facematch.pipeline.beside import show_trained
from facematch.pipeline.build import build_cropper, build_embedder, network_spec, photo_embedder, with_checkpoint
from facematch.pipeline.default_checkpoint import first_weights
from facematch.pipeline.evaluated import embed_named
from facematch.pipeline.people import ValidationPeople, training_and_validation
from facematch.pipeline.run_folder import RunFolder, lengthen, start_run
from facematch.pipeline.run_state import Progress, check_state, save_classes, stop_on_signals
from facematch.pipeline.trained import write_trained_photos
from facematch.settings.competition import load_form
from facematch.settings.root import Settings
from facematch.settings.training import LossSettings
from facematch.tasks.training.augment import build_augmentation
from facematch.tasks.training.crops import PhotoReader, training_crops
from facematch.tasks.training.data import TrainingSet
from facematch.tasks.training.loop import Callbacks, Trainer, TrainingResult
from facematch.tasks.training.objective import Objective, build_objective
from facematch.tasks.training.teachers import training_set
from facematch.tasks.training.validation import seen_crops, validation_of


def train(settings: Settings, folder: RunFolder, config: Path, again: str, *, resume: bool, fresh: bool) -> None:
    """Train as the settings say; leaves with 128 + signal when it was stopped by one. `again` is how to go on then."""
    watch = Stopwatch()
    augment = build_augmentation(settings.augment, settings.faces.size)
    _check_loss(settings.loss)
    if resume:
        check_state(folder, settings)
    photos = PhotoReader(settings)
    with watch.stage("reading and cropping"):
        people, validation = training_and_validation(settings, photos.digests)
    measured_on = "held-out photos" if validation.by_photo else "unseen people"
    weights = load_form(settings.server.form).weights
    network, origin = _first_network(settings, validation)
    with watch.stage("reading and cropping"):
        crops = training_crops(photos, people, "training photos" if validation.by_photo else "training people")
        validate = validation_of(photos, validation, crops, weights)
    data = training_set(settings, crops)
    objective = build_objective(
        settings.loss,
        settings.training,
        settings.margin,
        dimensions=network.dimensions,
        people=data.people,
        seed=settings.seed,
        taught=None if data.targets is None else data.targets.shape[1],
    )
    seen = seen_crops(photos, validation.seen, crops.people, objective)
    if resume:
        lengthen(folder, settings)
    else:
        start_run(folder, settings, fresh=fresh)
    _same_people(folder, data, crops.people, validation.queries.people, resume=resume)
    before = Path(origin.source).parent if origin.people else None
    digests = {file: photos.sha256[file] for file in people.files if file in photos.sha256}
    write_trained_photos(folder.path, digests, before)
    del photos, digests  # and with them the crops of test photos, whose turn is at the end
    again_seen = {person_digest(each) for each in people.people}.intersection(origin.people)
    known = tuple(sorted({*people.people, *origin.people} - again_seen))  # each once, by name where it is known
    save = _saver(settings, folder, known, origin, weights_digest(network), objective, crops.people)
    trainer = Trainer(
        network,
        objective,
        data,
        augment,
        folder,
        training=settings.training,
        freeze=settings.network.freeze,
        seed=settings.seed,
    )
    if resume and trainer.resume():
        info(f"resumed at epoch {trainer.at.epoch}, batch {trainer.at.batch}")
    else:
        info(f"before training: {measured_on}: {_short(validate(trainer.network))}")
    with watch.stage("training"), _progress(settings.training.epochs, trainer.at) as step, stop_on_signals() as stop:
        outcome = trainer.run(Callbacks(validate, save, info, step, measured_on, seen), stop)
    _conclude(folder, outcome, again, watch, measured_on)
    if outcome.best is not None and not validation.by_photo:
        show_trained(with_checkpoint(settings, folder.path), validation, config, weights)
    if validation.as_test is not None:
        _test(settings, validation.as_test, folder.path)


def _check_loss(loss: LossSettings) -> None:
    # Before any photo is read: is the loss known, and does every setting belong to it?
    if (kind := find_kind("losses", loss.name)) is None:
        require_loss(loss.name, loss.options)
    elif not kind.ours:
        require_options(kind, loss.options, GIVEN["losses"], "loss.options")
    if loss.idle:
        warn(f"{', '.join(f'loss.{key}' for key in loss.idle)}: not used by loss.name: {loss.name}")


def _first_network(settings: Settings, validation: ValidationPeople) -> tuple[EmbeddingNetwork, Origin]:
    require_size(settings.network.backbone, settings.faces.size)
    network, origin = initial_network(network_spec(settings), first_weights(settings), settings.seed)
    (warn if origin.warning else info)(origin.notice)
    _require_unseen(origin, validation)
    made_for = native_size(settings.network.backbone)
    if made_for is not None and made_for > 2 * settings.faces.size:
        info(
            f"{settings.network.backbone} is made for {made_for}×{made_for} pixels and faces.size is "
            f"{settings.faces.size}: it works, faster, on coarser features"
        )
    return network, origin


def _require_unseen(origin: Origin, validation: ValidationPeople) -> None:
    # First weights that were trained on people of the validation have seen them.
    if validation.by_photo:
        return
    others = {*validation.queries.people, *validation.distractors.people}
    if both := sorted(trained_among(others, origin.people)):
        raise FacematchError(
            f"{len(both)} people of the validation were in the training of {origin.source}, first {both[0]}.",
            "Use that run's identities and seed, which are in settings.yaml in its folder, or name other people with "
            "--set identities.validation=FOLDER: figures mean nothing on people the network has seen.",
        )


@contextmanager
def _progress(epochs: int, at: Progress) -> Iterator[Callable[[int, float, float], None]]:
    # In thousandths of an epoch, from where the run is.
    with progress("training", epochs * 1000, (at.epoch - 1) * 1000) as step:
        yield lambda epoch, share, loss: step(
            round((epoch - 1 + share) * 1000), f"epoch {epoch}/{epochs}, loss {loss:.2f}"
        )


def _saver(
    settings: Settings,
    folder: RunFolder,
    people: tuple[str, ...],
    origin: Origin,
    first_weights: str,
    objective: Objective,
    rows: tuple[str, ...],
) -> Callable[[str, EmbeddingNetwork, int, Figures | None], None]:
    # What writes a checkpoint, and beside it the weights that classify the training people.
    record = {**origin.record, "seed": settings.seed, "sha256": first_weights}
    crops, metric = build_cropper(settings.faces).fingerprint, settings.ranking.metric

    def save(name: str, network: EmbeddingNetwork, epoch: int, figures: Figures | None) -> None:
        path = folder.path / f"{name}.safetensors"
        trained = {"epoch": epoch, "validation": figures.as_dict() if figures else None}
        save_checkpoint(path, network, crops, origin=record, people=people, metric=metric, trained=trained)
        if objective.scorer is not None:
            save_classes(folder.path / f"{name}-classes.safetensors", objective, rows)

    return save


def _same_people(
    folder: RunFolder, data: TrainingSet, names: tuple[str, ...], unseen: tuple[str, ...], *, resume: bool
) -> None:
    # What was trained on is written down; a resumed run must see the very same photos.
    digest = hashlib.sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest()
    path = folder.path / "identities.json"
    if resume and path.is_file():
        with reading(path, "the run's people", "Start a new run with another name: --set name=NAME."):
            same = read_json(path, "the run's people")["sha256"] == digest
        if not same:
            raise FacematchError(
                f"the training photos are not those {folder.path} was started with.",
                "Bring back the same photos to resume, or start a new run with another name: --set name=NAME.",
            )
    write_json(path, {"training": list(names), "validation": list(unseen), "sha256": digest})


def _conclude(folder: RunFolder, outcome: TrainingResult, again: str, watch: Stopwatch, measured_on: str) -> None:
    info(f"seconds: {watch}")
    if outcome.stopped:
        info(f"stopped and saved. Go on with: {again}", wrap=False)
        raise SystemExit(128 + outcome.stopped)
    if outcome.best is not None:
        result(f"finished: {outcome.reason}. Best epoch {outcome.best_epoch}, {measured_on}: {_short(outcome.best)}")
    if outcome.seen is not None:
        photos = f"{outcome.seen.count} held-out photos of {outcome.seen.people} training people"
        result(f"{outcome.seen.name} at that epoch: {outcome.seen} ({photos})")
    result(f"weights, settings and log: {folder.path}")


def _short(figures: Figures) -> str:
    precision = figures.mean_average_precision
    return ("" if precision is None else f"mAP {precision:.3f}, ") + (
        f"top-1 {with_interval(figures.top1, figures.interval)}, top-5 {figures.top5:.3f}, "
        f"top-10 {figures.top10:.3f}, score {figures.score:.0f}"
    )


def _test(settings: Settings, test: ValidationPeople, run: Path) -> None:
    # The end of a training on classes: its best network ranks the training photos for every test photo. No choice of
    # the training has seen these, so this is the figure to report. mAP is given in every published definition, since
    # they differ; the first is over whole rankings.
    stage = photo_embedder(settings, build_embedder(with_checkpoint(settings, run)))
    task, embedded = test.task(), embed_named(stage, test.files, "test photos").embeddings
    here = task.among(embedded.names)
    figures = tied_figures(task_ties(here, embedded))
    write_json(run / "test.json", {"metric": stage.metric, "figures": [figure.as_dict() for figure in figures]})
    show_table(
        f"test: {len(here.queries):,} photos ask {len(here.gallery):,} training photos; distance {stage.metric}",
        ["figure, expected over the order of ties", "", "95 % interval"],
        [
            [each.name, "" if each.value is None else f"{each.value:.4f}", interval_words(each.interval, ".4f")]
            for each in figures
        ],
    )
    result(f"test figures: {run / 'test.json'}")
