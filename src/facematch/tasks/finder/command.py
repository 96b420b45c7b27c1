"""`train` with a `finder:` section: a face detector of one's own from photos that two others label."""

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from facematch.core.cache import cache_folder
from facematch.core.console import Stopwatch, info, progress, result
from facematch.core.errors import FacematchError, MissingError
from facematch.core.shipped import find_settings
from facematch.core.text import evenly
from facematch.faces.detectors import Detector
from facematch.faces.finder import shipped_finder
from facematch.faces.landmarks import CenterFaceDetector, YunetDetector
from facematch.networks.finder import FinderNetwork, export_finder
from facematch.photos.photo import PhotoFile, find_photos
from facematch.pipeline.build import photo_limits
from facematch.pipeline.run_folder import RunFolder, lengthen, start_run
from facematch.pipeline.run_state import check_state, stop_on_signals
from facematch.settings.finder import FinderSettings
from facematch.settings.root import Settings
from facematch.tasks.finder.labels import Labelled, label_photos
from facematch.tasks.finder.loop import FinderTrainer
from facematch.tasks.finder.scenes import SceneMaker
from facematch.tasks.finder.validation import validation_of

_LABELLING_SCORE = 0.3  # from which a teacher's find is no background
_LABELLING_SIZE = 640  # pixels of the longer side


def train_finder(
    settings: Settings, finder: FinderSettings, folder: RunFolder, again: str, *, resume: bool, fresh: bool
) -> None:
    """Label, train and export; leaves with 128 + signal when it was stopped by one. `again` is how to go on then."""
    watch = Stopwatch()
    if resume:
        check_state(folder, settings)
    first = None if resume and folder.state.is_file() else _first(finder)
    with watch.stage("labelling"):
        photos, unseen = _labelled_photos(settings, finder)
        backgrounds, others = _backgrounds(settings, finder)
    faces = sum(len(each.boxes) for each in photos)
    info(f"training: {faces:,} faces in {len(photos):,} photos, {len(backgrounds):,} pictures without a face")
    info(f"validation: {len(unseen):,} photos and a drawing of each, {len(others):,} pictures without a face")
    if resume:
        lengthen(folder, settings)
    else:
        start_run(folder, settings, fresh=fresh)
    maker = SceneMaker(photos, backgrounds, finder.side, finder.rendered)
    trainer = FinderTrainer(maker, folder, finder, settings.training, settings.seed)
    if resume and trainer.resume():
        info(f"resumed at epoch {trainer.at.epoch}, batch {trainer.at.batch}")
    elif first is not None:
        trainer.begin_from(first)
    validate = validation_of(unseen, others, finder.side)
    best = folder.path / "best.onnx"

    def keep(network: FinderNetwork) -> None:
        export_finder(network, best)

    epochs = settings.training.epochs
    with (
        watch.stage("training"),
        progress("training", epochs * 1000, (trainer.at.epoch - 1) * 1000) as step,
        stop_on_signals() as stop,
    ):
        trainer.run(
            validate,
            keep,
            info,
            lambda epoch, share, loss: step(round((epoch - 1 + share) * 1000), f"loss {loss:.2f}"),
            stop,
        )
    info(f"seconds: {watch}")
    if stop:
        info(f"stopped and saved. Go on with: {again}", wrap=False)
        raise SystemExit(128 + stop.signal)
    result(f"finished. Best epoch {trainer.at.best_epoch}: recall {(trainer.at.best or {}).get('recall')}")
    result(f"the finder: {best}")


def _first(finder: FinderSettings) -> Path | None:
    # The file whose weights come first.
    given = shipped_finder() if finder.init_from == "default" else finder.init_from
    if finder.init_from is not None and (given is None or not given.is_file()):
        raise MissingError(
            f"finder.init_from: {finder.init_from} does not exist.",
            "Name a finder's ONNX file, or null to begin with random weights.",
        )
    return given


def teachers(finder: FinderSettings, min_score: float = _LABELLING_SCORE) -> tuple[Detector, Detector]:
    """Return the two detectors that label. Raises FacematchError where a file is missing or is no model of its kind."""
    for name, file in finder.teachers.items():
        if not file.is_file():
            raise FacematchError(
                f"finder.teachers: {file} does not exist.", f"Give {name}'s file: --set finder.teachers.{name}=FILE"
            )
    kinds: dict[str, Callable[[Path, float, int], Detector]]
    kinds = {"yunet": YunetDetector, "centerface": CenterFaceDetector}
    first, second = (kinds[name](file, min_score, _LABELLING_SIZE) for name, file in finder.teachers.items())
    return first, second


def _labelled_photos(settings: Settings, finder: FinderSettings) -> tuple[list[Labelled], list[Labelled]]:
    held_out = _names(finder.held_out)
    found = [file for folder in finder.photos for file in find_photos(folder).files]
    apart = [file for file in found if file.name in held_out]
    apart += [file for folder in finder.validation for file in find_photos(folder).files]
    apart = evenly(apart, finder.validation_photos)
    learned = [
        file
        for file in found
        if file.name not in held_out and not any(fnmatchcase(file.name, each) for each in finder.left_out)
    ]
    photos = _label(settings, finder, learned, "training photos")
    unseen = _label(settings, finder, apart, "validation photos")
    photos, unseen = ([each for each in side if len(each.boxes)] for side in (photos, unseen))
    for side, what in ((photos, "finder.photos"), (unseen, "finder.held_out and finder.validation")):
        if not side:
            raise FacematchError(
                f"{what}: no face on which both teachers agree.", "Name folders of photos of people in the settings."
            )
    return photos, unseen


def _backgrounds(settings: Settings, finder: FinderSettings) -> tuple[list[Labelled], list[Labelled]]:
    files = [file for folder in finder.backgrounds for file in find_photos(folder).files]
    labelled = _label(settings, finder, files, "backgrounds")
    without = [each for each in labelled if not len(each.boxes)]
    order = np.random.default_rng(settings.seed).permutation(len(without))
    apart = set(order[: round(finder.background_share * len(without))].tolist())
    return (
        [each for number, each in enumerate(without) if number not in apart],
        [each for number, each in enumerate(without) if number in apart],
    )


def _label(settings: Settings, finder: FinderSettings, files: Sequence[PhotoFile], what: str) -> list[Labelled]:
    if not files:
        return []
    with progress(f"labelling {what}", len(files)) as step:
        return label_photos(
            files,
            teachers(finder),
            finder.agreement,
            cache_folder(settings.paths.cache),
            photo_limits(settings.photos),
            os.cpu_count() or 1,
            step,
        )


def _names(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    path = find_settings(path)
    try:
        return frozenset(path.read_text(encoding="utf-8").split("\n")) - {""}
    except (OSError, UnicodeDecodeError) as error:
        raise FacematchError(
            f"finder.held_out: {path} cannot be read: {error}.", "Give a text file of names."
        ) from None
