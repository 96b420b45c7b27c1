"""The query and the gallery folder of a configuration: zip files unpacked, checked, and the right way round."""

from functools import partial
from pathlib import Path

from facematch.core.cache import cache_folder
from facematch.core.console import ask
from facematch.core.errors import FacematchError
from facematch.pipeline.build import photo_limits
from facematch.pipeline.folders import Folder, check_folders, doubts
from facematch.settings.root import Settings


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
    from facematch.identities.zipped import is_zip, unzipped

    if not is_zip(path):
        return path
    return unzipped(path, cache_folder(settings.paths.cache), photo_limits(settings.photos))
