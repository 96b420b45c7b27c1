"""The query and the gallery folder: unpacked, photos and names checked, the right way round, before any compute."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facematch.core.cache import cache_folder
from facematch.core.console import ask
from facematch.core.errors import FacematchError
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, digests_of, find_photos
from facematch.pipeline.build import photo_limits
from facematch.settings.root import Settings

_PHOTO_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".jp2",
    ".avif",
    ".heic",
    ".heif",
)


@dataclass(frozen=True)
class Folder:
    """A query or gallery folder, or a zip file of one: files to read, and entries that cannot be.

    `path` is as the user named it, `place` is the folder where the files are.
    """

    path: Path
    place: Path
    files: tuple[PhotoFile, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def names(self) -> list[str]:
        """Base names of every photo, read or not, sorted; a stray notes.txt or .DS_Store is none."""
        names = [file.name for file in self.files] + [bad.name for bad in self.unreadable]
        base = {base_name(name) for name in names}
        return sorted(name for name in base if name.lower().endswith(_PHOTO_SUFFIXES) and not name.startswith("."))


def check_folders(
    query: Path, gallery: Path, limits: PhotoLimits, names: int, place: Callable[[Path], Path] = Path
) -> tuple[Folder, Folder]:
    """Return both folders' photos, or raise FacematchError for what would make a submission worthless.

    `place` returns the folder that a path stands for: another one for a zip file. Worthless makes a missing or empty
    folder, the same folder twice, one inside the other, fewer than `names` gallery photos, one base name twice in a
    folder, the same name or the same bytes on both sides.
    """
    sides = {"paths.query": query, "paths.gallery": gallery}
    left, right = (place(each) for each in sides.values())
    missing = {
        name: each for (name, each), there in zip(sides.items(), (left, right), strict=True) if not there.is_dir()
    }
    if missing:
        raise FacematchError(
            "; ".join(f"{name}: {each} is not a folder ({each.absolute()})" for name, each in missing.items()) + ".",
            f"Name {'it' if len(missing) == 1 else 'them'} with "
            + " ".join(f"--set {name}=FOLDER" for name in missing)
            + "; a .zip is taken as the folder that it holds.",
        )
    real = left.resolve(), right.resolve()
    if real[0] == real[1] or real[0] in real[1].parents or real[1] in real[0].parents:
        raise FacematchError(
            f"paths.query ({query}) and paths.gallery ({gallery}) are the same folder, or one holds the other.",
            "Name two separate folders.",
        )
    found = _listed(query, left, "query"), _listed(gallery, right, "gallery")
    if len(found[1].files) < names:
        raise FacematchError(
            f"paths.gallery: {gallery} holds {len(found[1].files)} photos; a submission names {names} different ones.",
            "Check that the whole gallery was unpacked, and that the two are not swapped.",
        )
    _require_apart(*found, limits)
    return found


def doubts(query: Folder, gallery: Folder) -> list[str]:
    """Return in words what makes it look as if the two folders were swapped; empty where nothing does."""
    found = []
    if len(query.names) > len(gallery.files):
        found.append(f"there are more queries ({len(query.names)}) than gallery photos ({len(gallery.files)})")
    for folder, own, other in ((query, "query", "gallery"), (gallery, "gallery", "query")):
        name = folder.path.name.lower()
        if other.rstrip("y") in name and own.rstrip("y") not in name:  # also `queries` and `galleries`
            found.append(f"paths.{own} is {folder.path}")
    return found


def two_folders(
    settings: Settings, query: Path, gallery: Path, names: int, *, as_they_are: bool
) -> tuple[Folder, Folder]:
    """Return both folders' photos; where they look swapped a person at a terminal is asked, unless `as_they_are`.

    Raises FacematchError as `check_folders`, as `unzipped`, and for folders that look swapped.
    """
    found = check_folders(query, gallery, photo_limits(settings.photos), names, partial(folder_of, settings))
    doubt = doubts(*found)
    if doubt and not as_they_are:
        what = f"query and gallery look swapped: {', and '.join(doubt)}."
        if not ask(f"{what} Go on with them as they are?"):
            raise FacematchError(what, "Name them the other way round, or go on with --as-they-are.")
    return found


def folder_of(settings: Settings, path: Path) -> Path:
    """Return a path, or the folder that it holds where it is a zip file. Raises FacematchError as `unzipped`."""
    if not path.is_file():
        return path
    from facematch.identities.archives import is_zip, unzipped

    if not is_zip(path):
        return path
    return unzipped(path, cache_folder(settings.paths.cache), photo_limits(settings.photos))


def base_name(name: str) -> str:
    """Return a photo's name without its folder, as a submission names it."""
    return name.rpartition("/")[2]


def _listed(folder: Path, place: Path, setting: str) -> Folder:
    found = find_photos(place)
    if not found.files:
        met = f"; {len(found.unreadable)} files cannot be used" if found.unreadable else ""
        raise FacematchError(f"paths.{setting}: {folder} holds no photos{met}.", "Put the photos there.")
    seen: dict[str, str] = {}
    for file in found.files:
        if (other := seen.setdefault(base_name(file.name), file.name)) != file.name:
            raise FacematchError(
                f"{folder} holds {other} and {file.name}: a submission names photos without their folder, "
                "so the two cannot be told apart.",
                "Keep one of them, or point to the folder that holds the competition's photos only.",
            )
    return Folder(folder, place, found.files, found.unreadable)


def _require_apart(query: Folder, gallery: Folder, limits: PhotoLimits) -> None:
    what = ""
    names = [{base_name(file.name) for file in side.files} for side in (query, gallery)]
    if both := sorted(names[0] & names[1]):
        what = f"{len(both)} names are in the query and in the gallery folder, first {both[0]}"
    else:
        lengths = _lengths(query.files), _lengths(gallery.files)
        same = set(lengths[0].values()) & set(lengths[1].values())  # the rest need not be read
        alike = [[file for file, length in side.items() if length in same] for side in lengths]
        known = {digest: file.name for file, digest in digests_of(alike[0], limits)}
        if shared := [f"{known[sha]} = {file.name}" for file, sha in digests_of(alike[1], limits) if sha in known]:
            what = f"{len(shared)} gallery photos have the same bytes as a query, first {shared[0]}"
    if what:
        raise FacematchError(
            f"{what} ({query.path} and {gallery.path}).",
            "The folders are mixed up, or photos were copied between them: each photo belongs on one side.",
        )


def _lengths(files: Sequence[PhotoFile]) -> dict[PhotoFile, int]:
    lengths = {}
    for file in files:
        with suppress(OSError):  # what cannot be read is named when it is read
            lengths[file] = file.path.stat().st_size
    return lengths
