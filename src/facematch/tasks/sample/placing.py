"""Putting the sample in place: never over files of others, never half, repairable after a crash.

Everything is written into a staging folder below the target first. Folders are then renamed into
place one by one and the manifest last, so at any moment every file of the sample is listed either
in the manifest in place or in that of a staging folder left behind: the next run knows its own.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file
from facematch.core.foreign import as_kind, read_json
from facematch.tasks.sample.plan import FACES, GALLERY, QUERY

KIND = "facematch sample"
MANIFEST = "sample.json"
TRUTH = "rehearsal/ground_truth.json"
FOLDERS = (FACES, QUERY, GALLERY)
STAGING = ".facematch-sample-"  # the rest of the name is random
LITTER = (".DS_Store", "Thumbs.db")  # what desktops leave in folders that were looked at


class _Manifest(BaseModel):
    kind: Literal["facematch sample"]
    files: dict[str, str]


_MANIFEST = TypeAdapter(_Manifest)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest of a sample, or None where there is none that this program wrote."""
    try:
        manifest = read_json(path, "the sample's manifest")
        as_kind(_MANIFEST, manifest)
    except (FacematchError, ValueError):
        return None
    return dict(manifest)


def is_complete(out: Path, manifest: dict[str, Any]) -> bool:
    """Return whether every file of a manifest is in `out` with its SHA-256."""
    try:
        return all(sha256_of_file(out / path) == digest for path, digest in manifest["files"].items())
    except (OSError, ValueError):  # ValueError: a path that no file system takes
        return False


def refuse_foreign(out: Path) -> None:
    """Raise FacematchError when something not written by this program is where the sample goes."""
    manifests = [out / MANIFEST, *out.glob(f"{STAGING}*/new/{MANIFEST}")]
    owned = {path for found in map(read_manifest, manifests) if found for path in found["files"]}
    if read_manifest(out / MANIFEST):
        owned.add(MANIFEST)
    foreign = sorted(path for path in _present(out) if path not in owned)
    if foreign:
        others = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise FacematchError(
            f"{out} holds {foreign[0]}{others}, which the sample did not write; nothing was touched.",
            "Choose another folder with --out DIR, or move these files away.",
        )


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Yield an empty folder to write the sample into; put it in place when the block ends well.

    When the block raises, the folder is removed and `out` is as it was. Raises FacematchError when
    the disk is full or `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        staged = Path(mkdtemp(prefix=STAGING, dir=out))
        try:
            (staged / "new").mkdir()
            yield staged / "new"
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        _put_in_place(staged, out)
        remove_leftovers(out)
    except OSError as error:
        raise FacematchError(
            f"The sample could not be written to {out}: {error.strerror or error}.",
            "Free 20 MB on the disk, or choose a folder you may write to with --out DIR.",
        ) from error


def remove_leftovers(out: Path) -> None:
    """Remove the staging folders of this and of earlier, interrupted runs."""
    for staged in out.glob(f"{STAGING}*"):
        shutil.rmtree(staged, ignore_errors=True)


def _present(out: Path) -> Iterator[str]:
    # Paths below `out`, with slashes, of all that is where the sample goes. Links are never followed.
    for name in (TRUTH, MANIFEST):
        if os.path.lexists(out / name):
            yield name
    for name in FOLDERS:
        folder = out / name
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            yield name
            continue
        for parent, folders, files in os.walk(folder):
            links = [link for link in folders if Path(parent, link).is_symlink()]
            for found in (*files, *links):
                if found not in LITTER:
                    yield Path(parent, found).relative_to(out).as_posix()


def _put_in_place(staged: Path, out: Path) -> None:
    for name in FOLDERS:
        target, retired = out / name, staged / "old" / name
        if target.exists():
            retired.parent.mkdir(parents=True, exist_ok=True)
            target.replace(retired)
        target.parent.mkdir(parents=True, exist_ok=True)
        (staged / "new" / name).replace(target)
    for name in (TRUTH, MANIFEST):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / "new" / name).replace(out / name)
