"""The sets that must not share anything: those of a configuration, or folders named by the user."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facematch.core.errors import FacematchError
from facematch.core.text import count_of
from facematch.identities.check import check_identities
from facematch.identities.sources import load_identities, load_many
from facematch.identities.split import split_identities
from facematch.identities.values import LabelledPhotos, Problem
from facematch.photos.photo import PhotoLimits, find_photos
from facematch.pipeline.build import photo_limits
from facematch.settings.root import IdentitySettings, Settings
from facematch.tasks.leaks.leaks import PhotoSet

EXAMPLE = "For example: facematch leaks train=FOLDER test=FOLDER"


@dataclass(frozen=True)
class Absent:
    """A set that is not there to be looked at, and why."""

    name: str
    reason: str


def named_sets(given: Sequence[str], *, people: bool) -> list[PhotoSet]:
    """Return the sets of `NAME=FOLDER` arguments.

    With `people` the first folder below each is a person (a list file of `<photo> <person>` is taken too).
    Raises FacematchError for anything but two or more different names and folders that hold photos.
    """
    sources: dict[str, Path] = {}
    for text in given:
        name, mark, path = text.partition("=")
        if not (name.strip() and mark and path):
            raise FacematchError(f"{text!r} is not NAME=FOLDER.", EXAMPLE)
        if name in sources:
            raise FacematchError(f"two sets are named {name!r}.", "Give each its own name.")
        sources[name] = Path(path).expanduser()
    _require_different(list(sources.items()))
    found = [
        _of_people(name, str(source), *load_identities(source)) if people else _of_folder(name, source)
        for name, source in sources.items()
    ]
    for each in found:
        if not each.files:
            raise FacematchError(f"{each.source} ({each.name}) holds no photos{_not_read(each)}.", "Check the path.")
    return found


def configured_sets(settings: Settings) -> tuple[list[PhotoSet], list[Absent]]:
    """Return the sets that a configuration names and that exist, and those that are absent.

    Training, validation (split from training as a run splits it where no folder is named) and distractors
    hold the photos that a run uses; query and gallery every photo of their folders. Raises FacematchError
    as the loading of labelled photos does, and when two settings name one folder.
    """
    wanted, paths, limits = settings.identities, settings.paths, photo_limits(settings.photos)
    others = [("validation", wanted.validation), ("distractors", wanted.distractors)]
    folders = [("query", paths.query), ("gallery", paths.gallery)]
    _require_different([
        *(("training", path) for path in dict.fromkeys(wanted.train)),
        *((name, path) for name, path in others if path is not None),
        *folders,
    ])  # fmt: skip
    sets, absent = _training(wanted, settings.seed, limits)
    for name, path in others:
        if path is not None and path.exists():
            sets.append(_checked(name, str(path), load_identities(path, wanted.images), limits, 1))
        elif path is not None or name == "distractors":
            reason = "no folder is set" if path is None else f"{path} does not exist"
            absent.append(Absent(name, f"identities.{name}: {reason}"))
    for name, path in folders:
        found = _of_folder(name, path) if path.exists() else None
        if found is not None and found.files:
            sets.append(found)
        else:
            reason = "does not exist" if found is None else f"holds no photos{_not_read(found)}"
            absent.append(Absent(name, f"paths.{name}: {path} {reason}"))
    return sets, absent


def _training(wanted: IdentitySettings, seed: int, limits: PhotoLimits) -> tuple[list[PhotoSet], list[Absent]]:
    source = ", ".join(map(str, wanted.train))
    if missing := [str(path) for path in wanted.train if not path.exists()]:
        absent = [Absent("training", f"identities.train: {', '.join(missing)} does not exist")]
        if wanted.validation is None:
            absent.append(Absent("validation", "it would be split from training"))
        return [], absent
    everyone = _checked("training", source, load_many(wanted.train, wanted.images), limits, wanted.min_photos)
    if wanted.validation is not None:
        return [everyone], []
    labelled = LabelledPhotos(everyone.files, everyone.identities)
    train, queries = split_identities(labelled, wanted.validation_share, seed)
    training = replace(everyone, files=train.files, identities=train.identities)
    return [training, PhotoSet("validation", f"split from {source}", queries.files, queries.identities)], []


def _checked(
    name: str, source: str, loaded: tuple[LabelledPhotos, list[Problem]], limits: PhotoLimits, min_photos: int
) -> PhotoSet:
    labelled, problems = loaded
    checked = check_identities(labelled, limits, min_photos, min_people=1)
    unread = sum(problem.kind == "unreadable file" for problem in checked.problems)
    unused = len(labelled.files) - len(checked.labelled.files) - unread
    return replace(_of_people(name, source, checked.labelled, [*problems, *checked.problems]), unused=unused)


def _of_people(name: str, source: str, labelled: LabelledPhotos, problems: list[Problem]) -> PhotoSet:
    unread = tuple(problem.text for problem in problems if problem.kind == "unreadable file")
    return PhotoSet(name, source, labelled.files, labelled.identities, unread)


def _of_folder(name: str, folder: Path) -> PhotoSet:
    found = find_photos(folder)
    # Hidden files such as .DS_Store are never photos of a set.
    unread = tuple(str(each) for each in found.unreadable if not each.reason.startswith("hidden"))
    return PhotoSet(name, str(folder), found.files, unread=unread)


def _require_different(sources: Sequence[tuple[str, Path]]) -> None:
    seen: dict[Path, str] = {}
    for name, path in sources:
        other = seen.setdefault(path.resolve(), name)
        if other != name:
            raise FacematchError(f"{other} and {name} are the same folder, {path}.", "Name two different folders.")


def _not_read(found: PhotoSet) -> str:
    return f" ({count_of(len(found.unread), 'file that is none', 'files that are none')})" if found.unread else ""
