"""`python train.py --config …`: from folders of people to a run folder under checkpoints/."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.augment import FACE_DEFAULT, build_augmentation
from facematch.cache import cache_folder
from facematch.commands.final_test import ask_test_set
from facematch.commands.people import ValidationPeople, training_and_validation
from facematch.commands.train_validation import HeldOutPhotos, UnseenPeople
from facematch.console import Stopwatch, loud, note, say, working
from facematch.errors import FacematchError
from facematch.evaluation.topk import Figures
from facematch.faces.stream import crop_cache, crop_photos
from facematch.faces.values import Crop, coverage_of, record_of
from facematch.files import read_json, write_json
from facematch.flow import build_cropper, network_spec, photo_limits, run_folder
from facematch.identities import LabelledPhotos
from facematch.identities.published import PUBLISHED
from facematch.networks.checkpoint import save_checkpoint
from facematch.networks.embedding import EmbeddingNetwork
from facematch.networks.weights import initial_network, weights_digest
from facematch.settings import MissChoice, Settings
from facematch.settings_file import load_settings
from facematch.training.loop import Trainer
from facematch.training.run_folder import RunFolder, check_run, start_run
from facematch.training.stopping import stop_on_signals
from facematch.training.values import Callbacks, TrainingResult, TrainingSet


def train_command(config: Path, overrides: Sequence[str], *, resume: bool, fresh: bool) -> None:
    """Train as the settings say; leaves with 128 + signal when it was stopped by one."""
    settings = load_settings(config, overrides)
    folder, watch = RunFolder(run_folder(settings)), Stopwatch()
    if resume and folder.finished.is_file():
        say(f"{folder.path} is finished: {read_json(folder.finished, 'the run')['reason']}")
        return
    augment = build_augmentation(
        settings.augment if settings.augment is not None else FACE_DEFAULT, settings.faces.size
    )
    check_run(folder, settings, resume=resume, fresh=fresh)
    with watch.stage("reading labels"):
        people, validation = training_and_validation(settings)
    asked = "held-out photos" if validation.by_photo else "unseen people"
    with watch.stage("cropping"):
        data, names = _training_set(settings, people, "training photos" if validation.by_photo else "training people")
        validate = _validation(settings, validation, data, names)
    spec = network_spec(settings)
    network, origin = initial_network(spec, settings.network.weights, settings.seed)
    (loud if origin.loud else note)(origin.notice)
    if not resume:
        start_run(folder, settings)
    _same_people(folder, data, names, validation.asked.people, resume=resume)
    record = {**asdict(origin), "seed": settings.seed, "sha256": weights_digest(network)}
    trainer = Trainer(
        network,
        data,
        augment,
        folder,
        loss=settings.loss,
        margin=settings.margin,
        training=settings.training,
        freeze=settings.network.freeze,
        seed=settings.seed,
    )
    if resume and trainer.resume():
        note(f"resumed at epoch {trainer.at.epoch}, batch {trainer.at.batch}")
    else:
        note(f"before training: {asked}: {_short(validate(trainer.network))}")
    with (
        watch.stage("training"),
        working("training", settings.training.epochs * 1000) as progress,
        stop_on_signals() as stop,
    ):
        save = partial(_save, settings, folder, tuple(people.people), record)
        callbacks = Callbacks(
            validate, save, note, lambda epoch, share: progress(round((epoch - 1 + share) * 1000)), asked
        )
        result = trainer.run(callbacks, stop)
    _conclude(folder, result, config, watch, asked)
    if validation.as_test is not None:
        ask_test_set(settings, validation.as_test, folder.path)


def hashing_overrides(
    exp_name: str | None, code_size: int | None, triplet_margin: float | None, dataset_name: str | None
) -> list[str]:
    """Return the original command line of learning to hash as settings; empty where none of it was given.

    A data set that is not published is a folder of classes under data/, a fifth of whose photos is the test.
    """
    found = []
    if exp_name is not None:
        found.append(f"name={exp_name}")
    if code_size is not None:
        found.append(f"network.embedding={code_size}")
    if triplet_margin is not None:
        found.append(f"loss.margin={triplet_margin}")
    if dataset_name in PUBLISHED:
        found.append(f"identities.dataset={dataset_name}")
    elif dataset_name is not None:
        folder = json.dumps([str(Path("data") / dataset_name)])
        found += ["identities.dataset=null", f"identities.train={folder}", "identities.test_share=0.2"]
    return found


def _validation(
    settings: Settings, people: ValidationPeople, data: TrainingSet, names: tuple[str, ...]
) -> UnseenPeople | HeldOutPhotos:
    # Crops to measure retrieval on during training.
    metric, miss = settings.ranking.metric, settings.faces.miss
    with_map = settings.training.choose_by == "mAP" or metric == "hamming"
    if people.by_photo:
        images, classes = _crops(settings, people.asked, miss, "held-out photos")
        shown = tuple(names[number] for number in data.labels)
        return HeldOutPhotos(images, tuple(classes), data.images, shown, metric, with_map)
    asked = _crops(settings, people.asked, miss, "validation people")
    others = _crops(settings, people.distractors, miss, "distractors")
    identities = (*asked[1], *(f"distractor {name}" for name in others[1]))
    flags = (True,) * len(asked[1]) + (False,) * len(others[1])
    return UnseenPeople(np.concatenate([asked[0], others[0]]), identities, flags, metric, with_map)


def _training_set(settings: Settings, people: LabelledPhotos, what: str) -> tuple[TrainingSet, tuple[str, ...]]:
    images, identities = _crops(settings, people, settings.faces.miss_training, what)
    counts = {person: identities.count(person) for person in dict.fromkeys(identities)}
    names = tuple(sorted(person for person, count in counts.items() if count >= settings.identities.min_photos))
    if len(names) < 2:
        raise FacematchError(
            f"{len(names)} people are left with {settings.identities.min_photos} cropped faces each; "
            "training needs 2 or more.",
            "Look at the crops: facematch crop FOLDER OUT. faces.miss_training: whole keeps photos without a face.",
        )
    numbers = {name: number for number, name in enumerate(names)}
    keep = [index for index, person in enumerate(identities) if person in numbers]
    labels = np.array([numbers[identities[index]] for index in keep], dtype=np.int64)
    return TrainingSet(np.ascontiguousarray(images[keep]), labels, len(names)), names


def _crops(
    settings: Settings, people: LabelledPhotos, miss: MissChoice, what: str
) -> tuple[NDArray[np.uint8], list[str]]:
    # Crops (N×S×S×3) of labelled photos and the identity of each.
    size = settings.faces.size
    cropper, records, images, identities = build_cropper(settings.faces), [], [], []
    with (
        crop_cache(cache_folder(settings.paths.cache), cropper) as cache,
        working(f"cropping {what}", len(people.files)) as progress,
    ):
        outcomes = crop_photos(
            people.files, cropper, cache, miss=miss, limits=photo_limits(settings.photos), on_progress=progress
        )
        for outcome, identity in zip(outcomes, people.identities, strict=True):
            records.append(record_of(outcome))
            if isinstance(outcome, Crop):
                images.append(outcome.image)
                identities.append(identity)
    if records:
        note(f"{what}: {coverage_of(records)}")
    return np.stack(images) if images else np.empty((0, size, size, 3), np.uint8), identities


def _save(
    settings: Settings,
    folder: RunFolder,
    people: tuple[str, ...],
    origin: dict[str, object],
    name: str,
    network: EmbeddingNetwork,
    epoch: int,
    figures: Figures | None,
) -> None:
    save_checkpoint(
        folder.path / f"{name}.safetensors",
        network,
        build_cropper(settings.faces).fingerprint,
        origin=origin,
        people=people,
        metric=settings.ranking.metric,
        trained={"epoch": epoch, "validation": figures.as_dict() if figures else None},
    )


def _same_people(
    folder: RunFolder, data: TrainingSet, names: tuple[str, ...], asked: tuple[str, ...], *, resume: bool
) -> None:
    # What was trained on is written down; a resumed run must see the very same photos.
    digest = hashlib.sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest()
    path = folder.path / "identities.json"
    if resume and path.is_file() and read_json(path, "the run's people")["sha256"] != digest:
        raise FacematchError(
            f"the training photos are not those {folder.path} was started with.",
            "Bring back the same photos to resume, or start a new run with another name: --set name=NAME.",
        )
    write_json(path, {"training": list(names), "validation": list(asked), "sha256": digest})


def _conclude(folder: RunFolder, result: TrainingResult, config: Path, watch: Stopwatch, asked: str) -> None:
    note(f"seconds: {watch}")
    if result.stopped:
        note(f"stopped and saved. Go on with: python train.py --config {config} --resume")
        raise SystemExit(128 + result.stopped)
    if result.best is not None:
        say(f"finished: {result.reason}. Best epoch {result.best_epoch}, {asked}: {_short(result.best)}")
    say(f"weights, settings and log: {folder.path}")


def _short(figures: Figures) -> str:
    interval = "" if figures.interval is None else f" [{figures.interval[0]:.3f}–{figures.interval[1]:.3f}]"
    precision = figures.mean_average_precision
    return ("" if precision is None else f"mAP {precision:.3f}, ") + (
        f"top-1 {figures.top1:.3f}{interval}, top-5 {figures.top5:.3f}, "
        f"top-10 {figures.top10:.3f}, score {figures.score:.0f}"
    )
