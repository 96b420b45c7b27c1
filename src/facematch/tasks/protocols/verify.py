"""`facematch verify`: do two photos show the same person? Accuracy over folds, AUC, EER and TAR@FAR."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facematch.core.console import info, progress, show_json, show_table, warn
from facematch.core.errors import FacematchError
from facematch.core.text import interval_words
from facematch.embedders.embed import EmbeddedPhotos
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.verification import Pairs, verification_figures
from facematch.faces.values import coverage_of
from facematch.photos.photo import PhotoFile
from facematch.pipeline.build import photo_embedder
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.system import build_system
from facematch.ranking.ranking import pair_distances
from facematch.refine.chain import needs_folds
from facematch.tasks.protocols.labelled_pairs import LabelledPairs, load_pairs
from facematch.tasks.protocols.lfw_protocol import (
    FoldAccuracy,
    IdentityFolds,
    folds_by_identity,
    lfw_accuracy,
    people_of,
)

_NAMED = 10  # unusable photos named one by one


@dataclass(frozen=True, eq=False)
class Verified:
    """Figures of the pairs whose two photos have an embedding, and what kept the others from it.

    `unusable` maps photo to reason; `left_out` counts pairs with such a photo.
    """

    pairs: Pairs
    metric: str
    accuracy: FoldAccuracy
    figures: tuple[Estimate, ...]
    unusable: Mapping[str, str]
    left_out: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "pairs": len(self.pairs),
            "same": int(self.pairs.same.sum()),
            "different": int((~self.pairs.same).sum()),
            "people": self.pairs.people,
            "metric": self.metric,
            "left_out": self.left_out,
            "unusable": dict(self.unusable),
            "accuracy": asdict(self.accuracy),
            "figures": [figure.as_dict() for figure in self.figures],
            "notes": list(self.notes),
        }


def verify_command(pairs: Path, images: Path | None, config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print how well the configured embedder tells same from different pairs.

    `images` is the folder that the names in `pairs` start from; None takes the folder `images` beside the
    file, else the file's own folder.
    """
    settings = settings_in_use(config, overrides)
    labelled = load_pairs(pairs)
    files = photos_of_pairs(labelled, pairs, images)
    people = people_of(labelled)
    system = build_system(settings)
    stage = photo_embedder(settings, system.embedder)
    with progress("embedding", len(files)) as step:
        embedded = stage.run(files, step)
    info(f"photos of the pairs: {coverage_of(embedded.records)}")
    if needs_folds(system.steps):
        info("refine: of its steps only flip is used; the others are about rankings of a gallery")
    verified = verify_pairs(labelled, people, embedded)
    if as_json:
        show_json(verified.as_dict())
    else:
        show_verified(verified)


def photos_of_pairs(labelled: LabelledPairs, pairs: Path, images: Path | None) -> list[PhotoFile]:
    """Return the file of every photo of the pairs. Raises FacematchError, which names some, when any is missing."""
    beside = pairs.parent / "images"
    folder = images or (beside if beside.is_dir() else pairs.parent)
    files = [PhotoFile(name, folder / name) for name in labelled.photos]
    missing = [file.name for file in files if _missing(file.path)]
    if missing:
        raise FacematchError(
            f"{len(missing)} of {len(files)} photos named in {pairs} do not exist in {folder}: "
            f"{', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}.",
            "Say with --images FOLDER where the names start from.",
        )
    return files


def verify_pairs(labelled: LabelledPairs, people: Mapping[str, str], embedded: EmbeddedPhotos) -> Verified:
    """Return the figures of the pairs that have two embeddings. Raises FacematchError when none has.

    Folds that are not given are made from all pairs, so that they are the same for every embedder.
    """
    embeddings = embedded.embeddings
    row = {name: number for number, name in enumerate(embeddings.names)}
    first, second = (np.array([row.get(name, -1) for name in side]) for side in (labelled.first, labelled.second))
    usable = (first >= 0) & (second >= 0)
    unusable = {record.name: record.reason for record in embedded.records if record.name not in row}
    if not usable.any():
        name, reason = next(iter(unusable.items()))
        raise FacematchError(
            f"none of {len(labelled)} pairs has two photos with an embedding; first {name}: {reason}.",
            "Look at the photos; faces.miss says what becomes of one without a face.",
        )
    codes = {person: number for number, person in enumerate(dict.fromkeys(people.values()))}
    shown = [np.array([codes[people[name]] for name in side])[usable] for side in (labelled.first, labelled.second)]
    distances = pair_distances(embeddings, first[usable], second[usable])
    pairs = Pairs(distances, labelled.same[usable], shown[0], shown[1])
    folds = _folds(labelled, people)
    accuracy = lfw_accuracy(distances, pairs.same, folds.folds[usable])
    figures = tuple(verification_figures(pairs))
    notes = tuple(text for text in (folds.note, accuracy.note, *_gathered(figures)) if text)
    return Verified(pairs, embeddings.metric, accuracy, figures, unusable, int((~usable).sum()), notes)


def show_verified(verified: Verified) -> None:
    """Print the table, and what was left out and why."""
    pairs, same = verified.pairs, int(verified.pairs.same.sum())
    show_table(
        f"{len(pairs)} pairs, {same} same, {len(pairs) - same} different; {pairs.people} people; {verified.metric}",
        ["figure", "value", "95 % interval over people"],
        [_accuracy_row(verified.accuracy), *map(_figure_row, verified.figures)],
    )
    for text in verified.notes:
        info(text)
    if verified.left_out:
        warn(f"pairs left out: {verified.left_out}; photos without an embedding: {len(verified.unusable)}")
        for name, reason in list(verified.unusable.items())[:_NAMED]:
            info(f"  {name}: {reason}")
        if len(verified.unusable) > _NAMED:
            info(f"  and {len(verified.unusable) - _NAMED} more; --json names all")


def _accuracy_row(accuracy: FoldAccuracy) -> tuple[str, str, str]:
    if accuracy.mean is None:
        return "accuracy", "insufficient data", ""
    error = f"standard error {accuracy.standard_error:.4f}"
    return f"accuracy, {len(accuracy.accuracies)} folds", f"{accuracy.mean:.4f}", error


def _figure_row(figure: Estimate) -> tuple[str, str, str]:
    if figure.value is None:
        return figure.name, "insufficient data", ""
    return figure.name, f"{figure.value:.4f}", interval_words(figure.interval, ".4f")


def _gathered(figures: Sequence[Estimate]) -> list[str]:
    # Each note once, after the figures it is about.
    names: dict[str, list[str]] = {}
    for figure in figures:
        if figure.note:
            names.setdefault(figure.note, []).append(figure.name)
    return [f"{', '.join(those)}: {text}" for text, those in names.items()]


def _missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False  # what else is wrong is said when it is read
    return False


def _folds(labelled: LabelledPairs, people: Mapping[str, str]) -> IdentityFolds:
    if labelled.folds is None:
        return folds_by_identity(labelled, people)
    seen: dict[str, set[int]] = {}
    for a, b, fold in zip(labelled.first, labelled.second, labelled.folds.tolist(), strict=True):
        seen.setdefault(people[a], set()).add(fold)
        seen.setdefault(people[b], set()).add(fold)
    twice = sum(len(folds) > 1 for folds in seen.values())
    text = f"{twice} people stand in more than one fold of the file: thresholds were chosen on people they decide about"
    return IdentityFolds(labelled.folds, len(set(labelled.folds.tolist())), text if twice else "")
